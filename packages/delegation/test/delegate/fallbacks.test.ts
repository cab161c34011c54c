/** Tasks whose children ran out of time, tried again with other models. */
import { createRuntime, defineAgent, memoryStore } from '@troupe/core';
import type { Report } from '@troupe/protocol';
import { exploreCrashes, type Script, scriptedProvider, type Turn } from '@troupe/testing';
import { from, lastValueFrom, toArray } from 'rxjs';
import { describe, expect, test } from 'vitest';
import {
  childLifecycle,
  childProgress,
  createDelegateTool,
  type DelegateOptions,
  fileRegistry,
} from '../../src/index.ts';
import { calling, eventsOf, requestsOf, settle, tool } from '../delegating.ts';
import { type Delegating, delegate, entriesIn, openLead, plain, resultIn, toldIn } from './lead.ts';

const usage = { inputTokens: 10, outputTokens: 5, costUsd: 0.5 };
const looks = { calls: [{ name: 'look', arguments: {} }], usage };
const timeoutFallbacks = [{ model: 'second' }, { model: 'third' }];
const limited: DelegateOptions = { timeoutMs: 1_000, timeoutFallbacks };

/** What each model does with a goal. The first one looks around and then hangs, unless something else is said. */
type Models = Record<string, (goal: string, said: number) => Turn>;
const stuck = (_goal: string, said: number): Turn => (said === 0 ? looks : { hang: true });
const answers = (goal: string): Turn => ({ text: `Did ${goal}.`, usage });
const scriptOf =
  (tasks: object[], models: Models): Script =>
  ({ messages, model }, { agent }) => {
    if (agent !== 'lead') {
      const said = messages.filter(({ role }) => role === 'assistant').length;
      return (models[model] ?? stuck)(String(messages.find(({ role }) => role === 'user')?.content), said);
    }
    return messages.at(-1)?.content === 'Do it.' ? calling(delegate({ tasks })) : 'done';
  };
const openTasks = (
  tasks: object[],
  models: Models = {},
  { options, ...opening }: Parameters<typeof openLead>[1] = {},
): Delegating =>
  openLead(scriptOf(tasks, models), { options: { ...limited, ...options }, tools: [tool('look')], ...opening });
const pass = async ({ clock }: Pick<Delegating, 'clock'>, ms: number) => {
  for (let left = ms; left > 0; left -= 250) {
    await settle();
    clock.increment(Math.min(left, 250));
  }
  await settle();
};
const played = async (troupe: Delegating, ms = 4_000) => {
  const run = troupe.run();
  await pass(troupe, ms);
  return run;
};
const modelsOf = (troupe: Delegating, agent = 'task-1') => [
  ...new Map(requestsOf(troupe, agent).map(({ request, context }) => [context.runId, request.model])),
];

