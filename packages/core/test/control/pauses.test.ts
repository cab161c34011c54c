import { defineAgent } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { calling, delegating, gatedTool, guardedTool, ofType } from './tools.ts';

const clerk = (options: Partial<Parameters<typeof defineAgent>[0]> = {}) =>
  defineAgent({ name: 'clerk', instructions: 'Work.', ...options });

test('pausing aborts the model call, charges what it used, and nothing new starts until it is resumed [BG-062, L9]', async () => {
  const provider = scriptedProvider([
    { text: 'Half', usage: { inputTokens: 8, outputTokens: 2 }, hang: true },
    'Whole.',
  ]);
  const { runtime, types } = openRuntime({ provider });
  const run = runtime.start(clerk(), 'go');
  await settle();
  expect(await run.pause()).toEqual({ status: 'accepted' });
  expect([run.status, provider.requests[0]?.aborted]).toEqual(['paused', true]);
  await settle();
  expect(provider.requests).toHaveLength(1);
  // pausing alone settles no report
  let settled = false;
  void run.report.then(() => (settled = true));
  await settle();
  expect(settled).toBe(false);
  expect(await run.pause()).toEqual({ status: 'rejected', reason: 'the run is paused already' });
  expect(await run.resume()).toEqual({ status: 'accepted' });
  // the same turn is taken again: it counts once, and both attempts are paid
  const report = await run.ended;
  expect(report).toMatchObject({
    status: 'completed',
    text: 'Whole.',
    runId: run.id,
    usage: { turns: 1, own: { inputTokens: 18, outputTokens: 7 } },
  });
  expect(types()).toEqual([
    'run.started',
    'turn.started',
    'turn.attempted',
    'run.paused',
    'run.resumed',
    'turn.started',
    'turn.completed',
    'run.completed',
  ]);
});

test('calls in flight survive a pause; their answers wait for the next turn [L3]', async () => {
  const gate = gatedTool('slow');
  const provider = scriptedProvider([calling('slow'), 'Done.']);
  const { runtime } = openRuntime({ provider });
  const run = runtime.start(clerk({ tools: [gate.tool] }), 'go');
  await settle();
  await run.pause();
  expect(gate.open[0]!.context.signal.aborted).toBe(false);
  gate.open[0]!.finish('kept');
  await settle();
  expect([run.status, provider.requests.length]).toEqual(['paused', 1]);
  await run.resume();
  expect(await run.ended).toMatchObject({ status: 'completed', calls: [{ status: 'ok', result: 'kept' }] });
});

test('pausing holds the whole tree, resuming lets the whole tree go on', async () => {
  const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.' });
  const root = clerk({ tools: [delegating(leaf, { count: 2 })] });
  const provider = scriptedProvider({
    clerk: [calling('ask_leaf'), 'Done.'],
    leaf: [{ hang: true }, { hang: true }, 'One.', 'Two.'],
  });
  const { runtime } = openRuntime({ provider });
  const run = runtime.start(root, 'go');
  await settle();
  await run.pause();
  expect(provider.requests.map(({ aborted }) => aborted)).toEqual([false, true, true]);
  expect([run, run.child(`${run.id}/1-0/0`), run.child(`${run.id}/1-0/1`)].map(({ status }) => status)).toEqual([
    'paused',
    'paused',
    'paused',
  ]);
  await run.resume();
  expect(await run.ended).toMatchObject({ status: 'completed', text: 'Done.' });
});

test('an answer to a paused run is deferred until it is resumed: the tool does not run before [BG-081]', async () => {
  const { tool, ran } = guardedTool();
  const { runtime } = openRuntime({ provider: scriptedProvider([calling('erase'), 'Done.']) });
  const run = runtime.start(clerk({ tools: [tool] }), 'go');
  const { questions } = await run.report;
  // a run that waits for an answer cannot be resumed by a command, but it can be held
  expect(await run.resume()).toEqual({ status: 'rejected', reason: 'the run waits for an answer' });
  expect(await run.pause()).toEqual({ status: 'accepted' });
  expect(await run.answer(questions[0]!.id, true)).toEqual({ status: 'deferred', until: 'resumed' });
  await settle();
  expect([ran(), run.questions]).toEqual([0, []]);
  await run.resume();
  expect(await run.ended).toMatchObject({ status: 'completed' });
  expect(ran()).toBe(1);
});

test('a question of a child that was asked while everything was held is open after resuming [F-01]', async () => {
  const { tool } = guardedTool();
  const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [tool] });
  const { runtime } = openRuntime({
    provider: scriptedProvider({ clerk: [calling('ask_leaf'), 'Done.'], leaf: [calling('erase'), 'Leaf done.'] }),
  });
  const run = runtime.start(clerk({ tools: [delegating(leaf)] }), 'go');
  await run.report;
  await run.pause();
  await run.resume();
  const report = await run.report;
  expect(report).toMatchObject({ status: 'paused', questions: [{ tool: 'erase' }] });
  await run.answer(report.questions[0]!.id, true);
  expect(await run.ended).toMatchObject({ status: 'completed' });
});

