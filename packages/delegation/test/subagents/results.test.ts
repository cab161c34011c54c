import { memoryStore } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { recordOf } from './asked.ts';
import { lines, openOffice, pass, settle } from './office.ts';
import { watchedStore } from './watched-store.ts';

const waiting = <T>(promise: Promise<T>) => {
  const found: { value?: T } = {};
  void promise.then((value) => {
    found.value = value;
  });
  return found;
};

describe('results are collected', () => {
  test('[SB-070, SB-073] by session, sub-agent and run; what does not fit stays for others', async () => {
    const { manager } = openOffice();
    const pulled = { channel: null } as const;
    const a = await manager.spawn({ task: 'a', scope: 'one', requester: pulled });
    const b = await manager.spawn({ task: 'b', scope: 'two', requester: pulled });
    await settle();
    const again = await manager.resume({ agentId: a.agentId, task: 'a again', scope: 'one', requester: pulled });
    await settle();
    expect(await manager.collect({ sessionKey: 'three' })).toEqual([]);
    expect(await manager.collect({ sessionKey: 'two', agentId: a.agentId })).toEqual([]);
    expect(await manager.collect({ sessionKey: 'one', runId: again.runId })).toMatchObject([
      { runId: again.runId, result: 'done: a again' },
    ]);
    expect(await manager.collect({ agentId: a.agentId })).toMatchObject([{ runId: a.runId, result: 'done: a' }]);
    expect(await manager.collect()).toMatchObject([{ agentId: b.agentId }]);
  });

  test('[SB-071] at once without a timeout, else with the first that fits', async () => {
    const office = openOffice();
    await office.manager.spawn({ task: 'slow work' });
    await settle();
    expect(await office.manager.collect()).toEqual([]);
    expect(await office.manager.collect({ timeoutMs: 0 })).toEqual([]);
    const early = waiting(office.manager.collect({ timeoutMs: 500 }));
    const late = waiting(office.manager.collect({ timeoutMs: 5_000 }));
    await pass(office, 499);
    expect(early).toEqual({});
    await pass(office, 1);
    expect(early).toEqual({ value: [] });
    await pass(office, 500);
    expect(late.value).toMatchObject([{ result: 'done: slow work' }]);
  });

  test('[SB-072, B-30] by several who wait: each is given its own, as soon as it is there', async () => {
    const office = openOffice();
    const { spawn, collect } = office.manager;
    const a = waiting(collect({ sessionKey: 'a', timeoutMs: 5_000 }));
    const b = waiting(collect({ sessionKey: 'b', timeoutMs: 5_000 }));
    await settle();
    await spawn({ task: 'count', scope: 'b' });
    await settle();
    expect(b.value).toMatchObject([{ result: 'done: count' }]);
    expect(a).toEqual({});
    await spawn({ task: 'read', scope: 'a' });
    await settle();
    expect(a.value).toMatchObject([{ result: 'done: read' }]);
  });

  test('[SB-071] by one of two who wait for the same, in their order', async () => {
    const office = openOffice();
    const first = waiting(office.manager.collect({ timeoutMs: 5_000 }));
    const second = waiting(office.manager.collect({ timeoutMs: 5_000 }));
    await settle();
    await office.manager.spawn({ task: 'one' });
    await settle();
    expect([first.value?.length, second.value]).toEqual([1, undefined]);
    await office.manager.spawn({ task: 'two' });
    await settle();
    expect(second.value).toMatchObject([{ result: 'done: two' }]);
  });

  test('[B-39] once, unless those that were handed over are asked for, too', async () => {
    const { manager } = openOffice();
    manager.bind({ sessionKey: 'chat', channel: 'telegram:main', metadata: {}, replyTo: null });
    const pushed = await manager.spawn({ task: 'a', scope: 'chat' });
    const pulled = await manager.spawn({ task: 'b', scope: 'chat', requester: { channel: null } });
    await settle();
    expect(await manager.collect()).toMatchObject([{ runId: pulled.runId }]);
    const kept = await manager.spawn({ task: 'c', scope: 'chat', requester: { channel: null } });
    await settle();
    expect(await manager.collect({ includeDelivered: true, sessionKey: 'nobody' })).toEqual([]);
    const all = await manager.collect({ includeDelivered: true, sessionKey: 'chat', timeoutMs: 1_000 });
    expect(all.map(({ runId, delivered }) => [runId, delivered])).toEqual([
      [pushed.runId, 'pushed'],
      [pulled.runId, 'pulled'],
      [kept.runId, undefined],
    ]);
    expect(await manager.collect()).toEqual([]);
  });

  test('[B-39] of an older run, where that is asked for by its id', async () => {
    const { manager } = openOffice();
    const first = await manager.spawn({ task: 'a' });
    await settle();
    const second = await manager.resume({ agentId: first.agentId, task: 'b' });
    await settle();
    await manager.collect();
    const again = (runId?: string) => manager.collect({ includeDelivered: true, runId });
    expect(await again()).toMatchObject([{ runId: second.runId }]);
    expect(await again(first.runId)).toMatchObject([{ runId: first.runId, result: 'done: a', delivered: 'pulled' }]);
  });

  test('[B-39] again by the same who collected them: a call that is executed again gets what it got', async () => {
    const { manager } = openOffice();
    await manager.spawn({ task: 'a' });
    await settle();
    const first = await manager.collect({ by: 'call-1' });
    expect(first).toMatchObject([{ result: 'done: a' }]);
    const { agentId } = await manager.spawn({ task: 'b' });
    await settle();
    expect(await manager.collect({ by: 'call-1' })).toEqual(first);
    expect(await manager.collect({ by: 'call-2' })).toMatchObject([{ result: 'done: b' }]);
    const [again, ...more] = await manager.collect({ by: 'call-2', agentId, includeDelivered: true });
    expect([again?.result, again?.delivered, more]).toEqual(['done: b', undefined, []]);
    expect(await manager.collect({ by: 'call-3' })).toEqual([]);
  });

  test('[SB-072] by nobody who has left: what comes then stays, and others who wait are not disturbed', async () => {
    const office = openOffice();
    const { collect, spawn } = office.manager;
    const leaving = new AbortController();
    const left = waiting(collect({ timeoutMs: 5_000, signal: leaving.signal }));
    const staying = waiting(collect({ timeoutMs: 5_000, agentId: 'nobody' }));
    await settle();
    leaving.abort();
    await settle();
    expect([left, staying]).toEqual([{ value: [] }, {}]);
    await spawn({ task: 'count' });
    await settle();
    expect(await collect({ signal: AbortSignal.abort(), timeoutMs: 5_000 })).toEqual([]);
    expect(await collect()).toMatchObject([{ result: 'done: count' }]);
    leaving.abort();
    await pass(office, 5_000);
    expect(staying).toEqual({ value: [] });
  });

  test('[SB-072] by the others, whoever of several that came at once leaves', async () => {
    const office = openOffice();
    const leaving = Array.from({ length: 3 }, () => new AbortController());
    const all = leaving.map(({ signal }) => waiting(office.manager.collect({ timeoutMs: 5_000, signal })));
    await settle();
    leaving[1]?.abort();
    await settle();
    expect(all.map(({ value }) => value)).toEqual([undefined, [], undefined]);
    leaving[0]?.abort();
    await settle();
    expect(all.map(({ value }) => value)).toEqual([[], [], undefined]);
  });
});

