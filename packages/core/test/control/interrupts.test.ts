import { type AnyAgent, defineAgent, defineTool } from '@troupe/core';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { awaiting, calling, delegating, gatedTool, guardedTool, nothing, ofType, plain } from './tools.ts';

describe.each([
  ['calls that are their children', delegating],
  ['calls that await their children', awaiting],
] as const)('through %s', (_what, ask) => {
  test('an interrupt reaches every model call and every tool three levels down at once, and what was aborted is charged [F-05, L9, L2, L3]', async () => {
    // given root → middle → leaf; each has a tool at work, and the leaf's other child is in the middle of an answer
    const signals: AbortSignal[] = [];
    const slow = defineTool({
      name: 'slow',
      description: 'Works until it is stopped',
      inputSchema: nothing,
      execute: (_input, { signal }) =>
        new Promise((_resolve, reject) => {
          signals.push(signal);
          signal.addEventListener('abort', () => reject(new Error('stopped')));
        }),
    });
    const talker = defineAgent({ name: 'talker', instructions: 'Talk.' });
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [ask(talker), slow] });
    const middle = defineAgent({ name: 'middle', instructions: 'Middle.', tools: [ask(leaf), slow] });
    const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [ask(middle), slow] });
    const provider = scriptedProvider({
      root: [calling('ask_middle', 'slow')],
      middle: [calling('ask_leaf', 'slow')],
      leaf: [calling('ask_talker', 'slow')],
      talker: [{ text: 'Once upon', usage: { inputTokens: 100, outputTokens: 7, costUsd: 0.5 }, hang: true }],
    });
    const { runtime, events } = openRuntime({ provider });
    const run = runtime.start(root, 'go');
    await settle();
    expect([signals.length, provider.requests.length]).toEqual([3, 4]);
    // when the root is interrupted
    const receipt = run.interrupt('Enough.');
    // then every signal is aborted before anything else happens
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true]);
    expect(provider.requests.at(-1)?.aborted).toBe(true);
    expect(await receipt).toEqual({ status: 'accepted' });
    // and each run ends once, children first, its calls answered as cancelled
    const report = await run.ended;
    expect(report).toMatchObject({ status: 'interrupted', exitReason: 'interrupted', text: null });
    expect(
      ofType(events, 'run.interrupted').map(({ agent, exitReason, reason }) => [agent, exitReason, reason]),
    ).toEqual([
      ['talker', 'parent_interrupted', 'Enough.'],
      ['leaf', 'parent_interrupted', 'Enough.'],
      ['middle', 'parent_interrupted', 'Enough.'],
      ['root', 'interrupted', 'Enough.'],
    ]);
    expect(ofType(events, 'call.failed').map(({ cancelled }) => cancelled)).toEqual(
      Array.from({ length: 6 }, () => true),
    );
    // what the aborted answer cost is charged, up to the root
    expect(report.usage.total).toMatchObject({ inputTokens: 130, outputTokens: 22, costUsd: 0.5 });
    expect(ofType(events, 'run.interrupted')[0]).toMatchObject({
      partialText: 'Once upon',
      usage: { own: { outputTokens: 7 } },
    });
  });
});

test('an interrupted run answers no call twice, whatever its tools do afterwards [L3]', async () => {
  // given a tool that does not look at its signal
  const gate = gatedTool('slow');
  const provider = scriptedProvider([calling('slow', 'slow')]);
  const { runtime, types } = openRuntime({ provider });
  const run = runtime.start(defineAgent({ name: 'clerk', instructions: 'Work.', tools: [gate.tool] }), 'go');
  await settle();
  await run.interrupt();
  const report = await run.ended;
  expect(gate.open.every(({ context }) => context.signal.aborted)).toBe(true);
  // when it finishes all the same
  const before = types();
  for (const call of gate.open) call.finish('too late');
  await settle();
  // then nobody hears of it
  expect(types()).toEqual(before);
  expect(report.calls.map(({ status, result }) => [status, JSON.parse(result).error])).toEqual(
    Array.from({ length: 2 }, () => ['error', 'Cancelled: Interrupted by the user.']),
  );
});

describe('what an interrupt is answered', () => {
  const start = (agent: AnyAgent, ...turns: Turn[]) => {
    const provider = scriptedProvider(turns);
    const opened = openRuntime({ provider });
    return { ...opened, provider, run: opened.runtime.start(agent, 'go') };
  };
  const clerk = (...tools: NonNullable<AnyAgent['tools']>) =>
    defineAgent({ name: 'clerk', instructions: 'Work.', tools });

  test('accepted while the model speaks, works, waits, or is paused; rejected once it ends', async () => {
    const { tool } = guardedTool();
    const cases: { agent: AnyAgent; turns: Turn[] }[] = [
      { agent: clerk(), turns: [{ hang: true }] },
      { agent: clerk(gatedTool('slow').tool), turns: [calling('slow')] },
      { agent: clerk(tool), turns: [calling('erase')] },
    ];
    for (const { agent, turns } of cases) {
      const { run } = start(agent, ...turns);
      await settle();
      const first = run.interrupt('Stop.');
      const second = run.interrupt('Stop again.');
      expect([await first, await second]).toEqual([
        { status: 'accepted' },
        { status: 'rejected', reason: expect.stringMatching(/ended|interrupted/) },
      ]);
      expect(await run.ended).toMatchObject({ status: 'interrupted', questions: [] });
    }
    const { run } = start(clerk(), { hang: true });
    await settle();
    await run.pause();
    expect(await run.interrupt()).toEqual({ status: 'accepted' });
    expect(await run.ended).toMatchObject({ status: 'interrupted' });
    expect([await run.pause(), await run.resume(), await run.interrupt()]).toEqual(
      Array.from({ length: 3 }, () => ({ status: 'rejected', reason: 'the run has ended: interrupted' })),
    );
  });

  test('a call that has not begun when the interrupt comes never begins [BG-103]', async () => {
    // given a hook in front of a tool, during which the run is interrupted
    let ran = 0;
    const before = [{ run: () => void run.interrupt() }];
    const { run } = start(clerk(plain('quick', { before, execute: () => ++ran })), calling('quick'));
    expect(await run.ended).toMatchObject({ status: 'interrupted', calls: [{ status: 'error' }] });
    await settle();
    expect(ran).toBe(0);
  });
});

