import { createRuntime, defineAgent, defineTool, memoryStore } from '@troupe/core';
import { mortalStore, scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { openOffice, pass, settle } from './office.ts';

const orchestrator = { allowSubagents: true } as const;
const minute = 60_000;

/** Who is left. */
const left = async ({ manager, memory }: ReturnType<typeof openOffice>) => {
  const stored = await memory.search('subagents:subagents', '', { limit: 100 });
  const { active, recent } = await manager.status();
  const shown = [...active, ...recent].map(({ agentId }) => agentId).sort();
  expect(stored.map(({ key }) => key).sort()).toEqual(shown);
  return shown;
};

describe('[SB-113] from time to time', () => {
  test('those for a single task that ended long ago are forgotten; their runs stay', async () => {
    const office = openOffice({ manager: { archiveAfterMs: 10 * minute } });
    const { spawn } = office.manager;
    const done = await spawn({ task: 'count' });
    await spawn({ task: 'fail' });
    const named = await spawn({ task: 'count', name: 'counter' });
    const busy = await spawn({ task: 'hang on' });
    await settle();
    for (let i = 0; i < 10; i += 1) await pass(office, minute);
    expect(await left(office)).toHaveLength(4);
    await pass(office, minute);
    expect(await left(office)).toEqual([named.agentId, busy.agentId].sort());
    expect(await office.runtime.runs.get(done.runId)).toMatchObject({ status: 'completed' });
    expect(await office.manager.info(done.agentId)).toBeNull();
  });

  test('nobody whose own below is at work, nor what waits to be collected', async () => {
    const office = openOffice({ manager: { archiveAfterMs: minute } });
    const { spawn, cancel, collect } = office.manager;
    const a = await spawn({ task: 'a', config: orchestrator });
    const b = await spawn({ task: 'hang on', parentId: a.agentId, requester: { channel: null } });
    await settle();
    for (let i = 0; i < 5; i += 1) await pass(office, minute);
    expect(await left(office)).toHaveLength(2);
    await cancel(b.agentId);
    await settle();
    for (let i = 0; i < 3; i += 1) await pass(office, minute);
    expect(await left(office)).toEqual([]);
    expect((await collect()).map(({ label }) => label)).toEqual(['a', 'hang on']);
  });

  test('what was below one that is forgotten belongs to whoever had asked for that', async () => {
    const office = openOffice({ manager: { archiveAfterMs: minute, maxDepth: 3 } });
    const { spawn, info, forget, resume } = office.manager;
    const top = await spawn({ task: 'hang on', scope: 'chat', config: orchestrator });
    const a = await spawn({ task: 'a', parentId: top.agentId, config: orchestrator });
    const b = await spawn({ task: 'b', parentId: a.agentId, name: 'writer' });
    await settle();
    expect(await forget(a.agentId, { scope: 'chat' })).toBe(true);
    expect(await info(b.agentId, { scope: 'chat' })).toMatchObject({
      parentId: top.agentId,
      depth: 2,
      requester: { sessionKey: top.sessionKey },
    });
    await office.manager.cancel(top.agentId);
    await settle();
    for (let i = 0; i < 3; i += 1) await pass(office, minute);
    expect(await left(office)).toEqual([b.agentId]);
    expect(await info(b.agentId, { scope: 'chat' })).toMatchObject({
      parentId: null,
      depth: 1,
      requester: { sessionKey: 'chat' },
    });
    expect(await resume({ name: 'writer', task: 'go on', scope: 'chat' })).toMatchObject({ agentId: b.agentId });
    const [stored] = await office.memory.search('subagents:subagents', '');
    expect(stored?.value).toMatchObject({ parentId: null, depth: 1 });
  });
});

describe('[SB-050, B-45] of one that is to be deleted', () => {
  const deleted = { cleanup: 'delete' } as const;

  test('nothing is left once its result was handed over; others keep their conversation', async () => {
    const office = openOffice();
    const { spawn, collect } = office.manager;
    const gone = await spawn({ task: 'count', config: deleted });
    const kept = await spawn({ task: 'count' });
    await settle();
    // it can be asked about until then
    expect(await left(office)).toHaveLength(2);
    expect(await collect()).toHaveLength(2);
    await pass(office, 1_000);
    expect(await left(office)).toEqual([kept.agentId]);
    expect(await office.runtime.runs.get(gone.runId)).toBeUndefined();
    await office.manager.close();
    await office.runtime.close({ runs: 'suspend' });
    const later = openOffice({ store: office.store });
    await later.manager.resume({ agentId: kept.agentId, task: 'again' });
    await settle();
    expect(JSON.stringify(later.provider.requests.at(-1)?.request.messages)).toContain('done: count');
  });

  test('everything is left while what it waits for is at work, or a result of it was not collected', async () => {
    const office = openOffice();
    const { spawn, collect, cancel, resume } = office.manager;
    const a = await spawn({ task: 'a', config: { ...orchestrator, ...deleted } });
    const b = await spawn({ task: 'hang on', parentId: a.agentId });
    await settle();
    expect(await collect({ runId: a.runId })).toHaveLength(1);
    await pass(office, 1_000);
    expect(await left(office)).toEqual([a.agentId, b.agentId].sort());
    await cancel(b.agentId);
    await settle();
    const first = await resume({ agentId: a.agentId, task: 'again' });
    await settle();
    const second = await resume({ agentId: a.agentId, task: 'again' });
    await settle();
    expect(await collect({ runId: second.runId })).toHaveLength(1);
    expect(await office.manager.info(a.agentId)).not.toBeNull();
    expect(await collect({ runId: first.runId })).toHaveLength(1);
    expect(await office.manager.info(a.agentId)).not.toBeNull();
    // it was woken when what it waited for was cancelled
    expect(await collect({ agentId: a.agentId })).toHaveLength(1);
    await pass(office, 1_000);
    expect(await left(office)).toEqual([b.agentId]);
  });

  test('nothing is left, either, where it was swept', async () => {
    const office = openOffice({ manager: { archiveAfterMs: minute } });
    const { runId } = await office.manager.spawn({ task: 'count', config: deleted });
    await settle();
    for (let i = 0; i < 3; i += 1) await pass(office, minute);
    await pass(office, 1_000);
    expect(await left(office)).toEqual([]);
    expect(await office.runtime.runs.get(runId)).toBeUndefined();
    expect(await office.manager.collect()).toMatchObject([{ runId, result: 'done: count' }]);
  });

  test('whoever waits for its result is given it, and whoever asked for it its id', async () => {
    const office = openOffice();
    const waiting = office.manager.collect({ timeoutMs: 5_000 });
    const { runId, agentId } = await office.manager.spawn({ task: 'count', config: deleted });
    await settle();
    expect(agentId).toMatch(/^sub_/);
    expect(await waiting).toMatchObject([{ runId, result: 'done: count' }]);
    await pass(office, 1_000);
    expect(await left(office)).toEqual([]);
  });
});

describe('[SB-050, F-12] what a call has collected', () => {
  /** A run whose only call collects, and may take its time then. */
  const gathering = (options: { store?: ReturnType<typeof lasting>; clock?: SimulatedClock } = {}) => {
    const gate = Promise.withResolvers<void>();
    const gather = defineTool({
      name: 'gather',
      description: 'Gathers results.',
      inputSchema: z.object({}),
      idempotent: true,
      execute: async (_input, { key }) => {
        const found = await office.manager.collect({ by: key });
        await gate.promise;
        return found.map(({ result }) => result).join();
      },
    });
    const gatherer = defineAgent({ name: 'gatherer', instructions: 'Gather.', tools: [gather] });
    const office = openOffice({
      ...options,
      agents: [gatherer],
      leaseMs: 0,
      manager: { archiveAfterMs: minute },
      script: (_word, agent, messages) => {
        if (agent !== 'gatherer') return undefined;
        return messages.at(-1)?.role === 'tool'
          ? { text: 'Done.', delayMs: 1 }
          : { calls: [{ name: 'gather', arguments: {} }] };
      },
    });
    return { ...office, gatherer, finish: () => gate.resolve() };
  };
  const lasting = () => ({ ...memoryStore(), lasting: true });

  test.each(['delete', 'keep'] as const)('is there until its result is stored, with cleanup "%s"', async (cleanup) => {
    const [store, clock] = [lasting(), new SimulatedClock()];
    const first = gathering({ store, clock });
    await first.manager.spawn({ task: 'count', config: { cleanup } });
    await settle();
    first.runtime.start(first.gatherer, 'Go.', { runId: 'r' });
    // however long that takes
    for (let i = 0; i < 4; i++) await pass(first, minute);
    await first.runtime.close({ runs: 'suspend' });
    const second = gathering({ store, clock });
    await second.manager.ready;
    for (let i = 0; i < 4; i++) await pass(second, minute);
    await second.runtime.recover();
    second.finish();
    await settle();
    await pass(second, 1);
    const { calls } = await (await second.runtime.attach('r')).ended;
    expect(calls).toMatchObject([{ status: 'ok', result: 'done: count' }]);
    for (let i = 0; i < 4; i++) await pass(second, minute);
    expect(await left(second)).toEqual([]);
  });

  test('is given to it again after a crash, however much that was', async () => {
    const [store, clock] = [lasting(), new SimulatedClock()];
    const first = gathering({ store, clock });
    const tasks = Array.from({ length: 25 }, (_, i) => `run ${i}`);
    for (const task of tasks) {
      clock.increment(10);
      await (task === 'run 0' ? first.manager.spawn({ task, name: 'bo' }) : first.manager.resume({ name: 'bo', task }));
      await settle(20);
    }
    first.runtime.start(first.gatherer, 'Go.', { runId: 'r' });
    await settle();
    await first.runtime.close({ runs: 'suspend' });
    const second = gathering({ store, clock });
    await second.manager.ready;
    await second.runtime.recover();
    second.finish();
    await settle();
    await pass(second, 1);
    const { calls } = await (await second.runtime.attach('r')).ended;
    expect(calls).toMatchObject([{ status: 'ok', result: tasks.map((task) => `done: ${task}`).join() }]);
    // then no more is remembered of it than of others
    await second.manager.resume({ name: 'bo', task: 'more' });
    await settle();
    expect(await second.manager.collect()).toHaveLength(1);
    await settle();
    const [{ value } = { value: null }] = await store.search('subagents:subagents', '');
    expect((value as { delivered: unknown[] }).delivered).toHaveLength(20);
  });

  test('is gone at once when that is stored, where nothing is to be left of it', async () => {
    const office = gathering();
    const { agentId, runId } = await office.manager.spawn({ task: 'count', config: { cleanup: 'delete' } });
    await settle();
    const run = office.runtime.start(office.gatherer, 'Go.');
    await pass(office, 1_000);
    expect(await left(office)).toEqual([agentId]);
    office.finish();
    await pass(office, 1_000);
    await run.ended;
    await pass(office, 1_000);
    expect(await left(office)).toEqual([]);
    expect(await office.runtime.runs.get(runId)).toBeUndefined();
  });

  test('is gone with the next start, where its run has ended meanwhile without the manager', async () => {
    const [store, clock] = [lasting(), new SimulatedClock()];
    const first = gathering({ store, clock });
    const { agentId } = await first.manager.spawn({ task: 'count', config: { cleanup: 'delete' } });
    await settle();
    first.runtime.start(first.gatherer, 'Go.', { runId: 'r' });
    await pass(first, 1_000);
    expect(await left(first)).toEqual([agentId]);
    await first.runtime.close({ runs: 'suspend' });
    const provider = scriptedProvider([]);
    const between = createRuntime({ provider, model: 'm', store, clock, leaseMs: 0, agents: [first.gatherer] });
    await between.recover();
    await (await between.attach('r')).interrupt('enough');
    await settle();
    await between.close();
    const again = openOffice({ store, clock });
    await again.manager.ready;
    await pass(again, 1_000);
    expect(await left(again)).toEqual([]);
  });

  test('is for others where the run of a call ends that still waits for it', async () => {
    const wait = defineTool({
      name: 'wait',
      description: 'Waits for results.',
      inputSchema: z.object({}),
      // without its signal
      execute: async (_input, { key }) => String(await office.manager.collect({ by: key, timeoutMs: 10 * minute })),
    });
    const waiter = defineAgent({ name: 'waiter', instructions: 'Wait.', tools: [wait] });
    const office = openOffice({
      agents: [waiter],
      script: (_word, agent) => (agent === 'waiter' ? { calls: [{ name: 'wait', arguments: {} }] } : undefined),
    });
    await office.manager.spawn({ task: 'slow', config: { cleanup: 'delete' } });
    const run = office.runtime.start(waiter, 'Go.');
    await settle();
    await run.interrupt('enough');
    await pass(office, 1_000);
    await run.ended;
    expect((await office.manager.collect()).map(({ result }) => result)).toEqual(['done: slow']);
    await pass(office, 1_000);
    expect(await left(office)).toEqual([]);
  });

  test('by a call whose run has ended, or that is none, is kept by nobody', async () => {
    const office = gathering();
    office.runtime.start(office.gatherer, 'Go.', { runId: 'r' });
    office.finish();
    await pass(office, 1_000);
    await pass(office, 1_000);
    for (const by of ['r/1-0', 'nobody/1-0', 'me']) {
      await office.manager.spawn({ task: 'count', config: { cleanup: 'delete' } });
      await settle();
      expect(await office.manager.collect({ by })).toHaveLength(1);
      await pass(office, 1_000);
      expect(await left(office)).toEqual([]);
    }
  });
});

test('[SB-113] One is swept from which a run had collected that ended while the manager was opened', async () => {
  const clock = new SimulatedClock();
  const base = memoryStore({ now: () => clock.now() });
  let [collector, reading] = ['', Promise.resolve()];
  const get: typeof base.get = async (runId) => {
    const row = await base.get(runId);
    if (runId === collector) await reading;
    return row;
  };
  const open = () => {
    const mortal = mortalStore({ ...base, get, lasting: true });
    return { mortal, ...openOffice({ store: mortal.store, clock, leaseMs: 0, manager: { archiveAfterMs: 1_000 } }) };
  };
  const first = open();
  const { agentId } = await first.manager.spawn({ task: 'count' });
  await settle();
  ({ runId: collector } = await first.manager.spawn({ task: 'slow', name: 'bo' }));
  await settle();
  expect(await first.manager.collect({ by: `${collector}/1-0` })).toHaveLength(1);
  await settle();
  first.mortal.die();
  const { promise, resolve } = Promise.withResolvers<void>();
  reading = promise;
  const again = open();
  await settle();
  reading = Promise.resolve();
  await again.runtime.recover();
  await pass(again, 1_000);
  expect(base.get(collector)).toMatchObject({ status: 'completed' });
  resolve();
  await again.manager.ready;
  await pass(again, minute);
  expect(await again.manager.info(agentId)).toBeNull();
});