describe('a run that does not complete', () => {
  test('[SB-047, B-41] fails with what happened, and all that others have', async () => {
    const office = openOffice();
    const { agentId, runId } = await office.manager.spawn({ task: 'fail' });
    await settle();
    expect(await office.manager.collect()).toMatchObject([
      {
        agentId,
        runId,
        state: 'failed',
        result: null,
        error: expect.stringMatching(/model\.down: It is down\./),
        elapsedSeconds: expect.any(Number),
        model: 'm',
        label: 'fail',
      },
    ]);
    expect(lines(office)).toEqual(['spawning fail', 'started fail', 'failed fail']);
    expect(await office.manager.info(agentId)).toMatchObject({ state: 'failed', error: expect.stringMatching(/down/) });
  });

  test('[SB-046] fails when its time is up, and says how long that was', async () => {
    const office = openOffice();
    await office.manager.spawn({ task: 'hang on', config: { timeoutMs: 30_000 } });
    await pass(office, 29_999);
    expect(lines(office)).toHaveLength(2);
    await pass(office, 1);
    expect(await office.manager.collect()).toMatchObject([
      { state: 'failed', error: 'Sub-agent timed out after 30s.', elapsedSeconds: 30 },
    ]);
  });

  test('[B-35] is not said to have run out of its own time where it was another limit', async () => {
    const office = openOffice({ budget: { activeMs: 5_000 } });
    await office.manager.spawn({ task: 'hang on' });
    await office.manager.spawn({ task: 'hang on', config: { timeoutMs: 30_000 } });
    await pass(office, 5_000);
    const results = await office.manager.collect();
    expect(results.map(({ state }) => state)).toEqual(['failed', 'failed']);
    for (const { error } of results) expect(error).not.toMatch(/Sub-agent timed out|None|undefined/);
  });

  test('[B-34] a broken disk after the answer does not take the answer away', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    await office.manager.spawn({ task: 'count' });
    watched.broken.add('write');
    await settle();
    expect(await office.manager.collect()).toMatchObject([{ state: 'completed', result: 'done: count' }]);
    expect(lines(office)).toEqual(['spawning count', 'started count', 'completed count']);
  });
});

