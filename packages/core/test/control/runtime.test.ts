import { createRuntime, defineAgent, memoryStore } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import type { Observable } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { awaiting, calling, delegating, gatedTool, guardedTool, ofType, plain } from './tools.ts';

const clerk = defineAgent({ name: 'clerk', instructions: 'Work.' });

describe('starting', () => {
  test('under an id that exists gives the run that is there when agent and job are the same, alive or ended [BG-055]', async () => {
    const provider = scriptedProvider(['Done.']);
    const { runtime, types } = openRuntime({ provider });
    const [first, again] = [
      runtime.start(clerk, 'go', { runId: 'mine' }),
      runtime.start(clerk, { input: 'go' }, { runId: 'mine' }),
    ];
    expect([first.id, again.id]).toEqual(['mine', 'mine']);
    const report = await first.ended;
    expect(await again.ended).toEqual(report);
    expect(await runtime.run(clerk, 'go', { runId: 'mine' })).toEqual(report);
    expect(provider.requests).toHaveLength(1);
    expect(types('mine').filter((type) => type === 'run.started')).toHaveLength(1);
  });

  test.each([
    ['another job', clerk, 'stop'],
    ['another agent', defineAgent({ name: 'other', instructions: 'Work.' }), 'go'],
  ])('under an id that exists with %s is a fault [BG-055]', async (_what, agent, job) => {
    const { runtime } = openRuntime({ provider: scriptedProvider(() => 'Done.') });
    const run = runtime.start(clerk, 'go', { runId: 'mine' });
    const again = () => runtime.start(agent, job, { runId: 'mine' });
    expect(again).toThrow(expect.objectContaining({ code: 'run.exists', message: expect.stringContaining('"mine"') }));
    await run.ended;
    expect(again).toThrow(expect.objectContaining({ code: 'run.exists' }));
  });

  test.each(['', '  ', 'a/b'])('under the id %j is a fault: it could not be told from a child’s [BG-055]', (runId) => {
    const { runtime, events } = openRuntime({ provider: scriptedProvider([]) });
    expect(() => runtime.start(clerk, 'go', { runId })).toThrow(expect.objectContaining({ code: 'run.invalid' }));
    expect(events).toEqual([]);
  });

  test('with a signal: aborting it interrupts the run, also when that was before the start', async () => {
    const provider = scriptedProvider(() => ({ hang: true }));
    const { runtime } = openRuntime({ provider });
    const abort = new AbortController();
    const run = runtime.start(clerk, 'go', { signal: abort.signal });
    await settle();
    abort.abort(new Error('The user left.'));
    expect(provider.requests[0]?.aborted).toBe(true);
    expect(await run.ended).toMatchObject({ status: 'interrupted', exitReason: 'interrupted' });
    const late = await runtime.run(clerk, 'go', { signal: abort.signal });
    expect(late).toMatchObject({ status: 'interrupted', usage: { turns: 0 } });
    expect(provider.requests).toHaveLength(1);
  });

  test('is told with the session that owns the run, and its children know it', async () => {
    const seen: unknown[] = [];
    const leaf = defineAgent({
      name: 'leaf',
      instructions: 'Leaf.',
      tools: [plain('look', { execute: (_input, { view }) => void seen.push(view.sessionKey) })],
    });
    const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [delegating(leaf)] });
    const { runtime, events } = openRuntime({
      provider: scriptedProvider({ root: [calling('ask_leaf'), 'Done.'], leaf: [calling('look'), 'Done.'] }),
    });
    await runtime.run(root, 'go', { sessionKey: 'chat-7' });
    expect(seen).toEqual(['chat-7']);
    expect(ofType(events, 'run.started').map(({ sessionKey }) => sessionKey)).toEqual(['chat-7', 'chat-7']);
  });
});

