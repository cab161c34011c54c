import {
  type AgentOptions,
  type Approval,
  createRuntime,
  defineAgent,
  defineTool,
  memoryStore,
  type Tool,
} from '@troupe/core';
import type { RunEvent, StoredEvent } from '@troupe/protocol';
import { checkRunLaws, mortalStore, type Script, scriptedProvider, type Turn } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { awaiting, calling, delegating, gatedTool, guardedTool, nothing, ofType, plain } from './tools.ts';

const clerk = (approval: Approval, tools: Tool[], options: Partial<AgentOptions> = {}) =>
  defineAgent({ name: 'clerk', instructions: 'Work.', tools, approval, ...options });

/** A tool that would ask a person in this way, and how often it ran. */
const asking = (name: string, how: 'confirm' | 'askUser' | 'handoff') => {
  let ran = 0;
  const tool = defineTool({
    name,
    description: `Does ${name}`,
    inputSchema: nothing.loose(),
    [how]: true,
    execute: () => {
      ran += 1;
      return `${name} done`;
    },
  });
  return { tool, ran: () => ran };
};
const hows = ['confirm', 'askUser', 'handoff'] as const;

const applied = (events: readonly RunEvent[]) =>
  ofType(events, 'policy.applied').map(({ agent, policy, decision, subject }) => [agent, policy, decision, subject]);

describe('in a run that denies what asks a person', () => {
  test.each(hows)('a call that would (%s) is declined at once, and nothing waits [HM-070, B-22, L3]', async (how) => {
    const { tool, ran } = asking('erase', how);
    const { runtime, events, types } = openRuntime({
      provider: scriptedProvider([calling('a', 'erase', 'b'), 'Left.']),
    });
    const report = await runtime.run(clerk('deny', [plain('a'), tool, plain('b')]), 'go');
    // then it did not run, its model is told why, and the calls beside it ran
    expect(ran()).toBe(0);
    expect(report).toMatchObject({ status: 'completed', text: 'Left.', questions: [], usage: { toolCalls: 3 } });
    expect(report.calls.map(({ status, result }) => [status, result])).toEqual([
      ['ok', 'a done'],
      ['error', expect.stringMatching(/Tool execution declined: .*erase.* nobody is asked in this run/)],
      ['ok', 'b done'],
    ]);
    expect(applied(events)).toEqual([['clerk', 'approval', 'denied', 'erase']]);
    // and the decision is told behind the call it is about
    expect(types()).toEqual([
      'run.started',
      'turn.started',
      'turn.completed',
      'call.started',
      'call.started',
      'policy.applied',
      'call.started',
      'call.completed',
      'call.failed',
      'call.completed',
      'turn.started',
      'turn.completed',
      'run.completed',
    ]);
  });

  test('a call is declined only if it would ask: a condition that does not hold asks nobody [HM-070]', async () => {
    const erase = defineTool({
      name: 'erase',
      description: 'Erases',
      inputSchema: z.object({ all: z.boolean() }),
      confirm: ({ all }) => all,
      execute: () => 'erased',
    });
    const calls = [{ all: false }, { all: true }].map((input) => ({ name: 'erase', arguments: input }));
    const { runtime, events } = openRuntime({ provider: scriptedProvider([{ calls }, 'Done.']) });
    const report = await runtime.run(clerk('deny', [erase]), 'go');
    expect(report.calls.map(({ status }) => status)).toEqual(['ok', 'error']);
    expect(applied(events)).toEqual([['clerk', 'approval', 'denied', 'erase']]);
  });

  test('a call over the limit of calls is refused, and no decision is told of it [HM-070, BG-075]', async () => {
    const { tool } = guardedTool();
    const { runtime, events } = openRuntime({ provider: scriptedProvider([calling('erase', 'erase', 'erase')]) });
    const report = await runtime.run(clerk('deny', [tool], { budget: { toolCalls: 2 } }), 'go');
    expect(report.calls.map(({ status }) => status)).toEqual(['error', 'error', 'refused']);
    expect(report).toMatchObject({ exitReason: 'max_tool_calls', usage: { toolCalls: 2 } });
    expect(applied(events)).toHaveLength(2);
  });

  test('a model that insists comes to its limit of calls [HM-070, F-09]', async () => {
    const { tool, ran } = guardedTool();
    const { runtime, events } = openRuntime({ provider: scriptedProvider(() => calling('erase')) });
    const report = await runtime.run(clerk('deny', [tool], { budget: { toolCalls: 3 } }), 'go');
    expect(report).toMatchObject({ status: 'failed', exitReason: 'max_tool_calls' });
    expect([ran(), applied(events).length]).toEqual([0, 3]);
  });
});

