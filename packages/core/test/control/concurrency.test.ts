import { type AnyAgent, defineAgent } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { awaiting, calling, delegating, gatedTool, guardedTool, ofType } from './tools.ts';

const rootOf = (tools: AnyAgent['tools'], concurrency = 1) =>
  defineAgent({ name: 'root', instructions: 'Root.', tools, budget: { concurrency } });
/** Everybody calls their tools once, then answers. */
const once = (calls: Record<string, string[]>) =>
  scriptedProvider((request, { agent }) =>
    request.messages.at(-1)?.role === 'tool' || !calls[agent] ? `${agent} done.` : calling(...calls[agent]),
  );

describe.each([
  ['calls that are their children', delegating],
  ['calls that await their children', awaiting],
] as const)('through %s', (_what, ask) => {
  test('no more children work than concurrency allows; the others are told as queued and start in the order they came [L1]', async () => {
    const gate = gatedTool('slow');
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [gate.tool] });
    const { runtime, events, types } = openRuntime({ provider: once({ root: ['ask_leaf'], leaf: ['slow'] }) });
    const run = runtime.start(rootOf([ask(leaf, { count: 4 })], 2), 'go');
    const ids = [0, 1, 2, 3].map((n) => `${run.id}/1-0/${n}`);
    const started = () =>
      ofType(events, 'run.started')
        .slice(1)
        .map(({ runId }) => runId);
    await settle();
    expect(started()).toEqual(ids.slice(0, 2));
    expect(ids.map((id) => run.child(id).status)).toEqual(['running', 'running', 'queued', 'queued']);
    expect(types(ids[2])).toEqual(['run.queued']);
    gate.open[1]!.finish();
    await settle();
    expect(started()).toEqual(ids.slice(0, 3));
    gate.open[0]!.finish();
    await settle();
    expect(started()).toEqual(ids);
    gate.open[2]!.finish();
    gate.open[3]!.finish();
    expect(await run.ended).toMatchObject({ status: 'completed' });
    expect(ofType(events, 'child.started').map(({ childId }) => childId)).toEqual(ids);
  });

  test('a run that waits for its children holds no slot', async () => {
    // given one slot for everybody, and a middle that needs a leaf: it would wait for ever for itself
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.' });
    const middle = defineAgent({ name: 'middle', instructions: 'Middle.', tools: [ask(leaf)] });
    const { runtime } = openRuntime({ provider: once({ root: ['ask_middle', 'ask_middle'], middle: ['ask_leaf'] }) });
    expect(await runtime.run(rootOf([delegating(middle)]), 'go')).toMatchObject({
      status: 'completed',
      children: [{ status: 'completed' }, { status: 'completed' }],
    });
  });
});

test('while one child waits for its own children, another gets its slot; it takes a slot again before its next turn', async () => {
  // given one slot, a middle whose leaf is slow, and a worker behind it
  const [gate, work] = [gatedTool('slow'), gatedTool('work')];
  const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [gate.tool] });
  const middle = defineAgent({ name: 'middle', instructions: 'Middle.', tools: [delegating(leaf)] });
  const worker = defineAgent({ name: 'worker', instructions: 'Worker.', tools: [work.tool] });
  const provider = once({ root: ['ask_middle', 'ask_worker'], middle: ['ask_leaf'], leaf: ['slow'], worker: ['work'] });
  const { runtime } = openRuntime({ provider });
  const run = runtime.start(rootOf([delegating(middle), delegating(worker)]), 'go');
  await settle();
  // then the worker has the slot
  expect([gate.open.length, work.open.length]).toEqual([1, 1]);
  // when the leaf is done, the middle waits until the worker is
  gate.open[0]!.finish();
  await settle();
  const turnsOf = (agent: string) => provider.requests.filter(({ context }) => context.agent === agent).length;
  expect(turnsOf('middle')).toBe(1);
  work.open[0]!.finish();
  expect(await run.ended).toMatchObject({ status: 'completed' });
  expect(turnsOf('middle')).toBe(2);
});

test('a run that waits for a person holds no slot [F-01]', async () => {
  const { tool } = guardedTool();
  const asker = defineAgent({ name: 'asker', instructions: 'Asker.', tools: [tool] });
  const worker = defineAgent({ name: 'worker', instructions: 'Worker.' });
  const { runtime, events } = openRuntime({ provider: once({ root: ['ask_asker', 'ask_worker'], asker: ['erase'] }) });
  const run = runtime.start(rootOf([delegating(asker), delegating(worker)]), 'go');
  const report = await run.report;
  expect(ofType(events, 'run.completed').map(({ agent }) => agent)).toEqual(['worker']);
  await run.answer(report.questions[0]!.id, true);
  expect(await run.ended).toMatchObject({ status: 'completed' });
});

test('time in the queue is no active time, neither before the start nor between two turns [F-18]', async () => {
  // given one slot: the middle gives it up for its leaf, and a worker holds it for a while
  const clock = new SimulatedClock();
  const [gate, work] = [gatedTool('slow'), gatedTool('work')];
  const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [gate.tool] });
  const middle = defineAgent({
    name: 'middle',
    instructions: 'Middle.',
    tools: [delegating(leaf)],
    budget: { activeMs: 1_000 },
  });
  const worker = defineAgent({
    name: 'worker',
    instructions: 'Worker.',
    tools: [work.tool],
    budget: { activeMs: 6_000 },
  });
  const { runtime } = openRuntime({
    provider: once({
      root: ['ask_middle', 'ask_worker', 'ask_worker'],
      middle: ['ask_leaf'],
      leaf: ['slow'],
      worker: ['work'],
    }),
    clock,
  });
  const run = runtime.start(rootOf([delegating(middle), delegating(worker)]), 'go');
  await settle();
  clock.increment(500);
  gate.open[0]!.finish();
  await settle();
  // the leaf is done, the slot is not free for a long time
  clock.increment(5_000);
  work.open[0]!.finish();
  await settle();
  clock.increment(5_000);
  work.open[1]?.finish();
  await settle();
  const report = await run.ended;
  expect(report.children.map(({ agent, status }) => `${agent} ${status}`).toSorted()).toEqual([
    'middle completed',
    'worker completed',
    'worker completed',
  ]);
  const rows = await runtime.runs.list({ rootId: run.id });
  expect(rows.find(({ agent }) => agent === 'middle')?.usage.activeMs).toBe(500);
  expect(rows.filter(({ agent }) => agent === 'worker').map(({ usage }) => usage.activeMs)).toEqual([5_000, 5_500]);
});

test('only concurrency queues: without it, all children start at once', async () => {
  const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.' });
  const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [delegating(leaf, { count: 20 })] });
  const { runtime, events } = openRuntime({ provider: once({ root: ['ask_leaf'] }) });
  expect(await runtime.run(root, 'go')).toMatchObject({ status: 'completed' });
  expect(ofType(events, 'run.queued')).toEqual([]);
});
