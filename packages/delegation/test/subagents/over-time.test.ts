import { memoryStore } from '@troupe/core';
import { expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { ownTimeOf } from '../../../../test/support/growth.ts';
import { openOffice, pass, settle } from './office.ts';
import { watchedStore } from './watched-store.ts';

test('[B-39] A result that was collected late is not told again after a restart, nor are those before it', async () => {
  const store = memoryStore();
  const clock = new SimulatedClock();
  const first = openOffice({ store, clock });
  const { spawn, resume, collect } = first.manager;
  await spawn({ task: 'run 0', name: 'bo' });
  await settle();
  const runs: string[] = [];
  for (let i = 1; i < 20; i++) {
    clock.increment(10);
    runs.push((await resume({ name: 'bo', task: `run ${i}` })).runId);
    await settle();
  }
  // newest first
  for (const runId of runs.toReversed()) expect(await collect({ runId })).toHaveLength(1);
  clock.increment(10);
  await collect();
  for (let i = 20; i < 25; i++) {
    clock.increment(10);
    await resume({ name: 'bo', task: `run ${i}` });
    await settle();
    expect(await collect()).toHaveLength(1);
  }
  await settle();
  await first.runtime.close();
  const again = openOffice({ store, clock });
  expect((await again.manager.collect()).map(({ result }) => result)).toEqual([]);
});

test('[B-39] However many runs of one nobody has collected, each has its result after a restart, once, oldest first', async () => {
  const store = memoryStore();
  const clock = new SimulatedClock();
  const first = openOffice({ store, clock });
  const runs = [(await first.manager.spawn({ task: 'run 0', name: 'bo' })).runId];
  await settle();
  for (let i = 1; i < 45; i++) {
    clock.increment(10);
    runs.push((await first.manager.resume({ name: 'bo', task: `run ${i}` })).runId);
    await settle(20);
  }
  const collected = [1, 12, 30, 44];
  for (const i of collected) expect(await first.manager.collect({ runId: runs[i] })).toHaveLength(1);
  await settle();
  await first.runtime.close();
  const second = openOffice({ store, clock });
  await second.manager.ready;
  await second.manager.resume({ name: 'bo', task: 'run 45' });
  await settle();
  const left = Array.from({ length: 46 }, (_, i) => i).filter((i) => !collected.includes(i));
  expect((await second.manager.collect()).map(({ result }) => result)).toEqual(left.map((i) => `done: run ${i}`));
  await settle();
  await second.runtime.close();
  const third = openOffice({ store, clock });
  expect(await third.manager.collect()).toEqual([]);
  const [record] = await store.search('subagents:subagents', '');
  expect(record?.value).not.toHaveProperty('owed');
  // one whose runs are forgotten owes nothing
  for (let i = 0; i < 12; i++) {
    clock.increment(10);
    await third.manager.resume({ name: 'bo', task: `more ${i}` });
    await settle(20);
  }
  clock.increment(10);
  await third.runtime.runs.prune({ olderThan: 0 });
  await third.runtime.close();
  const last = openOffice({ store, clock });
  expect(await last.manager.collect()).toEqual([]);
});

test('[B-39] What was collected, and what it was steered away from, is not told again after a restart, however many there were', async () => {
  const store = memoryStore();
  const clock = new SimulatedClock();
  const first = openOffice({ store, clock });
  const { agentId } = await first.manager.spawn({ task: 'run 0', name: 'bo' });
  await settle();
  for (let i = 1; i <= 20; i++) {
    expect(await first.manager.collect()).toHaveLength(1);
    clock.increment(10);
    await first.manager.resume({ name: 'bo', task: i < 20 ? `run ${i}` : 'hang' });
    await settle(20);
  }
  for (let i = 1; i <= 25; i++) {
    clock.increment(2_000);
    const message = i < 25 ? 'hang' : 'last';
    expect(await first.manager.steer({ agentId, message })).toMatchObject({ status: 'accepted' });
    await settle(20);
  }
  expect((await first.manager.collect()).map(({ result }) => result)).toEqual(['done: last']);
  await settle();
  const [record] = await store.search('subagents:subagents', '');
  expect(record?.value).not.toHaveProperty('owed');
  await first.runtime.close();
  const again = openOffice({ store, clock });
  expect(await again.manager.collect()).toEqual([]);
});

test('[B-39] What ends while a manager reads what is stored has one result', async () => {
  const watched = watchedStore();
  const clock = new SimulatedClock();
  const first = openOffice({ store: watched.store, clock });
  const { sessionKey } = await first.manager.spawn({ task: 'count', name: 'bo' });
  await settle();
  await first.manager.collect();
  await first.runtime.close();
  const go = watched.hold('search');
  const again = openOffice({ store: watched.store, clock });
  await again.runtime.deliver(sessionKey, { id: 'm', text: 'more', wakes: true });
  await pass(again, 10);
  await again.runtime.recover();
  await pass(again, 10);
  go();
  await again.manager.ready;
  await settle();
  expect((await again.manager.collect()).map(({ result }) => result)).toEqual(['done: more']);
});

test('[SB-113, B-39] What one below a forgotten one came to goes to whoever had asked for that, after a restart, too', async () => {
  const store = memoryStore();
  const clock = new SimulatedClock();
  const first = openOffice({ store, clock });
  const { spawn, forget, collect } = first.manager;
  const a = await spawn({ task: 'a', config: { allowSubagents: true } });
  const b = await spawn({ task: 'slow b', parentId: a.agentId, name: 'b' });
  await settle();
  await collect();
  expect(await forget(a.agentId)).toBe(true);
  await pass(first, 1000);
  await settle();
  await first.runtime.close();
  const again = openOffice({ store, clock });
  await again.manager.ready;
  await pass(again, 10);
  expect((await again.manager.collect({ agentId: b.agentId })).map(({ result }) => result)).toEqual(['done: slow b']);
});

test('[B-45] Killed between a record and its runs, what is to be deleted goes with the next start', async () => {
  const watched = watchedStore();
  const clock = new SimulatedClock();
  const first = openOffice({ store: watched.store, clock });
  const { runId } = await first.manager.spawn({ task: 'count', config: { cleanup: 'delete' } });
  await settle();
  watched.hold('prune');
  expect(await first.manager.collect()).toHaveLength(1);
  await pass(first, 10);
  expect(await first.runtime.runs.get(runId)).toMatchObject({ status: 'completed' });
  watched.hold('prune')();
  const again = openOffice({ store: watched.store, clock });
  expect(await again.manager.collect()).toEqual([]);
  expect((await again.manager.status()).total).toBe(0);
  await pass(again, 10);
  expect(await again.runtime.runs.get(runId)).toBeUndefined();
  expect(await watched.store.search('subagents:subagents', '')).toEqual([]);
});

test('[SB-081] Nobody goes below what it does not see', async () => {
  const { manager } = openOffice();
  const config = { allowSubagents: true };
  const theirs = await manager.spawn({ task: 'hang', scope: 'theirs', config });
  const parentId = theirs.agentId;
  const mine = await manager.spawn({ task: 'count', scope: 'mine', parentId });
  expect(mine).toMatchObject({ parentId: null, depth: 1 });
  expect((await manager.info(mine.agentId))?.requester.sessionKey).toBe('mine');
  await settle();
  const resumed = await manager.resume({ agentId: mine.agentId, task: 'more', scope: 'mine', parentId });
  expect(resumed).toMatchObject({ parentId: null, depth: 1 });
  // and one that is below another stays there
  const below = await manager.spawn({ task: 'count', scope: 'theirs', parentId, config });
  await settle();
  for (const nobody of ['sub_0000000000', mine.agentId]) {
    const again = await manager.resume({ agentId: below.agentId, task: 'more', scope: 'theirs', parentId: nobody });
    expect(again).toMatchObject({ parentId, depth: 2 });
    await settle();
  }
  for (const scope of [undefined, 'theirs', theirs.sessionKey])
    expect(await manager.spawn({ task: 'count', parentId, ...(scope && { scope }) })).toMatchObject({
      parentId,
      depth: 2,
    });
});

test('[SB-071, SB-113] Whoever waits for ever does, and no sweep is asked for every millisecond where there is to be none', async () => {
  const delays: number[] = [];
  const clock = new SimulatedClock();
  const setTimeout = clock.setTimeout.bind(clock);
  clock.setTimeout = (call, ms) => {
    delays.push(ms);
    return setTimeout(call, ms);
  };
  const never = Number.POSITIVE_INFINITY;
  const { manager } = openOffice({ clock, manager: { sweepEveryMs: never } });
  await manager.ready;
  const forEver = manager.collect({ timeoutMs: never });
  void manager.collect({ timeoutMs: 1e12, sessionKey: 'nobody' });
  await settle();
  expect(Math.max(...delays)).toBe(2 ** 31 - 1);
  await manager.spawn({ task: 'count' });
  expect((await forEver).map(({ result }) => result)).toEqual(['done: count']);
});

test('[SB-095, SB-113] A persistent one stays so: it is not resumed as one for a single task, which is swept', async () => {
  const { manager } = openOffice();
  await manager.spawn({ task: 'count', name: 'bo' });
  await settle();
  await expect(manager.resume({ name: 'bo', task: 'more', config: { mode: 'run' } })).rejects.toThrow(
    'Sub-agent "bo" is persistent, and stays so. Resume it without a mode, or spawn another one for a single task.',
  );
});

test('[SB-113] A sweep of many looks at each a few times, not at all for each', async () => {
  const office = openOffice({ manager: { archiveAfterMs: 1_000 } });
  const { agentId, sessionKey } = await office.manager.spawn({ task: 'count' });
  await settle();
  const record = office.manager.agentOf(sessionKey);
  if (!record) throw new Error(`${agentId} is not there.`);
  const of = (i: number) => ({ ...record, agentId: `x${i}`, sessionKey: `s${i}` });
  await office.manager.adopt(Array.from({ length: 3_000 }, (_, i) => of(i)));
  const took = await ownTimeOf(() => pass(office, 60_000));
  expect((await office.manager.status()).total).toBe(0);
  // all for each: six seconds
  expect(took).toBeLessThan(1_500);
});