describe('in a run that allows what asks a person', () => {
  test('a call that needs approval runs beside the others, and it is told that it was allowed [HM-070]', async () => {
    // given a tool that needs approval between two that do not
    const { tool, ran } = guardedTool();
    const { runtime, events } = openRuntime({
      provider: scriptedProvider([calling('a', 'erase', 'b', 'erase'), 'Done.']),
    });
    const report = await runtime.run(clerk('allow', [plain('a'), tool, plain('b')]), 'go');
    expect(report.calls.map(({ result }) => result)).toEqual(['a done', 'erase done', 'b done', 'erase done']);
    expect(ran()).toBe(2);
    expect(applied(events)).toEqual(Array(2).fill(['clerk', 'approval', 'allowed', 'erase']));
    expect(ofType(events, 'question.asked')).toEqual([]);
  });

  test.each(['askUser', 'handoff'] as const)(
    'nobody can answer: a call with %s is declined, and says so [HM-070]',
    async (how) => {
      const { tool, ran } = asking('talk', how);
      const { runtime, events } = openRuntime({ provider: scriptedProvider([calling('talk', 'a'), 'Done.']) });
      const report = await runtime.run(clerk('allow', [tool, plain('a')]), 'go');
      expect(report.calls).toMatchObject([
        { status: 'error', result: expect.stringMatching(/declined: .*talk.* it approves calls, and cannot answer/) },
        { status: 'ok' },
      ]);
      expect(ran()).toBe(0);
      expect(applied(events)).toEqual([['clerk', 'approval', 'denied', 'talk']]);
    },
  );

  test('a call that fails, fails as if nobody had to approve [HM-070]', async () => {
    const tool = plain('erase', {
      confirm: true,
      execute: () => {
        throw new Error('no such file');
      },
    });
    const { runtime, events } = openRuntime({ provider: scriptedProvider([calling('erase'), 'Done.']) });
    const report = await runtime.run(clerk('allow', [tool]), 'go');
    expect(report.calls).toMatchObject([{ status: 'error', result: expect.stringContaining('no such file') }]);
    expect(applied(events)).toEqual([['clerk', 'approval', 'allowed', 'erase']]);
  });
});

test('a run that says nothing of it, or "bubble", asks as ever [HM-070]', async () => {
  for (const options of [{}, { approval: 'bubble' as const }]) {
    const { tool } = guardedTool();
    const agent = defineAgent({ name: 'clerk', instructions: '', tools: [tool], ...options });
    const { runtime, events } = openRuntime({ provider: scriptedProvider([calling('erase'), 'Done.']) });
    const run = runtime.start(agent, 'go');
    expect(await run.report).toMatchObject({ status: 'paused', questions: [{ tool: 'erase' }] });
    await run.answer(run.questions[0]!.id, true);
    expect((await run.ended).status).toBe('completed');
    expect(applied(events)).toEqual([]);
  }
});

describe('a policy is kept', () => {
  const family = (own: (Approval | undefined)[], spawn: typeof delegating | typeof awaiting) => {
    const { tool, ran } = guardedTool();
    const [top, middle, low] = own.map((approval) => approval && { approval });
    const leaf = defineAgent({ name: 'leaf', instructions: '', tools: [tool], ...low });
    const mid = defineAgent({ name: 'mid', instructions: '', tools: [spawn(leaf), tool], ...middle });
    const root = defineAgent({ name: 'root', instructions: '', tools: [spawn(mid), tool], ...top });
    const script: Script = ({ messages }, { agent }) => {
      if (messages.some(({ role }) => role === 'assistant')) return `${agent} done`;
      if (agent === 'leaf') return calling('erase');
      return calling(agent === 'root' ? 'ask_mid' : 'ask_leaf', 'erase');
    };
    return { root, ran, ...openRuntime({ provider: scriptedProvider(script) }) };
  };

  test.each([
    ['deny', undefined, undefined, ['denied', 'denied', 'denied']],
    ['deny', 'allow', 'bubble', ['denied', 'denied', 'denied']],
    ['allow', undefined, undefined, ['allowed', 'allowed', 'allowed']],
    ['allow', 'bubble', 'deny', ['allowed', 'allowed', 'denied']],
    ['allow', 'deny', 'allow', ['allowed', 'denied', 'denied']],
  ] as const)(
    'by everything below: %s at the root, then %s, then %s [HM-070, B-22]',
    async (top, middle, low, decisions) => {
      for (const spawn of [delegating, awaiting]) {
        const { root, ran, runtime, events } = family([top, middle, low], spawn);
        expect(await runtime.run(root, 'go')).toMatchObject({ status: 'completed', text: 'root done' });
        const told = new Map(ofType(events, 'policy.applied').map(({ agent, decision }) => [agent, decision]));
        expect(['root', 'mid', 'leaf'].map((agent) => told.get(agent))).toEqual(decisions);
        expect(applied(events)).toHaveLength(3);
        expect(ran()).toBe(decisions.filter((decision) => decision === 'allowed').length);
        expect(ofType(events, 'question.asked')).toEqual([]);
      }
    },
  );

  test('by a child, while its siblings and the runs above it ask [HM-070]', async () => {
    const { root, runtime, events } = family(['bubble', 'deny', undefined], delegating);
    const run = runtime.start(root, 'go');
    const { questions } = await run.report;
    expect(questions).toMatchObject([{ runId: run.id, tool: 'erase' }]);
    await run.answer(questions[0]!.id, true);
    expect((await run.ended).status).toBe('completed');
    expect(new Map(ofType(events, 'policy.applied').map(({ agent, decision }) => [agent, decision]))).toEqual(
      new Map([
        ['mid', 'denied'],
        ['leaf', 'denied'],
      ]),
    );
  });
});