describe('time', () => {
  test('spent waiting for a person, or for resume, is not active time [F-18]', async () => {
    const clock = new SimulatedClock();
    const { tool } = guardedTool();
    const { runtime, events } = openRuntime({
      provider: scriptedProvider([
        { ...calling('erase'), delayMs: 300 },
        { text: 'Done.', delayMs: 300 },
      ]),
      clock,
    });
    const run = runtime.start(clerk({ tools: [tool], budget: { activeMs: 1_000 } }), 'go');
    await settle();
    clock.increment(300);
    const { questions, usage } = await run.report;
    expect(usage.activeMs).toBe(300);
    // a day passes
    clock.increment(86_400_000);
    await run.pause();
    clock.increment(86_400_000);
    await run.answer(questions[0]!.id, true);
    await run.resume();
    await settle();
    clock.increment(300);
    expect(await run.ended).toMatchObject({ status: 'completed', usage: { activeMs: 600 } });
    expect(ofType(events, 'budget.exhausted')).toEqual([]);
  });

  test('of work ends a run at its limit, what it was doing aborted and charged [F-18, L9]', async () => {
    const clock = new SimulatedClock();
    const provider = scriptedProvider([{ text: 'So far', usage: { inputTokens: 5 }, hang: true }]);
    const { runtime, events } = openRuntime({ provider, clock });
    const run = runtime.start(clerk({ budget: { activeMs: 1_000 } }), 'go');
    await settle();
    clock.increment(999);
    expect(run.status).toBe('running');
    clock.increment(1);
    const report = await run.ended;
    expect(report).toMatchObject({
      status: 'failed',
      exitReason: 'timeout',
      text: null,
      partialText: 'So far',
      fault: { details: { kind: 'activeMs' } },
      usage: { own: { inputTokens: 5 }, activeMs: 1_000 },
    });
    expect(ofType(events, 'budget.exhausted')).toMatchObject([{ kind: 'activeMs', limit: 1_000, spent: 1_000 }]);
    expect(provider.requests[0]?.aborted).toBe(true);
  });

  test('on the wall ends a run and its descendants at the deadline, also while it waits for a person', async () => {
    const clock = new SimulatedClock();
    const { tool } = guardedTool();
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [tool] });
    const provider = scriptedProvider({ clerk: [calling('ask_leaf')], leaf: [calling('erase')] });
    const { runtime, events } = openRuntime({ provider, clock });
    const run = runtime.start(clerk({ tools: [delegating(leaf)], budget: { deadlineMs: 5_000 } }), 'go');
    await run.report;
    clock.increment(5_000);
    expect(await run.ended).toMatchObject({
      status: 'failed',
      exitReason: 'timeout',
      fault: { details: { kind: 'deadlineMs' } },
      questions: [],
    });
    expect(ofType(events, 'budget.exhausted').find(({ agent }) => agent === 'clerk')).toMatchObject({
      kind: 'deadlineMs',
      limit: 5_000,
      spent: 5_000,
    });
  });
});

describe('going on', () => {
  test('tells run.resumed, keeps the id, and counts turns and calls from where they stood [BG-062, BG-063, BG-074]', async () => {
    // given a run of at most three turns that pauses twice
    const { tool } = guardedTool();
    const { runtime, events } = openRuntime({
      provider: scriptedProvider([calling('erase'), calling('erase'), calling('erase')]),
    });
    const first = await runtime.run(clerk({ tools: [tool], budget: { turns: 3 } }), 'go');
    const second = await runtime.resume(first.runId, true);
    const third = await runtime.resume(first.runId, true);
    const last = await runtime.resume(first.runId, true);
    // then the turns of all parts are counted together
    expect(
      [first, second, third, last].map(({ runId, status, usage }) => [runId === first.runId, status, usage.turns]),
    ).toEqual([
      [true, 'paused', 1],
      [true, 'paused', 2],
      [true, 'paused', 3],
      [true, 'failed', 3],
    ]);
    expect(last).toMatchObject({ exitReason: 'max_turns', usage: { toolCalls: 3 } });
    expect(ofType(events, 'run.resumed')).toHaveLength(3);
  });

  test('with a run that does not exist is a fault that names it, and writes nothing [BG-061]', async () => {
    const { runtime, events } = openRuntime({ provider: scriptedProvider([]) });
    await expect(runtime.resume('nobody', true)).rejects.toMatchObject({
      code: 'run.unknown',
      message: expect.stringContaining('"nobody"'),
    });
    await expect(runtime.attach('nobody')).rejects.toMatchObject({ code: 'run.unknown' });
    expect([events, await runtime.runs.list(), await runtime.runs.get('nobody')]).toEqual([[], [], undefined]);
  });

  test('with a run that has ended gives its report; an answer to it is a fault [BG-061]', async () => {
    const { runtime } = openRuntime({ provider: scriptedProvider(['Done.']) });
    const report = await runtime.run(clerk(), 'go');
    expect(await runtime.resume(report.runId)).toEqual(report);
    await expect(runtime.resume(report.runId, true)).rejects.toMatchObject({ code: 'question.unknown' });
  });

  test('with an answer that is not clear rejects, and the question stays open [BG-081]', async () => {
    const { tool } = guardedTool();
    const { runtime } = openRuntime({ provider: scriptedProvider([calling('erase'), 'Done.']) });
    const { runId } = await runtime.run(clerk({ tools: [tool] }), 'go');
    await expect(runtime.resume(runId, 'perhaps')).rejects.toMatchObject({ code: 'question.rejected' });
    expect(await runtime.resume(runId)).toMatchObject({ status: 'paused', questions: [{ tool: 'erase' }] });
    expect(await runtime.resume(runId, 'no')).toMatchObject({ status: 'completed' });
  });

  test('with a run that was paused by a command lets it go on [BG-062]', async () => {
    const { runtime } = openRuntime({ provider: scriptedProvider([{ hang: true }, 'Done.']) });
    const run = runtime.start(clerk(), 'go');
    await settle();
    await run.pause();
    expect(await runtime.resume(run.id)).toMatchObject({ status: 'completed', text: 'Done.' });
  });
});