describe('a report', () => {
  test('comes at once from a run that has ended or waits, and at the next settlement from one that works', async () => {
    const { tool } = guardedTool();
    const { runtime } = openRuntime({ provider: scriptedProvider([calling('erase'), 'Done.']) });
    const run = runtime.start(defineAgent({ name: 'clerk', instructions: 'Work.', tools: [tool] }), 'go');
    const ended = run.ended;
    const [first, second] = await Promise.all([run.report, run.report]);
    expect(first).toMatchObject({ status: 'paused', runId: run.id });
    expect(second).toEqual(first);
    expect(await run.report).toEqual(first);
    await run.answer(first.questions[0]!.id, true);
    const last = await run.report;
    expect(last).toMatchObject({ status: 'completed', runId: run.id });
    expect([await ended, await run.report, await run.ended]).toEqual([last, last, last]);
  });

  test('is the same from a handle that was attached after the end [BG-063]', async () => {
    const { runtime } = openRuntime({ provider: scriptedProvider([calling('look'), 'Done.']) });
    const agent = defineAgent({ name: 'clerk', instructions: 'Work.', tools: [plain('look')] });
    const report = await runtime.run(agent, 'go');
    const run = await runtime.attach(report.runId);
    expect([run.status, await run.report]).toEqual(['completed', report]);
  });
});

test('runs can be read one by one, as a list and as a tree [BG-123, BG-027, B-71]', async () => {
  const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.' });
  const middle = defineAgent({ name: 'middle', instructions: 'Middle.', tools: [delegating(leaf)] });
  const root = defineAgent({ name: 'root', instructions: 'Root.', tools: [delegating(middle)] });
  const { runtime } = openRuntime({
    provider: scriptedProvider({
      root: [calling('ask_middle'), 'Done.'],
      middle: [calling('ask_leaf'), 'Done.'],
      leaf: ['Done.'],
      clerk: [{ fault: {} }],
    }),
  });
  const { runId } = await runtime.run(root, 'go');
  const failed = await runtime.run(clerk, 'go');
  expect(await runtime.runs.get(`${runId}/1-0/0`)).toMatchObject({
    agent: 'middle',
    parentId: runId,
    rootId: runId,
    depth: 1,
    status: 'completed',
    job: { input: 'work' },
    endedAt: expect.any(Number),
  });
  expect((await runtime.runs.list()).map(({ agent }) => agent)).toEqual(['clerk', 'leaf', 'middle', 'root']);
  expect(await runtime.runs.list({ status: 'failed' })).toMatchObject([
    { runId: failed.runId, exitReason: 'model_error' },
  ]);
  expect(await runtime.runs.list({ rootId: runId, limit: 1 })).toMatchObject([{ agent: 'leaf' }]);
  expect(await runtime.runs.tree(runId)).toMatchObject({
    agent: 'root',
    children: [{ agent: 'middle', children: [{ agent: 'leaf', children: [] }] }],
  });
  await expect(runtime.runs.tree('nobody')).rejects.toMatchObject({ code: 'run.unknown' });
});

test('a handle reaches only runs below its own', async () => {
  const { runtime } = openRuntime({ provider: scriptedProvider(() => 'Done.') });
  const [one, two] = [runtime.start(clerk, 'go'), runtime.start(clerk, 'go')];
  expect(() => one.child(two.id)).toThrow(expect.objectContaining({ code: 'run.unknown' }));
  expect(() => one.child(`${one.id}/1-0/0`)).toThrow(expect.objectContaining({ code: 'run.unknown' }));
  expect(await one.answer(`${two.id}/1-0?`, true)).toMatchObject({ status: 'rejected' });
});