describe('what cannot be stored', () => {
  test.each(['write', 'commit'] as const)(
    '[SB-064, SB-028] a spawn is refused, and leaves nothing (%s)',
    async (method) => {
      const watched = watchedStore();
      const office = openOffice({ store: watched.store, manager: { maxTotal: 1 } });
      await office.manager.ready;
      watched.broken.add(method);
      await expect(office.manager.spawn({ task: 'hang on', name: 'writer' })).rejects.toThrow('The disk is full');
      await settle();
      watched.broken.clear();
      expect(await office.manager.status()).toMatchObject({ total: 0 });
      expect(await office.manager.collect({ includeDelivered: true })).toEqual([]);
      expect(await office.memory.search('subagents:subagents', '')).toEqual([]);
      expect(await office.runtime.runs.list()).toEqual([]);
      expect(lines(office)).toEqual(['spawning hang on', 'failed hang on']);
      // its place and its name are free
      await office.manager.spawn({ task: 'count', name: 'writer' });
      await settle();
      expect(await office.manager.collect()).toMatchObject([{ state: 'completed' }]);
    },
  );

  test.each(['write', 'commit'] as const)('[SB-064] one that goes on stays as it was (%s)', async (method) => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store, manager: { maxDepth: 4 } });
    const { spawn, resume, info } = office.manager;
    const top = await spawn({ task: 'top', config: { allowSubagents: true } });
    const a = await spawn({ task: 'a', config: { allowSubagents: true }, scope: 'chat', requester: { channel: null } });
    const b = await spawn({ task: 'b', parentId: a.agentId, requester: { channel: null } });
    await settle();
    const before = await Promise.all([a, b].map(({ agentId }) => info(agentId)));
    const stored = await office.memory.search('subagents:subagents', '');
    watched.broken.add(method);
    await expect(resume({ agentId: a.agentId, task: 'again', parentId: top.agentId })).rejects.toThrow(
      'The disk is full',
    );
    watched.broken.clear();
    await settle();
    expect(await Promise.all([a, b].map(({ agentId }) => info(agentId)))).toEqual(before);
    if (method === 'commit') expect(await office.memory.search('subagents:subagents', '')).toEqual(stored);
    expect(await office.manager.collect()).toHaveLength(3);
    await resume({ agentId: a.agentId, task: 'again' });
    await settle();
    expect(await office.manager.collect()).toMatchObject([{ agentId: a.agentId, result: 'done: again' }]);
  });

  test('[SB-064] what is noted later is said to the logger, and stops nobody', async () => {
    const watched = watchedStore();
    const warned: string[] = [];
    const office = openOffice({
      store: watched.store,
      logger: { warn: (message) => warned.push(message), error() {} },
    });
    const { agentId } = await office.manager.spawn({ task: 'hang on' });
    await settle();
    watched.broken.add('write');
    await office.manager.collect({ agentId });
    await expect(office.manager.cancel(agentId)).rejects.toMatchObject({
      code: 'store.unavailable',
      message: 'What was asked of the sub-agent manager "subagents" was not stored: The disk is full: write.',
    });
    // it was told to stop all the same
    await settle();
    expect(await office.manager.collect()).toMatchObject([{ state: 'cancelled' }]);
    await settle();
    expect(new Set(warned)).toEqual(new Set([`Sub-agent ${agentId} was not stored.`]));
  });

  test('[SB-064, SB-100] a profile that is not stored is none: its name is free', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    await office.manager.ready;
    watched.broken.add('write');
    await expect(office.manager.createProfile({ description: 'reads logs', name: 'logs' })).rejects.toMatchObject({
      code: 'store.unavailable',
    });
    const there = recordOf('sub_00000000aa', 'run_a', { name: 'brought' });
    await expect(office.manager.adopt([there])).rejects.toMatchObject({ code: 'store.unavailable' });
    expect(await office.manager.listPersistent()).toEqual([]);
    watched.broken.clear();
    expect(await office.manager.createProfile({ description: 'reads logs', name: 'logs' })).toMatchObject({
      name: 'logs',
    });
    expect(await office.manager.adopt([there])).toEqual({ adopted: 1, notes: [] });
  });

  test('[SB-027, SB-110] names that are brought along are kept as far as there is room, and the rest is said', async () => {
    const office = openOffice({ manager: { maxPersistent: 2 } });
    await office.manager.createProfile({ description: 'reads logs', name: 'logs' });
    const brought = ['ann', 'bob'].map((name, i) => recordOf(`sub_00000000a${i}`, `run_${name}`, { name }));
    const plain = recordOf('sub_00000000b0', 'run_b');
    expect(await office.manager.adopt([...brought, plain])).toEqual({
      adopted: 2,
      notes: ['bob was left out: 2 persistent agents are kept at most (maxPersistent).'],
    });
    expect((await office.manager.listPersistent()).map(({ name }) => name)).toEqual(['ann', 'logs']);
  });

  test('[SB-027, SB-110] what is below one that is left out is left out with it, and comes along later', async () => {
    const office = openOffice({ manager: { maxPersistent: 2 } });
    await office.manager.createProfile({ description: 'reads logs', name: 'logs' });
    const of = (id: string, more: object) => recordOf(`sub_00000000${id}`, `run_${id}`, more);
    const [ann, bob] = [of('a0', { name: 'ann' }), of('b0', { name: 'bob' })];
    const below = [
      of('a1', { parentId: ann.agentId, depth: 2 }),
      // before the one that it is below, and its name takes nobody's place
      of('b2', { parentId: 'sub_00000000b1', depth: 3, name: 'zoe' }),
      of('b1', { parentId: bob.agentId, depth: 2 }),
      of('c1', { parentId: 'sub_00000000c0', depth: 2 }),
    ];
    const taken = of('c0', { name: 'logs' });
    const brought = [ann, bob, ...below, taken];
    const said = await office.manager.adopt(brought);
    expect(said).toEqual({
      adopted: 2,
      notes: [
        'bob was left out: 2 persistent agents are kept at most (maxPersistent).',
        'zoe was left out with the one that it is below.',
        'sub_00000000b1 was left out with the one that it is below.',
        'sub_00000000c1 was left out with the one that it is below.',
        'logs is there already, and was left out.',
      ],
    });
    expect((await office.manager.status()).total).toBe(3);
    await office.manager.forget((await office.manager.listPersistent())[1]?.agentId ?? '');
    expect(await office.manager.adopt([bob, ...below.slice(1, 3)])).toMatchObject({ adopted: 2 });
    expect(await office.manager.info('sub_00000000b1')).toMatchObject({ parentId: bob.agentId, depth: 2 });
  });

  test('[SB-064] what is answered is stored: a profile, what it is forgotten with, and what is cancelled', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    const { agentId } = await office.manager.spawn({ task: 'hang on' });
    await settle();
    const answered: string[] = [];
    const letGo = watched.hold('write');
    const cancelling = office.manager.cancel(agentId).then(() => answered.push('cancel'));
    const creating = office.manager.createProfile({ description: 'reads logs' }).then(() => answered.push('create'));
    await settle();
    expect(answered).toEqual([]);
    letGo();
    await Promise.all([cancelling, creating]);
    const letReset = watched.hold('reset');
    const forgetting = office.manager.forget(agentId).then(() => answered.push('forget'));
    await settle();
    expect(answered).not.toContain('forget');
    letReset();
    await forgetting;
  });

  test('[SB-073] what is collected at once is stored once, however much it is', async () => {
    const store = memoryStore();
    let writes = 0;
    const memory: typeof store = {
      ...store,
      write(...given) {
        writes += 1;
        return store.write(...given);
      },
    };
    const { manager } = openOffice({ store, memory });
    const { agentId } = await manager.spawn({ task: 'run 0', name: 'bo' });
    await settle();
    for (let n = 1; n < 10; n++) {
      await manager.resume({ agentId, task: `run ${n}` });
      await settle();
    }
    writes = 0;
    expect(await manager.collect({ agentId })).toHaveLength(10);
    await settle();
    expect(writes).toBe(1);
  });

  test('[SB-064] what was known last is what stays, however long each takes to be stored', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    const { agentId, runId } = await office.manager.spawn({ task: 'count' });
    await settle();
    const again = await office.manager.resume({ agentId, task: 'again' });
    await settle();
    const letFirst = watched.hold('write');
    await office.manager.collect({ runId });
    await settle();
    // what comes after the one that is held would be quick
    watched.hold('write')();
    await office.manager.collect({ runId: again.runId });
    await settle();
    letFirst();
    await settle();
    const [stored] = await office.memory.search('subagents:subagents', '');
    expect(stored?.value).toMatchObject({ delivered: [{ runId }, { runId: again.runId }] });
  });
});