describe('a task whose child ran out of time', () => {
  test('is tried again by a new child with the next model, and its entry says so [HM-175]', async () => {
    const troupe = openTasks([{ goal: 'a' }], { second: answers });
    const report = await played(troupe);
    expect(report.calls[0]?.status).toBe('ok');
    expect(entriesIn(report)).toMatchObject([
      {
        task_index: 0,
        status: 'completed',
        exit_reason: 'answered',
        summary: 'Did a.',
        model: 'second',
        run_id: `${report.runId}/1-0/1`,
        fallback_attempt: 1,
        fallback_of_status: 'timeout',
        primary_error:
          'Subagent timed out after 1s with 1 API call completed: it is likely stuck on a slow API call, or in a tool.',
        primary_model: 'test-model',
      },
    ]);
    expect(modelsOf(troupe)).toEqual([
      [`${report.runId}/1-0/0`, 'test-model'],
      [`${report.runId}/1-0/1`, 'second'],
    ]);
    // it begins anew: the same goal and instructions, nothing of what was said
    const [first, again] = [0, -1].map((n) => requestsOf(troupe, 'task-1').at(n)?.request.messages);
    expect(again).toEqual(first);
  });

  test('has numbers of all its children, and so have those above it [HM-175, HM-112, B-58]', async () => {
    const usages: Models = {
      'test-model': (_goal, said) => (said === 0 ? { ...looks, usage: { ...usage, cachedTokens: 3 } } : { hang: true }),
      second: (_goal, said) => (said === 0 ? { ...looks, usage: { ...usage, reasoningTokens: 2 } } : { hang: true }),
      third: (goal) => ({ ...(answers(goal) as object), delayMs: 250 }),
    };
    const report = await played(openTasks([{ goal: 'a' }], usages));
    const [entry] = entriesIn(report);
    expect(entry).toMatchObject({
      status: 'completed',
      fallback_attempt: 2,
      model: 'third',
      api_calls: 3,
      tool_calls: 2,
      duration_seconds: 2.25,
      tokens: { input: 30, output: 15, cached: 3, reasoning: 2 },
      cost_usd: 1.5,
      tool_trace: [],
    });
    expect(resultIn(report).total_duration_seconds).toBe(2.25);
    expect(report.usage.byModel).toMatchObject({
      'test-model': { costUsd: 0.5 },
      second: { costUsd: 0.5 },
      third: { costUsd: 0.5 },
    });
    expect(report.children.map(({ exitReason }) => exitReason)).toEqual(['timeout', 'timeout', 'answered']);
  });

  test('is a timeout where the last model is out of time, too [HM-175, L5]', async () => {
    const report = await played(openTasks([{ goal: 'a' }]));
    expect(report.calls[0]?.status).toBe('error');
    expect(entriesIn(report)).toMatchObject([
      {
        status: 'timeout',
        summary: null,
        model: 'third',
        fallback_attempt: 2,
        primary_model: 'test-model',
        cost_usd: 1.5,
      },
    ]);
    expect(report.children).toHaveLength(3);
  });

  test.each<[string, Models, object, DelegateOptions]>([
    [
      'failed',
      { second: () => ({ fault: { code: 'model.down', message: 'Down.' } }) },
      { status: 'failed', error: 'Down.' },
      {},
    ],
    ['ran out of turns', { second: () => ({ ...looks, text: 'Half.' }) }, { status: 'partial' }, { maxIterations: 2 }],
  ])('is left as it is where the second %s [HM-175]', async (_how, models, entry, options) => {
    const report = await played(openTasks([{ goal: 'a' }], models, { options }));
    expect(entriesIn(report)).toMatchObject([{ ...entry, fallback_attempt: 1, primary_model: 'test-model' }]);
    expect(report.children).toHaveLength(2);
  });

  test.each<[string, DelegateOptions]>([
    ['idle_timeout', { timeoutMs: 60_000, idleTimeoutMs: 500 }],
    ['stalled', { timeoutMs: 60_000, heartbeat: { idleMs: 500, callMs: 500, onStall: 'interrupt', graceMs: 0 } }],
  ])('is one whose child ended as %s, too [HM-175]', async (exitReason, options) => {
    const report = await played(openTasks([{ goal: 'a' }], { second: answers }, { options }));
    expect(entriesIn(report)).toMatchObject([{ status: 'completed', fallback_of_status: 'timeout' }]);
    expect(report.children[0]).toMatchObject({ exitReason });
  });

  test('has the limits of the first child once more, of its own [HM-175, HM-023]', async () => {
    const troupe = openTasks(
      [{ goal: 'a' }],
      { second: (goal) => ({ text: goal, delayMs: 750 }) },
      { options: { maxIterations: 7 } },
    );
    const report = await played(troupe);
    expect(entriesIn(report)[0]).toMatchObject({ status: 'completed', duration_seconds: 1.75 });
    const started = eventsOf(troupe, 'run.started').filter(({ agent }) => agent === 'task-1');
    expect(started.map(({ budget }) => [budget.turns, budget.deadlineAt])).toEqual([
      [7, 1_000],
      [7, 2_000],
    ]);
  });

  test('is tried again alone among the tasks of its call, in its place [HM-175, HM-012]', async () => {
    const models: Models = {
      'test-model': (goal, said) => (goal === 'b' ? stuck(goal, said) : answers(goal)),
      second: answers,
    };
    const troupe = openTasks([{ goal: 'a' }, { goal: 'b' }, { goal: 'c' }], models);
    const report = await played(troupe);
    expect(entriesIn(report).map(({ summary, run_id: id }) => [summary, id.slice(report.runId.length)])).toEqual([
      ['Did a.', '/1-0/0'],
      ['Did b.', '/1-0/3'],
      ['Did c.', '/1-0/2'],
    ]);
    expect(entriesIn(report).map((entry) => 'fallback_attempt' in entry)).toEqual([false, true, false]);
    // whoever watches is told which task it is, and that it is tried again
    const told = await lastValueFrom(from(troupe.events).pipe(childProgress(), toArray()));
    const ends = told.filter(({ type }) => type === 'child.complete');
    expect(ends.map(({ taskIndex, taskCount, fallback }) => [taskIndex, taskCount, fallback])).toEqual([
      [0, 3, undefined],
      [2, 3, undefined],
      [1, 3, undefined],
      [1, 3, 1],
    ]);
    const stops = await lastValueFrom(from(troupe.events).pipe(childLifecycle(), toArray()));
    expect(stops.flatMap((moment) => (moment.type === 'childStop' ? [[moment.status, moment.fallback]] : []))).toEqual([
      ['completed', undefined],
      ['timeout', undefined],
      ['completed', undefined],
      ['completed', 1],
    ]);
  });

  test('says what any of its children changed under their parent [HM-175, HM-140]', async () => {
    for (const second of [answers, stuck]) {
      const files = fileRegistry();
      const troupe = openTasks([{ goal: 'a' }], { second, third: second }, { options: { files } });
      const running = troupe.runtime.start(troupe.lead, 'Do it.', { runId: 'r' });
      files.recordRead('r', '/tmp/read-by-parent');
      await pass(troupe, 500);
      files.noteWrite('r/1-0/0', '/tmp/read-by-parent');
      await pass(troupe, 3_500);
      const [entry] = entriesIn((await running.ended) as Report);
      if (second === answers)
        expect(entry?.summary).toMatch(/Did a\.[\s\S]*re-read before editing: \/tmp\/read-by-parent/);
      else expect(entry?.stale_paths).toEqual(['/tmp/read-by-parent']);
    }
  });
});

