import { describe, expect, test } from 'vitest';
import { lines, openOffice, pass, settle } from './office.ts';
import { watchedStore } from './watched-store.ts';

const started = (office: Parameters<typeof lines>[0]) => office.told.filter(({ type }) => type === 'started');

describe('to steer', () => {
  test('[SB-092] is refused for one that is not there and one that has ended, with its state', async () => {
    const office = openOffice();
    const { steer, spawn, cancel } = office.manager;
    expect(await steer({ agentId: 'sub_0000000000', message: 'x' })).toMatchObject({ status: 'not_found' });
    const done = await spawn({ task: 'count' });
    const failed = await spawn({ task: 'fail' });
    const cancelled = await spawn({ task: 'hang' });
    await settle();
    const [, late] = await Promise.all([
      cancel(cancelled.agentId),
      steer({ agentId: cancelled.agentId, message: 'x' }),
    ]);
    // it is being stopped
    expect(late).toMatchObject({ status: 'done', state: 'cancelled' });
    await settle();
    for (const [{ agentId }, state] of [
      [done, 'completed'],
      [failed, 'failed'],
      [cancelled, 'cancelled'],
    ] as const)
      expect(await steer({ agentId, message: 'x' })).toMatchObject({
        status: 'done',
        state,
        message: expect.stringContaining(state),
      });
    expect(await cancel(done.agentId)).toMatchObject({ cancelled: false });
    await expect(steer({ agentId: done.agentId, message: ' ' })).rejects.toMatchObject({ code: 'subagent.invalid' });
  });

  test('[SB-092, SB-094] waits two seconds from the last time; what is refused does not count, and each has a clock of its own', async () => {
    const office = openOffice();
    const { steer, spawn } = office.manager;
    const { agentId } = await spawn({ task: 'hang on' });
    const other = await spawn({ task: 'hang on' });
    await settle();
    expect(await steer({ agentId, message: 'hang 1' })).toMatchObject({ status: 'accepted' });
    await pass(office, 700);
    expect(await steer({ agentId, message: 'hang 2' })).toMatchObject({
      status: 'rate_limited',
      retryAfterMs: 1_300,
      message: expect.stringContaining('Try again in 1.3s'),
    });
    expect(await steer({ agentId: other.agentId, message: 'hang 2' })).toMatchObject({ status: 'accepted' });
    await pass(office, 1_299);
    expect(await steer({ agentId, message: 'hang 3' })).toMatchObject({ status: 'rate_limited', retryAfterMs: 1 });
    await pass(office, 1);
    expect(await steer({ agentId, message: 'hang 4' })).toMatchObject({ status: 'accepted' });
  });

  test('[SB-093] gives the new run the id that was announced, the same session and a state without the old run', async () => {
    const office = openOffice();
    const { agentId, runId, sessionKey } = await office.manager.spawn({ task: 'hang on' });
    await pass(office, 5_000);
    const outcome = await office.manager.steer({ agentId, message: 'hang differently' });
    await settle();
    expect(outcome).toMatchObject({ status: 'accepted', agentId, label: 'hang on' });
    const now = 'runId' in outcome ? outcome.runId : '';
    expect(now).not.toBe(runId);
    expect(await office.manager.info(agentId)).toMatchObject({
      runId: now,
      state: 'running',
      sessionKey,
      task: 'hang differently',
      elapsedSeconds: 0,
      error: null,
      completedAt: null,
    });
    expect(office.told.map(({ type, restarted, task, runId: id }) => [type, restarted, task, id === now])).toEqual([
      ['spawning', undefined, undefined, false],
      ['started', undefined, undefined, false],
      ['steered', undefined, 'hang differently', true],
      ['started', true, undefined, true],
    ]);
    expect(await office.runtime.runs.get(runId)).toMatchObject({ status: 'interrupted' });
    expect(await office.manager.collect()).toEqual([]);
    await office.manager.cancel(agentId);
    await settle();
    expect(await office.manager.collect()).toMatchObject([{ runId: now }]);
  });

  test('[SB-093] reaches one whose spawn is being stored', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    await office.manager.ready;
    const letGo = watched.hold('write');
    const spawning = office.manager.spawn({ task: 'hang on' });
    await settle();
    const agentId = (await office.manager.status()).active[0]?.agentId ?? '';
    const steering = office.manager.steer({ agentId, message: 'count' });
    await settle();
    letGo();
    const { runId } = await spawning;
    const outcome = await steering;
    await settle();
    expect(outcome).toMatchObject({ status: 'accepted' });
    const results = await office.manager.collect();
    expect(results).toMatchObject([{ agentId, state: 'completed', result: 'done: count' }]);
    expect(results[0]?.runId).not.toBe(runId);
  });

  test('[SB-093] twice, while the first is being stored, leaves one run and one result: the last', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    const { agentId } = await office.manager.spawn({ task: 'hang on' });
    await settle();
    const letGo = watched.hold('commit');
    const first = office.manager.steer({ agentId, message: 'hang 1' });
    await pass(office, 2_000);
    const second = office.manager.steer({ agentId, message: 'count' });
    await settle();
    letGo();
    const [one, two] = [await first, await second];
    await settle();
    expect([one.status, two.status]).toEqual(['accepted', 'accepted']);
    expect(await office.manager.collect()).toMatchObject([
      { runId: 'runId' in two ? two.runId : '', state: 'completed', result: 'done: count' },
    ]);
    expect(office.told.filter(({ type }) => type === 'cancelled')).toEqual([]);
    expect((await office.manager.status()).byState).toMatchObject({ completed: 1, pending: 0, running: 0 });
    // nobody is told of the first again after a restart
    const [stored] = await office.memory.search('subagents:subagents', '');
    expect(stored?.value).toMatchObject({ run: { task: 'count', begun: true } });
  });

  test('[SB-093] keeps the result of a run that has ended before it could be stopped', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    const { agentId, runId } = await office.manager.spawn({ task: 'slow task' });
    await settle();
    const letGo = watched.hold('write');
    const steering = office.manager.steer({ agentId, message: 'count' });
    await pass(office, 1_000);
    expect(await office.manager.info(agentId)).toMatchObject({ state: 'pending' });
    expect(lines(office).at(-1)).toBe('completed slow task');
    letGo();
    expect(await steering).toMatchObject({ status: 'accepted' });
    await settle();
    expect(lines(office).slice(-4)).toEqual([
      'completed slow task',
      'steered slow task',
      'started slow task',
      'completed slow task',
    ]);
    expect(started(office).at(-1)).toMatchObject({ restarted: true });
    // nor is it taken for one that was stopped when it is read again
    const [stored] = await office.memory.search('subagents:subagents', '');
    expect(stored?.value).toMatchObject({ delivered: [], run: { task: 'count' } });
    expect(await office.manager.collect()).toMatchObject([
      { runId, result: 'done: slow task' },
      { result: 'done: count' },
    ]);
  });

  test.each(['write', 'commit'] as const)(
    '[SB-064, SB-094] that cannot be stored (%s) fails; what it did goes on, and the clock stands as it did',
    async (method) => {
      const watched = watchedStore();
      const office = openOffice({ store: watched.store });
      const { agentId, runId } = await office.manager.spawn({ task: 'hang on' });
      await settle();
      watched.broken.add(method);
      expect(await office.manager.steer({ agentId, message: 'count' })).toMatchObject({
        status: 'failed',
        message: expect.stringContaining('was not steered'),
      });
      watched.broken.clear();
      await settle();
      expect(await office.manager.info(agentId)).toMatchObject({ state: 'running', runId, task: 'hang on' });
      expect(lines(office)).toEqual(['spawning hang on', 'started hang on']);
      const [stored] = await office.memory.search('subagents:subagents', '');
      if (method === 'commit') expect(stored?.value).toMatchObject({ run: { runId, task: 'hang on' }, delivered: [] });
      expect(await office.manager.steer({ agentId, message: 'count' })).toMatchObject({ status: 'accepted' });
      await settle();
      expect(await office.manager.collect()).toMatchObject([{ result: 'done: count' }]);
    },
  );

  test('[SB-064] that cannot be stored does not stand in the way of the next', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    const { agentId } = await office.manager.spawn({ task: 'hang on' });
    await settle();
    const letGo = watched.hold('write');
    watched.breakOnce('write');
    const first = office.manager.steer({ agentId, message: 'read' });
    await pass(office, 2_000);
    const second = office.manager.steer({ agentId, message: 'count' });
    await settle();
    letGo();
    expect([(await first).status, (await second).status]).toEqual(['failed', 'accepted']);
    await settle();
    expect(await office.manager.collect()).toMatchObject([{ result: 'done: count' }]);
  });

  test('[SB-064] fails with the spawn that it waited for', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    await office.manager.ready;
    const letGo = watched.hold('write');
    watched.breakOnce('write');
    const spawning = office.manager.spawn({ task: 'hang on' });
    await settle();
    const agentId = (await office.manager.status()).active[0]?.agentId ?? '';
    const steering = office.manager.steer({ agentId, message: 'count' });
    await settle();
    letGo();
    await expect(spawning).rejects.toThrow('The disk is full');
    expect(await steering).toMatchObject({ status: 'failed' });
    await settle();
    expect(await office.manager.status()).toMatchObject({ total: 0 });
    expect(office.provider.requests).toEqual([]);
  });
});
