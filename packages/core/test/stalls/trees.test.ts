import { defineAgent } from '@troupe/core';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { awaiting, delegating, gatedTool, guardedTool, ofType } from '../control/tools.ts';
import { leadOf } from '../lead.ts';
import { alone, childId, fedRuntime, grandchildId, impatient, inARow, rootId } from './fed.ts';

const budget = { idleMs: 1_000 };

beforeAll(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {});
});

describe('[HM-130] a run that waits for busy runs below it makes progress', () => {
  test('as long as the lowest of them says something', async () => {
    const { run, pass, speak, warned, stalls, answer } = await inARow({
      root: { budget, heartbeat: { ...impatient, callMs: 1_000 } },
    });
    for (let n = 0; n < 20; n++) {
      await pass(799);
      await speak(grandchildId);
    }
    expect([warned(), stalls()]).toEqual([[], []]);
    for (const id of [grandchildId, childId, rootId]) {
      await pass(799);
      await answer(id);
    }
    expect(await run.ended).toMatchObject({ status: 'completed' });
  });

  test('as long as tools of theirs tell their progress', async () => {
    const { run, pass, call, gate } = await inARow({ root: { budget } });
    await call(grandchildId, 'dig');
    for (let n = 0; n < 5; n++) {
      await pass(999);
      gate.open[0]?.context.progress('digging');
    }
    expect(run.status).toBe('running');
  });

  test('and also where it waits for them in JavaScript', async () => {
    const fed = fedRuntime();
    const child = leadOf({ name: 'child', budget: { idleMs: 700 } });
    const run = fed.runtime.start(leadOf({ budget, tools: [awaiting(child)] }), 'Go.', { runId: rootId });
    await fed.call(rootId, 'ask_child');
    for (let n = 0; n < 5; n++) {
      await fed.pass(699);
      await fed.speak(childId);
    }
    expect([run.status, fed.warned(rootId)]).toEqual(['running', []]);
    await fed.pass(700);
    expect(ofType(fed.events, 'run.failed')).toMatchObject([{ runId: childId, exitReason: 'idle_timeout' }]);
    await fed.answer(rootId);
    expect(await run.ended).toMatchObject({ status: 'completed' });
  });
});

describe('[HM-104] [HM-134] of runs that wait for each other and make no progress', () => {
  test.each([
    [999, 0],
    [1_000, 1],
    [1_001, 1],
  ])('after %d ms the lowest has ended with its limit (%d), and those above go on', async (ms, ends) => {
    const { run, pass, events, call, answer } = await inARow({ root: { budget } });
    await call(grandchildId, 'dig');
    await pass(ms);
    expect(ofType(events, 'run.failed').map(({ runId }) => runId)).toEqual([grandchildId].slice(0, ends));
    if (ends === 0) return;
    // then each of those above has the whole of its time again
    await pass(999);
    await answer(childId, 'Without it.');
    await pass(999);
    await answer(rootId);
    expect(await run.ended).toMatchObject({
      status: 'completed',
      children: [{ status: 'completed' }],
    });
    const [failed] = ofType(events, 'run.failed');
    expect(failed).toMatchObject({
      exitReason: 'idle_timeout',
      fault: { runId: grandchildId, details: { idleMs: ms, limit: 1_000, phase: 'call', tool: 'dig' } },
    });
  });

  test('all are warned, each for itself', async () => {
    const { pass, warned } = await inARow({ root: { budget } });
    await pass(800);
    expect(
      warned()
        .map(({ runId }) => runId)
        .toSorted(),
    ).toEqual([rootId, childId, grandchildId]);
  });

  test('the one with the tightest limit ends first, and takes those below it along', async () => {
    const { run, pass, events, answer } = await inARow({
      root: { budget },
      child: { heartbeat: { callMs: 600, graceMs: 100, onStall: 'interrupt' } },
    });
    await pass(600);
    await pass(100);
    expect(ofType(events, 'run.failed')).toMatchObject([
      {
        runId: childId,
        exitReason: 'stalled',
        fault: { details: { quietMs: 700, thresholdMs: 600, phase: 'call', tool: 'ask_grandchild', graceMs: 100 } },
      },
    ]);
    expect(ofType(events, 'run.interrupted')).toMatchObject([
      { runId: grandchildId, exitReason: 'parent_interrupted' },
    ]);
    await answer(rootId);
    expect(await run.ended).toMatchObject({ status: 'completed', children: [{ exitReason: 'stalled' }] });
  });

  test('[HM-133] the lowest stalls first, and what is above it is given its time again', async () => {
    const heartbeat = { idleMs: 1_000, callMs: 1_000, graceMs: 500, onStall: 'interrupt' } as const;
    const all = { heartbeat };
    const { run, pass, events, stalls, answer } = await inARow({ root: all, child: all, grandchild: all });
    await pass(1_000);
    expect(stalls()).toHaveLength(3);
    await pass(500);
    expect(ofType(events, 'run.failed')).toMatchObject([{ runId: grandchildId, exitReason: 'stalled' }]);
    await pass(999);
    await answer(childId);
    await answer(rootId);
    expect(stalls()).toHaveLength(3);
    expect(await run.ended).toMatchObject({ status: 'completed' });
  });

  test('a run with a tool of its own that is stuck is silent when nobody below it says anything', async () => {
    const gate = gatedTool('own');
    const { run, pass, speak, answer } = await inARow({ root: { budget, tools: [gate.tool] } });
    await pass(600);
    await speak(grandchildId);
    await pass(600);
    await answer(grandchildId);
    await answer(childId);
    expect(run.status).toBe('running');
    await pass(1_000);
    expect(await run.ended).toMatchObject({
      exitReason: 'idle_timeout',
      fault: { details: { phase: 'call', tool: 'own' } },
    });
    expect(gate.open[0]?.context.signal.aborted).toBe(true);
  });
});