/** A program that is killed and started again on what it stored. */
const programs = () => {
  const base = memoryStore();
  const boot = (script: Script, agents: Parameters<typeof createRuntime>[0]['agents'] = []) => {
    const mortal = mortalStore(base);
    const runtime = createRuntime({
      provider: scriptedProvider(script),
      model: 'm',
      store: mortal.store,
      leaseMs: 0,
      agents,
      logger: { warn() {}, error() {} },
    });
    onTestFinished(() => (mortal.dead ? undefined : runtime.close({ graceMs: 0 })));
    return { runtime, kill: () => mortal.die() };
  };
  const eventsOf = (rootId: string) => [...(base.events({ rootId }) as Iterable<StoredEvent>)];
  return { boot, eventsOf };
};

describe('after a restart', () => {
  test('a run and its children keep the policy they had, also when they replay [HM-070, L7]', async () => {
    // given a tree under a policy, killed while the child's first tool is at work
    const { tool, ran } = guardedTool();
    const slow = { ...gatedTool('slow').tool, idempotent: true };
    const leaf = defineAgent({ name: 'leaf', instructions: '', tools: [slow, tool] });
    const root = clerk('deny', [delegating(leaf)]);
    const script: Script = ({ messages }, { agent }) => {
      const said = messages.filter(({ role }) => role === 'assistant').length;
      const name = (agent === 'clerk' ? ['ask_leaf'] : ['slow', 'erase'])[said];
      return name === undefined ? 'Done.' : calling(name);
    };
    const { boot, eventsOf } = programs();
    const first = boot(script);
    first.runtime.start(root, 'go', { runId: 'root' });
    await settle();
    first.kill();
    // when it goes on, and the child comes to what would ask
    const quick = { ...plain('slow'), idempotent: true };
    const again = defineAgent({ name: 'leaf', instructions: '', tools: [quick, tool] });
    const second = boot(script, [clerk('deny', [delegating(again)]), again]);
    const { recovered } = await second.runtime.recover();
    // then it asks nobody
    expect(await recovered[0]?.ended).toMatchObject({ status: 'completed', text: 'Done.' });
    const events = eventsOf('root');
    expect(applied(events)).toEqual([['leaf', 'approval', 'denied', 'erase']]);
    expect(ofType(events, 'question.asked')).toEqual([]);
    expect(ran()).toBe(0);
    expect(checkRunLaws(events)).toEqual([]);
    for (const { runId } of ofType(events, 'run.started'))
      expect((await second.runtime.replay(runId)).snapshot.context.run).toMatchObject({ approval: 'deny' });
    // and neither does a fork of it, from where the child had not come to it
    const at = ofType(events, 'turn.completed').find(({ agent }) => agent === 'leaf')?.id ?? '';
    const fork = await second.runtime.fork('root', { at });
    expect(await fork.ended).toMatchObject({ status: 'completed' });
    expect(applied(eventsOf(fork.id))).toEqual([['leaf', 'approval', 'denied', 'erase']]);
  });

  test.each([
    ['deny', false, ['denied']],
    ['allow', false, ['denied']],
    ['allow', true, ['allowed', 'denied']],
  ] as const)(
    'a call of which nobody knows whether it took effect fails under "%s", and is not run again (confirm: %s) [HM-070, F-12]',
    async (approval, confirm, decisions) => {
      const gate = gatedTool('pay');
      const { boot, eventsOf } = programs();
      const script: Script = ({ messages }) => (messages.length > 2 ? 'Done.' : calling('pay', 'note'));
      const agent = clerk(approval, [{ ...gate.tool, confirm }, plain('note')]);
      const first = boot(script);
      first.runtime.start(agent, 'go', { runId: 'root' });
      await settle();
      first.kill();
      const second = boot(script, [agent]);
      const { recovered } = await second.runtime.recover();
      const report = await recovered[0]?.ended;
      expect(report).toMatchObject({ status: 'completed', text: 'Done.', questions: [] });
      expect(report?.calls).toMatchObject([
        {
          tool: 'pay',
          status: 'error',
          result: expect.stringMatching(/Outcome unknown: .* not run again: nobody is asked in this run/),
        },
        { tool: 'note', status: 'ok' },
      ]);
      expect(gate.open).toHaveLength(1);
      const events = eventsOf('root');
      expect(applied(events)).toEqual(decisions.map((decision) => ['clerk', 'approval', decision, 'pay']));
      expect(ofType(events, 'question.asked')).toEqual([]);
      const types = events.map(({ type }) => type);
      expect(types.lastIndexOf('policy.applied')).toBeLessThan(types.indexOf('call.failed'));
      expect(checkRunLaws(events)).toEqual([]);
      expect((await second.runtime.replay('root')).snapshot.status).toBe('done');
    },
  );
});