describe('a task is not tried again', () => {
  test('where there are no fallbacks: its entry is what it was [HM-175]', async () => {
    const { timeoutFallbacks: _, ...without } = limited;
    const troupe = openLead(scriptOf([{ goal: 'a' }], {}), { options: without, tools: [tool('look')] });
    const [entry] = entriesIn(await played(troupe));
    const [answered] = entriesIn(await played(openTasks([{ goal: 'a' }], { 'test-model': answers })));
    expect(entry).toMatchObject({ status: 'timeout', exit_reason: 'timeout', model: 'test-model' });
    for (const one of [entry, answered])
      expect(Object.keys(one ?? {}).filter((key) => /^(fallback|primary)_/.test(key))).toEqual([]);
  });

  test('where its child was interrupted [HM-175]', async () => {
    const troupe = openTasks([{ goal: 'a' }], { second: answers });
    const run = troupe.runtime.start(troupe.lead, 'Do it.', { runId: 'r' });
    await settle();
    await run.child('r/1-0/0').interrupt('You.');
    const report = (await run.ended) as Report;
    expect(entriesIn(report)).toMatchObject([{ status: 'interrupted' }]);
    expect(report.children).toHaveLength(1);
  });

  test('where its run is interrupted; what was being tried again is interrupted with it [HM-175, HM-121]', async () => {
    const troupe = openTasks([{ goal: 'a' }]);
    const run = troupe.runtime.start(troupe.lead, 'Do it.', { runId: 'r' });
    await pass(troupe, 1_250);
    await run.interrupt('enough');
    const report = (await run.ended) as Report;
    expect(entriesIn(report)).toMatchObject([
      { status: 'interrupted', model: 'second', fallback_attempt: 1, fallback_of_status: 'timeout', cost_usd: 1 },
    ]);
    expect(report.children).toHaveLength(2);
  });

  test('where its run is interrupted before others of the call have ended: the timeout is told [HM-175, HM-121]', async () => {
    const busy: Models = {
      'test-model': (goal, said) => (goal === 'a' ? stuck(goal, said) : { ...looks, delayMs: 250 }),
    };
    const options = { timeoutMs: 60_000, idleTimeoutMs: 500 };
    const troupe = openTasks([{ goal: 'a' }, { goal: 'b' }], busy, { options });
    const run = troupe.runtime.start(troupe.lead, 'Do it.', { runId: 'r' });
    await pass(troupe, 750);
    await run.interrupt('enough');
    const report = (await run.ended) as Report;
    expect(entriesIn(report).map(({ status }) => status)).toEqual(['timeout', 'interrupted']);
    expect(report.children).toHaveLength(2);
  });

  test('where the budget has no room for another child: the timeout stands [HM-175, L4]', async () => {
    const troupe = openTasks(
      [{ goal: 'a' }, { goal: 'b' }],
      { second: answers },
      { lead: { budget: { children: 3 } } },
    );
    const report = await played(troupe);
    expect(entriesIn(report)).toMatchObject([
      { status: 'completed', fallback_attempt: 1 },
      { status: 'timeout', model: 'test-model' },
    ]);
    expect(entriesIn(report)[1]).not.toHaveProperty('fallback_attempt');
    // and it is not asked for again
    expect(eventsOf(troupe, 'child.refused')).toHaveLength(1);
  });

  test('where the endpoint of another child cannot be looked up any more: that is said beside the timeout [HM-175, HM-006]', async () => {
    let isClosed = false;
    const slow = scriptedProvider(() => {
      isClosed = true;
      return { hang: true };
    });
    const resolve = () => {
      if (isClosed) throw new Error('The vault is closed.');
      return { apiKey: 'key-of-the-vault' };
    };
    const route = { to: { provider: 'elsewhere' }, connect: () => slow, resolve };
    const report = await played(openTasks([{ goal: 'a' }], {}, { options: { route } }));
    expect(entriesIn(report)).toMatchObject([{ status: 'timeout', model: 'test-model' }]);
    expect(resultIn(report).warnings).toEqual([
      expect.stringMatching(/^Task 0 was not tried again with model "second": .*The vault is closed/),
    ]);
  });

  test('where it held a secret: that is not stored [HM-175]', async () => {
    const report = await played(openTasks([{ goal: 'Use sk-abcdefghijklmnopqrstuvwxyz123456.' }], { second: answers }));
    expect(entriesIn(report)).toMatchObject([{ status: 'timeout', model: 'test-model' }]);
    expect(report.children).toHaveLength(1);
  });

  test.each([[[{ model: ' ' }]], [[{}]], [['second']]])('with what is no model: %j', (wrong) => {
    expect(() => createDelegateTool({ timeoutFallbacks: wrong as never })).toThrow(/timeoutFallbacks is .*model/);
  });
});