test('a run that ends with the run below it leaves no timer behind [HM-132]', async () => {
  // given a call that has ended, and waits for the child that it has started
  const { run, pass, call, gate, clock } = await alone({ budget: { ...budget, turns: 1 } });
  await call(rootId, 'dig');
  await pass(500);
  await gate.open[0]?.context.spawn(leadOf({ name: 'child' }), 'work');
  gate.open[0]?.finish();
  await pass(0);
  const { length } = clock.asked;
  // when both are looked at in one moment, the upper one first
  await pass(1_500);
  expect(await run.ended).toMatchObject({ exitReason: 'max_turns', children: [{ exitReason: 'idle_timeout' }] });
  await pass(10_000);
  expect(clock.asked).toHaveLength(length);
});

test('a hundred silent children end one by one, and the run above them is told of each [HM-130]', async () => {
  const child = defineAgent({ name: 'child', instructions: '' });
  const fed = fedRuntime();
  const run = fed.runtime.start(leadOf({ budget, tools: [delegating(child, { count: 100 })] }), 'Go.', {
    runId: rootId,
  });
  await fed.call(rootId, 'ask_child');
  await fed.pass(1_000);
  expect(ofType(fed.events, 'run.failed')).toHaveLength(100);
  await fed.answer(rootId);
  expect((await run.ended).children.every(({ exitReason }) => exitReason === 'idle_timeout')).toBe(true);
});

test('a run that was let go is no longer one that its parent waits for: what it does is no progress of its parent [HM-130]', async () => {
  const { run, pass, speak, gate, call, runtime, types } = await alone({ budget });
  const { tool } = guardedTool();
  await call(rootId, 'dig');
  void gate.open[0]?.context.spawn(leadOf({ name: 'asks', tools: [tool] }), 'work', { onPaused: 'error' });
  await call(childId, 'erase');
  expect(types(childId)).toContain('run.detached');
  const [question] = (await runtime.attach(childId)).questions;
  await pass(600);
  await runtime.answer(question?.id ?? '', true);
  await speak(childId);
  await pass(400);
  expect(await run.ended).toMatchObject({ exitReason: 'idle_timeout', fault: { details: { idleMs: 1_000 } } });
  expect((await runtime.attach(childId)).status).toBe('running');
  await (await runtime.attach(childId)).interrupt();
});