describe('whatever a script does', { timeout: 60_000 }, () => {
  const names = ['plain', 'risky', 'ask', 'give', 'delegate', 'await', 'nothing'] as const;
  const policy = fc.constantFrom<Approval | undefined>(undefined, 'bubble', 'allow', 'deny');
  const turn = fc.array(fc.constantFrom(...names), { maxLength: 4 });
  const plans = fc.record({
    root: fc.constantFrom<Approval>('deny', 'allow'),
    own: fc.tuple(policy, policy),
    said: fc.array(turn, { minLength: 1, maxLength: 8 }),
    toolCalls: fc.integer({ min: 1, max: 8 }),
  });
  const strictest = (policies: readonly (Approval | undefined)[]) => (policies.includes('deny') ? 'deny' : 'allow');

  test('nobody below a run that denies or allows is ever asked, and each call is decided once [HM-070, B-22]', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async ({ root, own, said, toolCalls }) => {
        // given a tree three deep, each level with a policy of its own, whose models follow one script
        const level = (depth: number): ReturnType<typeof defineAgent> => {
          const approval = [root, ...own][depth];
          const below =
            depth < 2
              ? [
                  delegating(level(depth + 1), { name: 'delegate' }),
                  awaiting(level(depth + 1), { name: 'await', onPaused: 'error' }),
                ]
              : [];
          return defineAgent({
            name: `level ${depth}`,
            instructions: '',
            budget: { toolCalls },
            ...(approval && { approval }),
            tools: [
              plain('plain'),
              plain('risky', { confirm: true }),
              plain('ask', { askUser: true, inputSchema: nothing.loose() }),
              plain('give', { handoff: true }),
              ...below,
            ],
          });
        };
        let asked = 0;
        const next = (): Turn => {
          const calls = said[asked++] ?? [];
          return calls.length > 0 ? calling(...calls) : 'Done.';
        };
        const events: RunEvent[] = [];
        const runtime = createRuntime({
          provider: scriptedProvider(next),
          model: 'm',
          logger: { warn() {}, error() {} },
        });
        runtime.events$.subscribe((event) => events.push(event));
        // when it has run
        const report = await runtime.run(level(0), 'go');
        await runtime.close({ graceMs: 0 });
        // then nobody was asked, and nothing waited
        expect(report.status).not.toBe('paused');
        expect(events.filter(({ type }) => type === 'question.asked' || type === 'run.paused')).toEqual([]);
        expect(checkRunLaws(events)).toEqual([]);
        // and each call that would have asked was decided once, by the strictest policy above it
        const reached = events.filter(({ type }) => type === 'call.started' || type === 'policy.applied');
        const failed = ofType(events, 'call.failed');
        const wouldAsk = ofType(events, 'call.started').filter(({ tool }) => ['risky', 'ask', 'give'].includes(tool));
        const refused = failed.filter(({ tool, status }) => status === 'refused' && /risky|ask|give/.test(tool));
        const decided = ofType(events, 'policy.applied');
        expect(decided).toHaveLength(wouldAsk.length - refused.length);
        for (const event of decided) {
          const before = reached
            .filter(({ runId }) => runId === event.runId)
            .findLast((one) => one.type === 'call.started' && one.seq < event.seq);
          expect(before).toMatchObject({ tool: event.subject, seq: event.seq - 1 });
          const rule = strictest([root, ...own].slice(0, event.depth + 1));
          expect(event.decision).toBe(rule === 'allow' && event.subject === 'risky' ? 'allowed' : 'denied');
        }
      }),
      { numRuns: 100 },
    );
  });
});