describe('spawning', () => {
  test('is keyed: the n-th child of a call has the id run/turn-index/n, refused ones count [BG-025]', async () => {
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.' });
    const root = defineAgent({
      name: 'root',
      instructions: 'Root.',
      tools: [awaiting(leaf, { count: 2 }), delegating(leaf, { name: 'other' })],
    });
    const provider = scriptedProvider((request, { agent }) =>
      agent === 'leaf'
        ? 'Done.'
        : request.messages.filter(({ role }) => role === 'assistant').length === 2
          ? 'Done.'
          : calling('ask_leaf', 'other'),
    );
    const { runtime, events } = openRuntime({ provider });
    const { runId } = await runtime.run(root, 'go');
    expect(new Set(ofType(events, 'child.requested').map(({ childId }) => childId.slice(runId.length)))).toEqual(
      new Set(['/1-0/0', '/1-0/1', '/1-1/0', '/2-0/0', '/2-0/1', '/2-1/0']),
    );
  });

  test('a child that nobody waits for still ends before its call does [L2]', async () => {
    const gate = gatedTool('slow');
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [gate.tool] });
    const start = plain('start', { execute: async (_input, { spawn }) => `started ${(await spawn(leaf, 'work')).id}` });
    const { runtime, types } = openRuntime({
      provider: scriptedProvider({ root: [calling('start'), 'Done.'], leaf: [calling('slow'), 'Done.'] }),
    });
    const run = runtime.start(defineAgent({ name: 'root', instructions: 'Root.', tools: [start] }), 'go');
    await settle();
    expect(types(run.id)).not.toContain('call.completed');
    gate.open[0]!.finish();
    expect(await run.ended).toMatchObject({ status: 'completed', calls: [{ result: `started ${run.id}/1-0/0` }] });
  });
});

describe('closing', () => {
  const busy = () => {
    const gate = gatedTool('slow');
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [gate.tool] });
    return {
      gate,
      root: defineAgent({ name: 'root', instructions: 'Root.', tools: [delegating(leaf)] }),
      provider: scriptedProvider({ root: [calling('ask_leaf')], leaf: [calling('slow')] }),
    };
  };

  test('ends every run with reason closed, children first, and completes every stream [BG-052, L2]', async () => {
    const { root, provider, gate } = busy();
    const { runtime, events } = openRuntime({ provider });
    const run = runtime.start(root, 'go');
    let streams = 0;
    for (const stream$ of [runtime.events$, runtime.events({}), run.events$, run.questions$] as Observable<unknown>[])
      stream$.subscribe({ complete: () => (streams += 1) });
    await settle();
    await Promise.all([runtime.close(), runtime.close()]);
    expect(gate.open[0]!.context.signal.aborted).toBe(true);
    expect(ofType(events, 'run.interrupted').map(({ agent, exitReason }) => [agent, exitReason])).toEqual([
      ['leaf', 'parent_interrupted'],
      ['root', 'closed'],
    ]);
    expect(await run.report).toMatchObject({ status: 'interrupted', exitReason: 'closed' });
    expect(streams).toBe(4);
    expect(() => runtime.start(clerk, 'go')).toThrow(expect.objectContaining({ code: 'runtime.closed' }));
  });

  test('with runs: suspend aborts the work and stores no end; reports reject, streams complete', async () => {
    const { root, provider, gate } = busy();
    const store = memoryStore();
    const { runtime, types } = openRuntime({ provider, store, open: true });
    const run = runtime.start(root, 'go');
    const report = run.report;
    let completed = false;
    run.events$.subscribe({ complete: () => (completed = true) });
    await settle();
    const before = types();
    await runtime.close({ runs: 'suspend' });
    await expect(report).rejects.toMatchObject({ code: 'runtime.closed' });
    await expect(run.ended).rejects.toMatchObject({ code: 'runtime.closed' });
    expect(gate.open[0]!.context.signal.aborted).toBe(true);
    gate.open[0]!.finish();
    await settle();
    expect([types(), completed, (await store.get(run.id))?.status]).toEqual([before, true, 'running']);
    // whoever comes later sees what was stored, and an end
    const late: string[] = [];
    await run.events$.forEach((event) => void late.push(event.type));
    await runtime.events({}).forEach(() => {});
    expect(late).toEqual(before);
  });

  test('does not wait longer than it was told for a memory that never answers', async () => {
    const clock = new SimulatedClock();
    const memory = {
      read: () => undefined,
      write: () => new Promise<void>(() => {}),
      search: () => [],
      reset: () => {},
    };
    const runtime = createRuntime({ provider: scriptedProvider(() => 'Done.'), model: 'test-model', clock, memory });
    const run = runtime.start(clerk, 'go');
    await settle();
    const closed = runtime.close({ graceMs: 100 });
    clock.increment(100);
    await closed;
    expect(await run.ended).toMatchObject({ status: 'interrupted', exitReason: 'closed' });
  });
});
