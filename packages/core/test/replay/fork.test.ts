import { createRuntime, defineAgent, defineTool, memoryStore, type RuntimeOptions, spawned } from '@troupe/core';
import type { ModelProvider } from '@troupe/protocol';
import { mortalStore, type Script, scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { call, leadOf, only, toolOf } from '../lead.ts';
import { eventsIn, idOf } from './stored.ts';

const echoes = (script: Script, options: Partial<RuntimeOptions> = {}) => {
  const store = memoryStore();
  const provider = scriptedProvider(script);
  const clock = new SimulatedClock();
  const said: string[] = [];
  const tool = toolOf({
    execute: ({ text }, { key }) => {
      said.push(key);
      return text;
    },
  });
  const opened = openRuntime({ provider, store, clock, ...options });
  return { store, provider, clock, said, tool, ...opened };
};
const priced = { inputTokens: 100, outputTokens: 10 };

describe('another answer of the model', () => {
  test('takes the place of what it said, costs nothing, and the run goes on from there', async () => {
    const { runtime, store, provider, said, tool } = echoes([
      { calls: [call('one')], usage: priced },
      { text: 'Wrong.', usage: priced },
      { text: 'Right, with two.', usage: priced },
    ]);
    const first = await runtime.run(leadOf({ tools: [tool] }), 'Go.', { runId: 'r' });
    const turn = { text: 'Let me look again.', calls: [call('two')] };
    const fork = await runtime.fork('r', { at: idOf(store, 'turn.completed'), change: { turn } });
    const report = await fork.report;
    expect([first.text, report.text]).toEqual(['Wrong.', 'Right, with two.']);
    expect(report.calls.map(({ result }) => result)).toEqual(['one', 'two']);
    expect(said).toEqual(['r/1-0', `${fork.id}/2-0`]);
    expect(report.usage).toMatchObject({
      total: { inputTokens: 200, outputTokens: 20 },
      sinceFork: { inputTokens: 100, outputTokens: 10 },
      turns: 3,
    });
    expect(first.usage.sinceFork).toBeUndefined();
    expect(
      provider.requests.at(-1)?.request.messages.map(({ role, content }) => `${role}: ${String(content)}`),
    ).toEqual(['system: Lead.', 'user: Go.', 'assistant: ', 'tool: one', 'assistant: Let me look again.', 'tool: two']);
    expect(only(eventsIn(store, fork.id), 'run.forked')).toMatchObject([
      { from: idOf(store, 'turn.completed'), changed: ['turn'], carried: { inputTokens: 100, outputTokens: 10 } },
    ]);
    expect((await runtime.runs.get(fork.id))?.usage.sinceFork).toEqual({ inputTokens: 100, outputTokens: 10 });
  });

  test('can be what the run ends with', async () => {
    const { runtime, store, provider } = echoes(['Wrong.']);
    await runtime.run(leadOf(), 'Go.', { runId: 'r' });
    const fork = await runtime.fork('r', {
      at: idOf(store, 'turn.started'),
      change: { turn: { text: 'Right.' } },
      runId: 'again',
    });
    expect(await fork.report).toMatchObject({ runId: 'again', status: 'completed', text: 'Right.' });
    expect((await fork.report).usage.sinceFork).toEqual({ inputTokens: 0, outputTokens: 0 });
    expect(provider.requests).toHaveLength(1);
  });

  test('given to a child, changes what its parent hears; what its siblings had done stays done', async () => {
    const leaf = defineAgent({ name: 'leaf', instructions: '' });
    const ask = defineTool({
      name: 'ask',
      description: '',
      inputSchema: z.object({}),
      execute: () => spawned([1, 2].map((n) => ({ agent: leaf, job: `part ${n}` }))),
      settle: (reports) => ({ content: reports.map(({ text }) => text).join(' and ') }),
    });
    const lead = defineAgent({ name: 'lead', instructions: '', tools: [ask] });
    const { runtime, store, provider } = echoes(
      ({ messages }, { agent, runId }) => {
        if (agent === 'leaf') return `${runId.at(-1)}`;
        const [heard] = messages.filter(({ role }) => role === 'tool');
        return heard ? `Heard ${String(heard.content)}.` : { calls: [{ name: 'ask', arguments: {} }] };
      },
      { agents: [leaf] },
    );
    await runtime.run(lead, 'Go.', { runId: 'r' });
    const asked = provider.requests.length;
    const at = idOf(store, 'turn.completed', -1, 'r/1-0/1');
    const fork = await runtime.fork('r', { at, change: { turn: { text: 'another' } } });
    expect((await fork.report).text).toBe('Heard 0 and another.');
    // then only the lead was asked, once
    expect(provider.requests.slice(asked).map(({ context }) => context.agent)).toEqual(['lead']);
  });

  test('is there still when the program dies before it is told', async () => {
    for (let afterCommit = 1; ; afterCommit++) {
      const base = memoryStore();
      const lead = leadOf();
      const open = (mortal: ReturnType<typeof mortalStore<typeof base>>) =>
        createRuntime({
          provider: scriptedProvider(({ messages }) => `Asked after ${messages.length} messages.`),
          model: 'm',
          store: mortal.store,
          leaseMs: 0,
          agents: [lead],
          logger: { warn() {}, error() {} },
        });
      const before = open(mortalStore(base));
      await before.run(lead, 'Go.', { runId: 'r' });
      await before.close();
      const mortal = mortalStore(base, { afterCommit, as: 'unheard' });
      const at = idOf(base, 'turn.started');
      void open(mortal)
        .fork('r', { at, change: { turn: { text: 'Given.' } }, runId: 'f' })
        .catch(() => {});
      await settle();
      if (!mortal.dead) {
        expect(afterCommit).toBeGreaterThan(2);
        return;
      }
      const after = open(mortalStore(base));
      await after.recover();
      expect(await (await after.attach('f')).report).toMatchObject({ text: 'Given.' });
      await after.replay('f');
      await after.close();
    }
  });
});

describe('without a change', () => {
  test('a turn is taken again, and what came before it is not', async () => {
    let n = 0;
    const { runtime, store, said, tool } = echoes(({ messages }) =>
      messages.some(({ role }) => role === 'tool') ? `Answer ${++n}.` : { calls: [call()] },
    );
    await runtime.run(leadOf({ tools: [tool] }), 'Go.', { runId: 'r' });
    for (const type of ['turn.completed', 'turn.started', 'run.completed'] as const) {
      const fork = await runtime.fork('r', { at: idOf(store, type) });
      // What ends the run is taken as it was: what it ended with is known.
      expect((await fork.report).text).toBe(type === 'run.completed' ? 'Answer 1.' : `Answer ${n}.`);
    }
    expect([n, said]).toEqual([3, ['r/1-0']]);
  });

  test('a fork is told like any other tree, calls no hook for what is copied, and can be forked itself', async () => {
    const hooked: string[] = [];
    const leaf = defineAgent({ name: 'leaf', instructions: '' });
    const spawn = toolOf({
      execute: () => spawned([{ agent: leaf, job: 'x' }]),
      settle: ([report]) => ({ content: report?.text ?? '' }),
    });
    const { runtime, store, events } = echoes(
      ({ messages }, { agent }) =>
        agent === 'leaf' || messages.some(({ role }) => role === 'tool') ? `${agent} done.` : { calls: [call()] },
      {
        agents: [leaf],
        hooks: { childStart: ({ rootId }) => hooked.push(rootId), childStop: ({ rootId }) => hooked.push(rootId) },
      },
    );
    await runtime.run(leadOf({ tools: [spawn] }), 'Go.', { runId: 'r' });
    const fork = await runtime.fork('r', { at: idOf(store, 'turn.completed'), runId: 'f' });
    await fork.ended;
    expect(hooked).toEqual(['r', 'r']);
    await settle();
    expect(events.filter((event) => event.rootId === 'f' && !('live' in event))).toEqual(eventsIn(store, 'f'));
    // an event of before its own beginning, and one of after
    for (const at of ['f:2', idOf(store, 'turn.started', -1, 'f'), 'f/1-0/0:2']) {
      const again = await runtime.fork('f', { at });
      expect(await again.report).toMatchObject({ status: 'completed', text: 'lead done.' });
      await runtime.replay(again.id);
      expect((await runtime.runs.tree(again.id)).children).toHaveLength(1);
    }
  });
});

describe('another answer to a question', () => {
  const asking = async () => {
    const script: Script = ({ messages }) => {
      const [heard] = messages.filter(({ role }) => role === 'tool');
      return heard ? `Heard: ${String(heard.content)}` : { calls: [call('x')] };
    };
    const opened = echoes(script);
    const run = opened.runtime.start(leadOf({ tools: [toolOf({ confirm: true })] }), 'Go.', { runId: 'r' });
    await run.report;
    await run.answer(run.questions[0]?.id ?? '', true);
    expect((await run.report).text).toBe('Heard: x');
    return opened;
  };

  test.each(['question.asked', 'question.answered'] as const)('is given in the place of %s', async (type) => {
    const { runtime, store } = await asking();
    const fork = await runtime.fork('r', { at: idOf(store, type), change: { answer: { decline: 'not now' } } });
    expect((await fork.ended).text).toContain('Tool execution declined: not now');
  });

  test('or is waited for, when none is given', async () => {
    const { runtime, store } = await asking();
    const fork = await runtime.fork('r', { at: idOf(store, 'question.answered'), runId: 'f' });
    expect(await fork.report).toMatchObject({
      status: 'paused',
      questions: [{ id: 'f/1-0?', runId: 'f', rootId: 'f' }],
    });
    await runtime.answer('f/1-0?', false);
    expect((await fork.ended).text).toContain('declined');
  });
});

describe('another budget', () => {
  const twice: Script = ({ messages }) => {
    const calls = messages.filter(({ role }) => role === 'tool').length;
    return calls < 2 ? { calls: [call(`${calls}`)], usage: priced } : { text: 'Done.', usage: priced };
  };

  test.each(['budget.exhausted', 'run.failed'] as const)(
    'lets a run that used up its own go on from its %s',
    async (type) => {
      const { runtime, store, said, tool } = echoes(twice);
      const agent = leadOf({ tools: [tool], budget: { turns: 2, tokens: 1_000 } });
      expect(await runtime.run(agent, 'Go.', { runId: 'r' })).toMatchObject({ exitReason: 'max_turns' });
      const fork = await runtime.fork('r', { at: idOf(store, type), change: { budget: { turns: 5 } } });
      const report = await fork.report;
      expect(report).toMatchObject({ status: 'completed', text: 'Done.', usage: { turns: 3 } });
      expect(report.usage.sinceFork).toEqual({ inputTokens: 100, outputTokens: 10 });
      // then the last call, which was in flight at that moment, was not made again
      expect(said).toEqual(['r/1-0', 'r/2-0']);
      expect(only(eventsIn(store, fork.id), 'run.forked')).toMatchObject([
        { changed: ['budget'], budget: { turns: 5, tokens: 1_000, warnAt: 0.8, keep: 0.1 } },
      ]);
    },
  );

  test('holds from there on', async () => {
    const { runtime, store, tool } = echoes(twice);
    await runtime.run(leadOf({ tools: [tool] }), 'Go.', { runId: 'r' });
    const fork = await runtime.fork('r', { at: idOf(store, 'call.started'), change: { budget: { tokens: 150 } } });
    expect(await fork.report).toMatchObject({
      status: 'failed',
      exitReason: 'budget',
      fault: { details: { kind: 'tokens' } },
    });
  });

  test.each([
    ['deadlineMs', { deadlineMs: 50 }],
    ['activeMs', { activeMs: 50 }],
  ])('may bring a limit of time that there was not: %s', async (kind, budget) => {
    const { runtime, store, clock } = echoes(({ messages }, { runId }) =>
      runId === 'r' || messages.length < 1 ? 'Done.' : { hang: true },
    );
    await runtime.run(leadOf(), 'Go.', { runId: 'r' });
    const fork = await runtime.fork('r', { at: idOf(store, 'turn.started'), change: { budget } });
    await settle();
    expect(fork.status).toBe('running');
    clock.increment(60);
    expect(await fork.report).toMatchObject({ status: 'failed', exitReason: 'timeout', fault: { details: { kind } } });
  });
});

test('what a model call in flight had used is paid by the tree that made it', async () => {
  const store = memoryStore();
  let turns = 0;
  const provider: ModelProvider = {
    async *takeTurn(_request, { signal }) {
      yield { type: 'usage', usage: priced };
      if (turns++ === 0) await new Promise((resolve) => signal.addEventListener('abort', resolve));
      yield { type: 'text', delta: 'Done.' };
      yield { type: 'finish', reason: 'stop' };
    },
  };
  const { runtime } = openRuntime({ provider, store });
  const run = runtime.start(leadOf(), 'Go.', { runId: 'r' });
  await settle();
  await run.steer('Hurry.');
  const fork = await runtime.fork('r', { at: idOf(store, 'run.steered') });
  // It takes its turn again, and another one, in which it hears what it was told.
  const twice = { inputTokens: 200, outputTokens: 20 };
  expect((await fork.report).usage).toMatchObject({ total: twice, sinceFork: twice, turns: 2 });
  await run.interrupt();
  expect((await run.ended).usage.total).toEqual(priced);
});

test('a deadline lies as far ahead as it did', async () => {
  const leaf = defineAgent({ name: 'leaf', instructions: '', budget: { deadlineMs: 400 } });
  const spawn = toolOf({
    execute: () => spawned([{ agent: leaf, job: 'x' }]),
    settle: ([report]) => ({ content: report?.text ?? '' }),
  });
  const { runtime, store, clock } = echoes(
    ({ messages }, { agent, runId }) => {
      if (agent === 'leaf') return runId.startsWith('r') ? 'Leaf done.' : { hang: true };
      return messages.some(({ role }) => role === 'tool') ? 'Done.' : { calls: [call()] };
    },
    { agents: [leaf] },
  );
  await runtime.run(leadOf({ tools: [spawn], budget: { deadlineMs: 1_000 } }), 'Go.', { runId: 'r' });
  clock.increment(50_000);
  const fork = await runtime.fork('r', { at: idOf(store, 'turn.started', -1, 'r/1-0/0'), runId: 'f' });
  await settle();
  const deadlines = only(eventsIn(store, 'f'), 'run.started').map(({ budget }) => budget.deadlineAt);
  expect(deadlines).toEqual([51_000, 50_400]);
  clock.increment(399);
  await settle();
  expect(fork.status).toBe('running');
  clock.increment(1);
  expect(await fork.child('f/1-0/0').ended).toMatchObject({ exitReason: 'timeout' });
  expect((await fork.ended).text).toBe('Done.');
});

test('a run of a session is forked with what its session had said, and stands by itself', async () => {
  const { runtime, store, provider } = echoes(({ messages }) => `Answer to ${messages.length} messages.`);
  const friend = leadOf({ name: 'friend', instructions: 'Be kind.' });
  const session = runtime.session(friend, { sessionKey: 'k' });
  await (await session.send('One?')).ended;
  const second = await session.send('Two?');
  await second.ended;
  const fork = await runtime.fork(second.id, { at: idOf(store, 'turn.started', -1, second.id) });
  expect((await fork.report).text).toBe('Answer to 4 messages.');
  expect(provider.requests.at(-1)?.request.messages.map(({ content }) => content)).toEqual([
    'Be kind.',
    'One?',
    'Answer to 2 messages.',
    'Two?',
  ]);
  expect((await runtime.runs.list({ sentTo: 'k' })).map(({ runId }) => runId)).not.toContain(fork.id);
  expect((await (await session.send('Three?')).ended).text).toBe('Answer to 6 messages.');
});

test('a run that was started in the background is forked as one that nobody waits for', async () => {
  // given a run of a session that a call started, whose last step left the session a message
  const opened = echoes(['Found.', 'Found again.']);
  const { runtime, store } = opened;
  const { commit } = store;
  const origin = { runId: 'lead', rootId: 'lead', callId: 'call_1' };
  const message = { id: 'settled', runId: 'r', sessionKey: 'k', at: 0, message: { type: 'settled' } };
  store.commit = (steps) =>
    commit(
      steps.map((step) => {
        if (step.runId !== 'r') return step;
        const mail = step.row.status === 'completed' ? [message] : [];
        return { ...step, row: { ...step.row, origin }, mail };
      }),
    );
  await runtime.run(leadOf(), 'Look.', { runId: 'r', sessionKey: 'k' });
  expect(store.sessionInbox('k')).toEqual([message]);
  // when it is forked
  const fork = await runtime.fork('r', { at: idOf(store, 'turn.started') });
  expect(await fork.report).toMatchObject({ status: 'completed' });
  // then the session hears nothing of that, and does not list it
  expect(store.sessionInbox()).toEqual([message]);
  expect((await runtime.runs.list({ unitsOf: 'k' })).map(({ runId }) => runId)).toEqual(['r']);
  expect(await runtime.runs.get(fork.id)).not.toHaveProperty('origin');
});

describe('a fork is refused, and nothing is stored,', () => {
  const ended = async () => {
    const opened = echoes([{ calls: [call()] }, 'Done.']);
    await opened.runtime.run(leadOf({ tools: [toolOf({ confirm: false })] }), 'Go.', { runId: 'r' });
    return opened;
  };
  test.each([
    ['of an event that is not there', { at: 'r:99' }, 'fork.invalid', /no event "r:99" in the tree of "r"/],
    ['of no event', { at: 'nonsense' }, 'fork.invalid', /no event "nonsense"/],
    ['with a turn that says nothing', { at: 'r:2', change: { turn: {} } }, 'fork.invalid', /says nothing/],
    [
      'with a turn for another event',
      { at: 'r:1', change: { turn: { text: 'x' } } },
      'fork.invalid',
      /"r:1", a run.started/,
    ],
    [
      'with an answer for another event',
      { at: 'r:1', change: { answer: true } },
      'fork.invalid',
      /Expected a question/,
    ],
    [
      'with a wrong budget',
      { at: 'r:1', change: { budget: { turns: -1 } } },
      'budget.invalid',
      /of the fork is wrong at "turns"/,
    ],
    ['under an id that is taken', { at: 'r:2', runId: 'r' }, 'run.exists', /Fork under a new id/],
    ['under an id that is none', { at: 'r:2', runId: 'a/b' }, 'run.invalid', /cannot be a run's id/],
  ])('%s', async (_what, options, code, message) => {
    const { runtime, store } = await ended();
    await expect(runtime.fork('r', options)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect([...(store.list() as unknown[])]).toHaveLength(1);
  });

  test('of a run that is not there, of a child, and after the end of the runtime', async () => {
    const leaf = defineAgent({ name: 'leaf', instructions: '' });
    const spawn = toolOf({ execute: () => spawned([{ agent: leaf, job: 'x' }]), settle: () => ({}) });
    const { runtime } = echoes(
      ({ messages }, { agent }) => (agent === 'leaf' || messages.length > 2 ? 'Done.' : { calls: [call()] }),
      { agents: [leaf] },
    );
    await runtime.run(leadOf({ tools: [spawn] }), 'Go.', { runId: 'r' });
    await expect(runtime.fork('x', { at: 'x:1' })).rejects.toMatchObject({ code: 'run.unknown' });
    await expect(runtime.fork('r/1-0/0', { at: 'r/1-0/0:1' })).rejects.toThrow('is not the root of its tree. Fork "r"');
    await runtime.close();
    await expect(runtime.fork('r', { at: 'r:1' })).rejects.toMatchObject({ code: 'runtime.closed' });
  });

  test('with an answer that is not clear', async () => {
    const { runtime, store } = echoes([{ calls: [call()] }, 'Done.']);
    const run = runtime.start(leadOf({ tools: [toolOf({ confirm: true })] }), 'Go.', { runId: 'r' });
    await run.report;
    const at = idOf(store, 'question.asked');
    await expect(runtime.fork('r', { at, change: { answer: 'perhaps' } })).rejects.toThrow(
      'The answer "perhaps" to "r/1-0?" is not clear. Expected one of true, yes',
    );
    await run.interrupt();
    await run.ended;
  });

  test('where its agent is not known', async () => {
    const { store } = await ended();
    const { runtime } = openRuntime({ provider: scriptedProvider([]), store });
    await expect(runtime.fork('r', { at: 'r:2' })).rejects.toMatchObject({ code: 'agent.unknown' });
    expect([...(store.list() as unknown[])]).toHaveLength(1);
  });

  test('of a tree that had ended by then', async () => {
    const { runtime, store, tool } = echoes([{ calls: [call()] }]);
    await runtime.run(leadOf({ tools: [tool], budget: { turns: 1 } }), 'Go.', { runId: 'r' });
    await expect(runtime.fork('r', { at: idOf(store, 'call.completed') })).rejects.toMatchObject({
      code: 'fork.ended',
      message: expect.stringMatching(/The tree of "r" had ended by event "r:\d"/),
    });
    await expect(runtime.fork('r', { at: 'r:1', change: { answer: true } })).rejects.toThrow('Expected a question');
  });

  test('before anything had happened', async () => {
    const store = memoryStore();
    const { runtime } = openRuntime({ provider: scriptedProvider([]), store, model: null });
    await runtime.run(leadOf({ budget: { turns: 0 } }), 'Go.', { runId: 'r' });
    await expect(runtime.fork('r', { at: idOf(store, 'run.failed') })).rejects.toThrow(
      'Nothing had happened in the tree of "r" before event "r:3": start it again.',
    );
  });
});

test('an interrupted tree goes on from before it was', async () => {
  const { runtime, store } = echoes([{ hang: true }, 'Done.']);
  const run = runtime.start(leadOf(), 'Go.', { runId: 'r' });
  await settle();
  await run.interrupt();
  await run.ended;
  const fork = await runtime.fork('r', { at: idOf(store, 'run.interrupted') });
  expect(await fork.report).toMatchObject({ status: 'completed', text: 'Done.' });
});
