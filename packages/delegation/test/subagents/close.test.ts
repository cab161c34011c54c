import { describe, expect, test } from 'vitest';
import { lines, openOffice, pass, settle } from './office.ts';
import { watchedStore } from './watched-store.ts';

describe('a manager that is closed', () => {
  test('[SB-117] stops every sub-agent, and waits for its end, where it is told to', async () => {
    const office = openOffice();
    const { spawn, close } = office.manager;
    const a = await spawn({ task: 'hang a', config: { allowSubagents: true } });
    await spawn({ task: 'hang b', parentId: a.agentId });
    await spawn({ task: 'hang c', name: 'counter' });
    await settle();
    await close({ runs: 'interrupt' });
    expect(lines(office).filter((line) => line.startsWith('cancelled'))).toEqual([
      'cancelled hang b',
      'cancelled hang a',
      'cancelled hang c',
    ]);
    expect(await office.manager.status()).toMatchObject({ active: [], byState: { cancelled: 3 } });
    await close({ runs: 'interrupt' });
    await close();
  });

  test('[SB-117] stops what is being stored just now, too', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    await office.manager.ready;
    const letGo = watched.hold('write');
    const spawning = office.manager.spawn({ task: 'hang on' });
    await settle();
    const closing = office.manager.close({ runs: 'interrupt' });
    await settle();
    letGo();
    await Promise.all([spawning, closing]);
    expect(await office.manager.status()).toMatchObject({ active: [], byState: { cancelled: 1 } });
  });

  test('[SB-117] lets them be otherwise: what they come to is handed over all the same, and they can still be stopped', async () => {
    const office = openOffice();
    await office.manager.spawn({ task: 'slow work' });
    await office.manager.spawn({ task: 'hang on' });
    await settle();
    await office.manager.close();
    await pass(office, 1_000);
    expect(lines(office)).toContain('completed slow work');
    await office.manager.close({ runs: 'interrupt' });
    expect(lines(office)).toContain('cancelled hang on');
    await office.runtime.close({ runs: 'suspend' });
    const later = openOffice({ store: office.store });
    const results = await later.manager.collect();
    expect(results.map(({ state }) => state).sort()).toEqual(['cancelled', 'completed']);
  });

  test('[SB-117] takes no more commands; who waits is given nothing', async () => {
    const office = openOffice({ manager: { id: 'office' } });
    const { manager } = office;
    const { agentId } = await manager.spawn({ task: 'hang on' });
    const waiting = manager.collect({ timeoutMs: 60_000 });
    await settle();
    await manager.close();
    expect(await waiting).toEqual([]);
    const closed = { code: 'subagent.closed', message: expect.stringContaining('"office" is closed') };
    for (const command of [
      () => manager.spawn({ task: 'x' }),
      () => manager.resume({ agentId, task: 'x' }),
      () => manager.createProfile({ description: 'x' }),
      () => manager.cancel(agentId),
      () => manager.cancelAll(),
      () => manager.forget(agentId),
      () => manager.collect(),
      () => manager.adopt([]),
    ])
      await expect(command()).rejects.toMatchObject(closed);
    expect(await manager.steer({ agentId, message: 'x' })).toMatchObject({ status: 'failed' });
    // what is known can still be asked
    expect(await manager.info(agentId)).toMatchObject({ state: 'running' });
    expect((await manager.status()).total).toBe(1);
  });

  test('[SB-113, SB-117] sweeps no more', async () => {
    const office = openOffice({ manager: { archiveAfterMs: 1, sweepEveryMs: 1_000 } });
    await office.manager.spawn({ task: 'count' });
    await settle();
    await office.manager.close();
    await pass(office, 10_000);
    expect((await office.manager.status()).total).toBe(1);
  });
});

describe('[SB-117] a runtime that is closed', () => {
  test.each(['suspend', 'interrupt'] as const)('answers whoever waits for the manager (%s)', async (runs) => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    const { manager, runtime } = office;
    const ended: string[] = [];
    manager.events$.subscribe({ complete: () => ended.push('complete') });
    await manager.spawn({ task: 'hang on' });
    const outcome = async (asked: Promise<unknown>) =>
      asked.then(
        () => 'answered',
        (error: unknown) => (error as { code?: string }).code,
      );
    const waiting = outcome(manager.collect({ timeoutMs: 60_000 }));
    await settle();
    await runtime.close({ runs });
    await settle();
    expect(await waiting).toMatch(runs === 'interrupt' ? /answered/ : /runtime\.closed/);
    expect(ended).toEqual(['complete']);
    for (const command of [
      () => manager.spawn({ task: 'x' }),
      () => manager.cancelAll(),
      () => manager.collect({ timeoutMs: 5 }),
      () => manager.createProfile({ description: 'x' }),
    ])
      expect(await outcome(command())).toBe('runtime.closed');
    await manager.close({ runs: 'interrupt' });
  });

  test('answers whoever asked before anything was read', async () => {
    const watched = watchedStore();
    const letGo = watched.hold('search');
    const { manager, runtime } = openOffice({ store: watched.store });
    const spawning = manager.spawn({ task: 'x' });
    await settle();
    await runtime.close();
    await expect(spawning).rejects.toMatchObject({ code: 'runtime.closed' });
    await expect(manager.ready).rejects.toMatchObject({ code: 'runtime.closed' });
    letGo();
    await manager.close();
  });
});

describe('a manager whose store cannot be read', () => {
  test('[SB-064] says so to whoever asks', async () => {
    const watched = watchedStore();
    watched.broken.add('search');
    const { manager } = openOffice({ store: watched.store });
    await expect(manager.ready).rejects.toThrow('The disk is full: search.');
    await expect(manager.spawn({ task: 'x' })).rejects.toThrow('The disk is full: search.');
    await expect(manager.status()).rejects.toThrow('The disk is full: search.');
    await manager.close({ runs: 'interrupt' });
  });
});
