import { describe, expect, test } from 'vitest';
import { lines, openOffice, pass, settle } from './office.ts';
import { watchedStore } from './watched-store.ts';

const orchestrator = { allowSubagents: true } as const;

/** a → b → c, and d below a. All at work. */
const family = async (office = openOffice({ manager: { maxDepth: 4 } })) => {
  const { spawn } = office.manager;
  const a = await spawn({ task: 'hang a', config: orchestrator, scope: 'chat' });
  const b = await spawn({ task: 'hang b', config: orchestrator, parentId: a.agentId });
  const c = await spawn({ task: 'hang c', parentId: b.agentId });
  const d = await spawn({ task: 'hang d', parentId: a.agentId });
  await settle();
  return { office, a, b, c, d };
};

const ends = (office: Parameters<typeof lines>[0]): string[] =>
  lines(office).filter((line) => /^(completed|failed|cancelled)/.test(line));

describe('to cancel', () => {
  test('[SB-090] stops what is below first, the deepest first, the target last', async () => {
    const { office, a } = await family();
    expect(await office.manager.cancel(a.agentId)).toEqual({ cancelled: true, descendants: 3 });
    await settle();
    expect(ends(office)).toEqual(['cancelled hang c', 'cancelled hang d', 'cancelled hang b', 'cancelled hang a']);
    expect(await office.manager.cancel(a.agentId)).toEqual({ cancelled: false, descendants: 0 });
  });

  test('[SB-090] leaves what is below when it is told to', async () => {
    const { office, b } = await family();
    expect(await office.manager.cancel(b.agentId, { cascade: false })).toEqual({ cancelled: true, descendants: 0 });
    await settle();
    expect(ends(office)).toEqual(['cancelled hang b']);
    // what is left below can still be reached
    expect(await office.manager.cancel(b.agentId)).toEqual({ cancelled: true, descendants: 1 });
  });

  test('[SB-091] stops all that a session sees, with everything below, or all below one', async () => {
    const { office, a } = await family();
    const stranger = await office.manager.spawn({ task: 'hang s', scope: 'another chat' });
    expect(await office.manager.cancelAll({ scope: 'chat', parentId: a.agentId })).toBe(3);
    await settle();
    expect(ends(office)).toEqual(['cancelled hang c', 'cancelled hang b', 'cancelled hang d']);
    expect(await office.manager.cancelAll({ scope: 'chat' })).toBe(1);
    expect(await office.manager.cancelAll({ scope: 'nobody' })).toBe(0);
    await settle();
    expect(await office.manager.info(stranger.agentId)).toMatchObject({ state: 'running' });
    expect(await office.manager.cancelAll()).toBe(1);
  });

  test('[SB-048, SB-051, B-41] gives one result and one event, with all that others have', async () => {
    const office = openOffice();
    const { agentId, runId } = await office.manager.spawn({ task: 'hang on' });
    await pass(office, 1_500);
    await office.manager.cancel(agentId, { reason: 'Enough.' });
    await settle();
    const [result, ...more] = await office.manager.collect();
    expect(more).toEqual([]);
    expect(result).toMatchObject({
      agentId,
      runId,
      state: 'cancelled',
      result: null,
      error: 'Enough.',
      elapsedSeconds: 1.5,
      model: 'm',
    });
    expect(office.told.filter(({ type }) => type === 'cancelled')).toMatchObject([
      { agentId, runId, error: 'Enough.', elapsedSeconds: 1.5, model: 'm', result: null },
    ]);
    expect(await office.manager.info(agentId)).toMatchObject({ state: 'cancelled', error: 'Enough.' });
  });

  test('[B-32, B-36] wins over a spawn that is being stored', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    await office.manager.ready;
    const letGo = watched.hold('write');
    const spawning = office.manager.spawn({ task: 'hang on' });
    await settle();
    const [member] = (await office.manager.status()).active;
    expect(member).toMatchObject({ state: 'pending' });
    const cancelling = office.manager.cancel(member?.agentId ?? '');
    await settle();
    letGo();
    const { agentId, runId } = await spawning;
    expect(await cancelling).toMatchObject({ cancelled: true });
    await settle();
    expect(await office.manager.collect()).toMatchObject([{ agentId, runId, state: 'cancelled' }]);
    expect(ends(office)).toEqual(['cancelled hang on']);
    expect(await office.manager.status()).toMatchObject({ active: [], byState: { cancelled: 1, pending: 0 } });
  });

  test.each(['write', 'commit'] as const)('[B-36] wins over a steering that is being stored (%s)', async (method) => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    const { agentId, runId } = await office.manager.spawn({ task: 'hang on' });
    await settle();
    const letGo = watched.hold(method);
    const steering = office.manager.steer({ agentId, message: 'hang differently' });
    await settle();
    const cancelling = office.manager.cancel(agentId, { reason: 'Enough.' });
    await settle();
    letGo();
    expect(await cancelling).toMatchObject({ cancelled: true });
    expect(await steering).toMatchObject({ status: 'failed', message: expect.stringContaining('Enough.') });
    await settle();
    expect(await office.manager.status()).toMatchObject({ active: [], byState: { cancelled: 1 } });
    // what it was at has one end, and what it was to be steered to never was: no model heard of it
    expect(await office.manager.collect()).toMatchObject([{ runId, state: 'cancelled', error: 'Enough.' }]);
    expect(ends(office)).toEqual(['cancelled hang on']);
    expect(office.provider.requests).toHaveLength(1);
    expect((await office.runtime.runs.list({ status: 'queued' })).length).toBe(0);
  });

  test.each(['claim', 'get', 'list', 'checkpoint'] as const)(
    '[B-36] wins over a steering in a session that is being opened (%s)',
    async (method) => {
      const watched = watchedStore();
      const before = openOffice({ store: watched.store, leaseMs: 0 });
      const { agentId, runId } = await before.manager.spawn({ task: 'hang on' });
      await settle();
      await before.runtime.close({ runs: 'suspend' });
      const office = openOffice({ store: watched.store, leaseMs: 0 });
      await office.manager.ready;
      const letGo = watched.hold(method);
      const steering = office.manager.steer({ agentId, message: 'hang differently' });
      await settle();
      const cancelling = office.manager.cancel(agentId);
      await settle();
      letGo();
      await cancelling;
      expect(await steering).toMatchObject({ status: 'failed' });
      await settle();
      expect(await office.manager.collect()).toMatchObject([{ runId, state: 'cancelled' }]);
      const rows = await office.runtime.runs.list();
      expect(rows.every(({ status }) => status === 'interrupted')).toBe(true);
      expect(JSON.stringify(office.provider.requests)).not.toContain('hang differently');
    },
  );

  test('[B-36] wins over a steering even where what is at work ends by itself then', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    const { agentId, runId } = await office.manager.spawn({ task: 'slow work' });
    await settle();
    const letGo = watched.hold('commit');
    const steering = office.manager.steer({ agentId, message: 'count' });
    await pass(office, 1_000);
    const cancelling = office.manager.cancel(agentId);
    letGo();
    expect(await cancelling).toMatchObject({ cancelled: true });
    expect(await steering).toMatchObject({ status: 'failed' });
    await settle();
    expect(await office.manager.collect()).toMatchObject([{ runId }]);
    expect(office.provider.requests).toHaveLength(1);
  });

  test('[B-36] wins over a steering that waits for the spawn to be stored', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    await office.manager.ready;
    const letGo = watched.hold('write');
    const spawning = office.manager.spawn({ task: 'hang on' });
    await settle();
    const agentId = (await office.manager.status()).active[0]?.agentId ?? '';
    const steering = office.manager.steer({ agentId, message: 'count' });
    await settle();
    const cancelling = office.manager.cancel(agentId, { reason: 'Enough.' });
    letGo();
    await cancelling;
    await spawning;
    expect(await steering).toMatchObject({ status: 'failed', message: expect.stringContaining('Enough.') });
    await settle();
    expect(await office.manager.collect()).toMatchObject([{ agentId, state: 'cancelled' }]);
    expect(ends(office)).toEqual(['cancelled hang on']);
    expect(office.provider.requests.some(({ request }) => JSON.stringify(request.messages).includes('count'))).toBe(
      false,
    );
  });

  test('[B-33] comes too late while a result is handed over: it stays what it was, once', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    office.manager.bind({ sessionKey: 'chat', channel: 'telegram:main', metadata: {}, replyTo: null });
    watched.broken.add('post');
    const { agentId } = await office.manager.spawn({ task: 'count', scope: 'chat' });
    await pass(office, 1_000);
    expect(await office.manager.cancel(agentId)).toEqual({ cancelled: false, descendants: 0 });
    watched.broken.clear();
    await pass(office, 2_000);
    await pass(office, 4_000);
    expect(ends(office)).toEqual(['completed count']);
    expect(await office.manager.collect({ includeDelivered: true })).toMatchObject([
      { agentId, state: 'completed', delivered: 'pushed' },
    ]);
    expect(await office.manager.info(agentId)).toMatchObject({ state: 'completed' });
  });

  test('[SB-060] changes nothing about one that has ended or is not there', async () => {
    const office = openOffice();
    const { agentId } = await office.manager.spawn({ task: 'count' });
    await settle();
    const before = JSON.stringify([office.told, await office.manager.info(agentId)]);
    expect(await office.manager.cancel(agentId)).toEqual({ cancelled: false, descendants: 0 });
    expect(await office.manager.cancel('sub_0000000000')).toEqual({ cancelled: false, descendants: 0 });
    await settle();
    expect(JSON.stringify([office.told, await office.manager.info(agentId)])).toBe(before);
  });
});