test('a fallback is reached where the children of its call are [HM-175, HM-061]', async () => {
  const elsewhere = scriptedProvider(({ model }) => (model === 'second' ? 'From afar.' : { hang: true }));
  const route = {
    to: { provider: 'elsewhere', model: 'first' },
    connect: () => elsewhere,
    resolve: () => ({ apiKey: 'k' }),
  };
  const report = await played(openTasks([{ goal: 'a' }], {}, { options: { route } }));
  expect(entriesIn(report)).toMatchObject([{ summary: 'From afar.', model: 'second', primary_model: 'first' }]);
});

describe('in the background a task that is tried again', () => {
  const heardBy = (troupe: Delegating) =>
    requestsOf(troupe, 'lead').flatMap(({ request }) => {
      const text = String(request.messages.at(-1)?.content);
      return text.startsWith('[ASYNC DELEGATION') ? [text] : [];
    });
  const models: Models = {
    'test-model': (goal, said) => (goal === 'b' ? stuck(goal, said) : answers(goal)),
    second: answers,
  };

  test('has one completion, of its last child [HM-175, HM-151, HM-155]', async () => {
    const troupe = openTasks([{ goal: 'a' }, { goal: 'b' }], models, { options: { background: 'auto' } });
    expect(toldIn(await played(troupe))).toMatchObject({ status: 'dispatched' });
    expect(heardBy(troupe)).toHaveLength(1);
    expect(heardBy(troupe)[0]).toContain('every task completed');
    expect(heardBy(troupe)[0]).toMatch(
      /TASK 2\/2: b\n.*model second.*\nstatus completed .* · fallback 1: the first child \(model test-model\) ran out of time\n\nDid b\./,
    );
  });

  test('is told of with each of its children where each is told by itself [HM-175, HM-159]', async () => {
    const options: DelegateOptions = { background: 'auto', completions: 'each' };
    const troupe = openTasks([{ goal: 'a' }, { goal: 'b' }], models, { options });
    await played(troupe);
    const heard = heardBy(troupe);
    expect(heard.map((text) => /TASK \d\/\d [A-Z ]+/.exec(text)?.[0])).toEqual([
      'TASK 1/2 COMPLETE ',
      'TASK 2/2 TIMED OUT ',
      'TASK 2/2 COMPLETE ',
    ]);
    expect(heard[1]).toContain('tried again with model second, unless nothing more can be started');
    expect(heard[2]).toContain('fallback 1: the first child (model test-model) ran out of time');
  });
});