describe('a child that waits in the queue', () => {
  const crowd = () => {
    const gate = gatedTool('slow');
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [gate.tool] });
    const root = defineAgent({
      name: 'root',
      instructions: 'Root.',
      tools: [delegating(leaf, { count: 3 })],
      budget: { concurrency: 1 },
    });
    const provider = scriptedProvider((request, { agent }) => {
      const last = request.messages.at(-1)?.role;
      return agent === 'root'
        ? last === 'tool'
          ? 'Root done.'
          : calling('ask_leaf')
        : last === 'tool'
          ? 'Leaf done.'
          : calling('slow');
    });
    return { gate, root, provider, ...openRuntime({ provider }) };
  };

  test('and is stopped has exactly one terminal event, and the others go on [F-06, L1]', async () => {
    const { gate, root, provider, runtime, types } = crowd();
    const run = runtime.start(root, 'go');
    await settle();
    const queued = `${run.id}/1-0/1`;
    expect(types(queued)).toEqual(['run.queued']);
    expect(await run.child(queued).interrupt('Not needed.')).toEqual({ status: 'accepted' });
    await settle();
    expect(types(queued)).toEqual(['run.queued', 'run.interrupted']);
    for (let i = 0; i < 2; i++) {
      gate.open[i]!.finish();
      await settle();
    }
    const report = await run.ended;
    expect(report).toMatchObject({ status: 'completed', text: 'Root done.' });
    expect(report.children.map(({ status }) => status)).toEqual(['interrupted', 'completed', 'completed']);
    expect(report.calls[0]?.result).toContain('interrupted');
    // nothing was asked of a model for it
    expect(provider.requests.filter(({ context }) => context.runId === queued)).toEqual([]);
  });

  test('ends with its interrupted root, in its place [F-06, L2]', async () => {
    const { root, runtime, types } = crowd();
    const run = runtime.start(root, 'go');
    await settle();
    await run.interrupt();
    await run.ended;
    expect([1, 2].map((n) => types(`${run.id}/1-0/${n}`))).toEqual(
      Array.from({ length: 2 }, () => ['run.queued', 'run.interrupted']),
    );
  });
});

test('a tool that takes too long takes its live children along, and is answered once they have ended [BG-102, L2]', async () => {
  // given a tool with a timeout that waits for a child
  const clock = new SimulatedClock();
  const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.' });
  let progress: (note: string) => void = () => {};
  const ask = plain('ask', {
    timeoutMs: 1_000,
    execute: async (_input, context) => {
      progress = context.progress;
      return (await (await context.spawn(leaf, 'work')).ended).text;
    },
  });
  const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [ask] });
  const provider = scriptedProvider({ root: [calling('ask'), 'Without it.'], leaf: [{ hang: true }] });
  const { runtime, events, types } = openRuntime({ provider, clock });
  const run = runtime.start(root, 'go');
  await settle();
  // when its time is up
  clock.increment(1_000);
  progress('still here');
  // then the child's model call is aborted, the call answered, and the run goes on
  expect(await run.ended).toMatchObject({
    status: 'completed',
    text: 'Without it.',
    children: [{ status: 'interrupted', exitReason: 'parent_interrupted' }],
  });
  expect(provider.requests.map(({ aborted }) => aborted)).toEqual([false, true, false]);
  expect(ofType(events, 'call.failed')).toMatchObject([{ timedOut: true, error: '"ask" timed out after 1000 ms' }]);
  const order = types();
  expect(ofType(events, 'call.progressed')).toEqual([]);
  expect(order.indexOf('call.failed')).toBeGreaterThan(order.indexOf('child.settled'));
});

test('interrupting one child leaves its siblings alone; its parent is told that it did not succeed [L5, F-08]', async () => {
  const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.' });
  const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [delegating(leaf)] });
  const provider = scriptedProvider((request, { agent, runId }) => {
    if (agent === 'root')
      return request.messages.at(-1)?.role === 'tool' ? 'Root done.' : calling('ask_leaf', 'ask_leaf');
    return runId.includes('1-0') ? { text: 'Half of', hang: true } : 'Leaf done.';
  });
  const { runtime } = openRuntime({ provider });
  const run = runtime.start(root, 'go');
  await settle();
  await run.child(`${run.id}/1-0/0`).interrupt('Too slow.');
  const report = await run.ended;
  expect(report.calls.map(({ status }) => status)).toEqual(['error', 'ok']);
  expect(report.calls[0]?.result).toContain('interrupted');
  expect(report.children.map(({ status, exitReason }) => [status, exitReason])).toEqual([
    ['completed', 'answered'],
    ['interrupted', 'interrupted'],
  ]);
});
