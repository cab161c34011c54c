import { describe, expect, test } from 'vitest';
import { lines, openOffice, pass, settle } from './office.ts';

describe('a sub-agent', () => {
  test('[SB-031, SB-044, SB-045] is told of as it is spawned, starts and completes', async () => {
    const office = openOffice();
    const spawned = await office.manager.spawn({ task: 'count the files' });
    await settle();
    expect(spawned).toMatchObject({ depth: 1, label: 'count the files', parentId: null });
    expect(lines(office)).toEqual(['spawning count the files', 'started count the files', 'completed count the files']);
    expect(await office.manager.collect()).toMatchObject([
      {
        agentId: spawned.agentId,
        runId: spawned.runId,
        state: 'completed',
        result: 'done: count the files',
        model: 'm',
      },
    ]);
    expect(await office.manager.collect()).toEqual([]);
  });

  test('[SB-092, SB-093, B-36] is steered: the run it did comes to nothing, another goes on with its conversation', async () => {
    const office = openOffice();
    const { agentId, runId } = await office.manager.spawn({ task: 'hang on' });
    await settle();
    const steered = await office.manager.steer({ agentId, message: 'count the files' });
    expect(steered).toMatchObject({ status: 'accepted', agentId });
    await settle();
    expect(lines(office)).toEqual([
      'spawning hang on',
      'started hang on',
      'steered hang on',
      'started hang on',
      'completed hang on',
    ]);
    expect(office.told.at(-2)).toMatchObject({ restarted: true });
    const results = await office.manager.collect();
    expect(results).toMatchObject([{ agentId, state: 'completed', result: 'done: count the files' }]);
    expect(results[0]?.runId).not.toBe(runId);
    expect(office.provider.requests.at(-1)?.request.messages.map(({ content }) => content)).toContain('hang on');
  });

  test('[SB-048, B-32] is cancelled before it has begun: it has one result and one end', async () => {
    const office = openOffice();
    const spawning = office.manager.spawn({ task: 'hang on' });
    await office.manager.ready;
    await Promise.resolve();
    const { total, active } = await office.manager.status();
    expect({ total, pending: active.map(({ state }) => state) }).toEqual({ total: 1, pending: ['pending'] });
    const agentId = active[0]?.agentId ?? '';
    expect(await office.manager.cancel(agentId)).toEqual({ cancelled: true, descendants: 0 });
    await spawning;
    await settle();
    expect(lines(office).filter((line) => !line.startsWith('started'))).toEqual([
      'spawning hang on',
      'cancelled hang on',
    ]);
    expect(await office.manager.collect()).toMatchObject([{ agentId, state: 'cancelled' }]);
    expect(await office.manager.collect()).toEqual([]);
    expect(await office.manager.status()).toMatchObject({ active: [], byState: { cancelled: 1 } });
    await pass(office, 10_000);
  });

  test('[SB-120, SB-121, SB-122, B-37] tells the session that asked for it, once, by a run that is started for it', async () => {
    const office = openOffice();
    const { runtime, manager } = office;
    const { lead } = await import('./office.ts');
    await (await runtime.session(lead, { sessionKey: 'chat' }).send('hello')).report;
    manager.bind({ sessionKey: 'chat', channel: 'telegram:main', metadata: { chat: 7 }, replyTo: 'm1' });
    const { agentId, runId } = await manager.spawn({ task: 'fail now', scope: 'chat' });
    await settle();
    const [wake] = await runtime.runs.list({ sentTo: 'chat', limit: 1 });
    expect(String(wake?.job.input)).toMatch(/^\[Sub-agent Failed\] fail now/);
    expect(String(wake?.job.input)).toContain(`run_id: ${runId}`);
    expect(wake?.job.metadata).toMatchObject({
      letters: {
        [`result.${runId}`]: {
          chat: 7,
          isSubagentWake: true,
          subagentId: agentId,
          channel: 'telegram:main',
          replyTo: 'm1',
        },
      },
    });
    expect(await manager.collect()).toEqual([]);
    expect(await manager.collect({ includeDelivered: true })).toMatchObject([
      { runId, state: 'failed', delivered: 'pushed' },
    ]);
  });
});