test('the model is told that tasks are tried again, where they are [HM-160, HM-175]', async () => {
  const told = async (options: DelegateOptions) => {
    const troupe = openLead({ lead: ['done'] }, { options });
    await troupe.run();
    return requestsOf(troupe, 'lead')[0]?.request.tools[0]?.description;
  };
  expect(await told(limited)).toContain('tried again with another model');
  expect(await told({ timeoutFallbacks: [] })).not.toContain('tried again');
});

test('what is tried again comes to the same when its program dies after any commit [HM-175, L7, F-13]', {
  timeout: 60_000,
}, async () => {
  const tasks = [{ goal: 'a', role: 'boss' }, { goal: 'b' }];
  const models: Models = {
    'test-model': (goal, said) => (goal === 'b' ? stuck(goal, said) : answers(goal)),
    third: answers,
  };
  const logger = { warn: () => {}, error: () => {} };
  const { crashes, commits } = await exploreCrashes({
    openStore: () => ({ ...memoryStore(), lasting: true }),
    program({ store, clock, model }) {
      const lead = defineAgent({
        name: 'lead',
        instructions: 'You lead.',
        tools: [createDelegateTool({ ...plain, ...limited }), tool('look', { idempotent: true })],
      });
      const provider = model(scriptedProvider(scriptOf(tasks, models)));
      const runtime = createRuntime({
        provider,
        model: 'test-model',
        store,
        clock,
        agents: [lead],
        leaseMs: 0,
        logger,
      });
      return Object.assign(runtime, { lead });
    },
    start: (program) => program.start(program.lead, 'Do it.', { runId: 'r' }),
    essence: ({ status, text, children }) => ({
      status,
      text,
      children: children.map(({ runId, exitReason }) => [runId, exitReason]),
    }),
    verify: ({ report }) => {
      expect(entriesIn(report)).toMatchObject([
        { status: 'completed', summary: 'Did a.' },
        { status: 'completed', summary: 'Did b.', model: 'third', fallback_attempt: 2, primary_model: 'test-model' },
      ]);
      expect(resultIn(report).warnings).toEqual([expect.stringContaining('boss')]);
    },
  });
  expect(crashes).toBe(2 * commits);
});
