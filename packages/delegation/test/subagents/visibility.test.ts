import { describe, expect, test } from 'vitest';
import { openOffice, settle } from './office.ts';

const orchestrator = { allowSubagents: true } as const;

const two = async (task = 'hang on') => {
  const office = openOffice();
  const { spawn } = office.manager;
  const mine = await spawn({ task, scope: 'mine', config: orchestrator });
  const below = await spawn({ task, parentId: mine.agentId, name: 'below' });
  const theirs = await spawn({ task, scope: 'theirs', name: 'theirs' });
  await settle();
  return { office, ...office.manager, mine, below, theirs };
};

describe('a session', () => {
  test('[SB-080, SB-082] sees what it asked for and all below that; the program sees all', async () => {
    const { status, mine, below, theirs, listPersistent } = await two();
    const seen = async (scope?: string) => (await status({ scope })).active.map(({ agentId }) => agentId);
    expect(await seen('mine')).toEqual([mine.agentId, below.agentId]);
    expect(await seen(mine.sessionKey)).toEqual([below.agentId]);
    expect(await seen('theirs')).toEqual([theirs.agentId]);
    expect(await seen('nobody')).toEqual([]);
    expect(await seen()).toHaveLength(3);
    expect((await listPersistent({ scope: 'mine' })).map(({ name }) => name)).toEqual(['below']);
    expect((await status({ parentId: mine.agentId })).active.map(({ agentId }) => agentId)).toEqual([below.agentId]);
    expect((await status({ parentId: mine.agentId, scope: 'theirs' })).total).toBe(0);
  });

  test('[SB-081] does nothing to what it does not see, and is told that it is not there', async () => {
    const { office, info, cancel, steer, resume, dispatch, forget, theirs } = await two('count');
    const { agentId } = theirs;
    const before = JSON.stringify([await info(agentId), office.told.length]);
    const scope = 'mine';
    expect(await info(agentId, { scope })).toBeNull();
    expect(await cancel(agentId, { scope })).toEqual({ cancelled: false, descendants: 0 });
    expect(await steer({ agentId, message: 'x', scope })).toMatchObject({ status: 'not_found' });
    expect(await forget(agentId, { scope })).toBe(false);
    await expect(resume({ agentId, task: 'x', scope })).rejects.toThrow(/was not found/);
    await expect(resume({ name: 'theirs', task: 'x', scope })).rejects.toThrow(/No session-mode agent named/);
    await expect(dispatch({ name: 'theirs', request: 'x', scope })).rejects.toThrow(
      /No persistent subagent profile named/,
    );
    await settle();
    expect(JSON.stringify([await info(agentId), office.told.length])).toBe(before);
  });

  test('[SB-081] does not stop what it does not see, while that is at work', async () => {
    const { cancel, steer, cancelAll, info, theirs } = await two();
    const { agentId } = theirs;
    expect(await cancel(agentId, { scope: 'mine' })).toEqual({ cancelled: false, descendants: 0 });
    expect(await steer({ agentId, message: 'x', scope: 'mine' })).toMatchObject({ status: 'not_found' });
    expect(await cancelAll({ scope: 'mine' })).toBe(2);
    await settle();
    expect(await info(agentId)).toMatchObject({ state: 'running' });
    // what was refused has not started its clock
    expect(await steer({ agentId, message: 'hang', scope: 'theirs' })).toMatchObject({ status: 'accepted' });
  });
});

describe('what is shown', () => {
  test('[SB-082, SB-060] of one in every state', async () => {
    const office = openOffice();
    const { manager, clock } = office;
    await manager.createProfile({ description: 'reads files', name: 'reader' });
    const parent = await manager.spawn({ task: 'hang on', scope: 'chat', config: orchestrator });
    const child = await manager.spawn({ task: 'hang on', parentId: parent.agentId });
    const done = await manager.spawn({ task: 'count' });
    const failed = await manager.spawn({ task: 'fail', name: 'writer' });
    await settle();
    clock.increment(2_500);
    await manager.cancel(child.agentId);
    await settle();
    const asking = manager.spawn({ task: 'hang later' });
    await Promise.resolve();
    const { total, active, recent, byState } = await manager.status();
    expect({ total, byState }).toEqual({
      total: 6,
      byState: { idle: 1, pending: 1, running: 1, completed: 1, failed: 1, cancelled: 1 },
    });
    expect(active.map(({ state }) => state)).toEqual(['running', 'pending']);
    expect(active[0]).toEqual({
      agentId: parent.agentId,
      runId: parent.runId,
      label: 'hang on',
      state: 'running',
      depth: 1,
      model: 'm',
      elapsedSeconds: 2.5,
      pendingDescendants: 0,
      background: 0,
      mode: 'run',
      name: null,
      allowSubagents: true,
    });
    // newest first
    expect(recent.map(({ agentId }) => agentId)[0]).toBe(child.agentId);
    expect(new Set(recent.map(({ agentId }) => agentId))).toEqual(
      new Set([child, done, failed].map(({ agentId }) => agentId)),
    );
    await asking;
  });

  test('[SB-082] of those that have ended: the ten newest', async () => {
    const office = openOffice();
    for (let i = 0; i < 12; i += 1) {
      await office.manager.spawn({ task: `task ${i}` });
      await settle();
      office.clock.increment(1);
    }
    const { recent, total } = await office.manager.status();
    expect([total, recent.map(({ label }) => label)]).toEqual([
      12,
      Array.from({ length: 10 }, (_, i) => `task ${11 - i}`),
    ]);
  });

  test('[SB-083] of one alone: all there is to know', async () => {
    const office = openOffice({
      script: (word) => (word === 'long' ? 'x'.repeat(1_000) : undefined),
      manager: { skills: { tools: [], default: true } },
    });
    const { manager } = office;
    const parent = await manager.spawn({ task: 'hang on', scope: 'chat', config: orchestrator });
    const child = await manager.spawn({ task: 'long', parentId: parent.agentId, config: { skills: false } });
    const other = await manager.spawn({ task: 'hang on', parentId: parent.agentId });
    await settle();
    expect(await manager.info(parent.agentId, { scope: 'chat' })).toMatchObject({
      parentId: null,
      children: [child.agentId, other.agentId],
      pendingDescendants: 1,
      background: 0,
      effectiveSkills: true,
      requester: { sessionKey: 'chat', channel: 'session' },
      task: 'hang on',
      startedAt: 0,
      completedAt: null,
      resultPreview: null,
    });
    expect(await manager.info(child.agentId)).toMatchObject({
      state: 'completed',
      parentId: parent.agentId,
      effectiveSkills: false,
      requester: { sessionKey: parent.sessionKey },
      resultPreview: 'x'.repeat(300),
      usage: { inputTokens: 10, outputTokens: 5 },
      completedAt: 0,
    });
    expect((await manager.info(other.agentId))?.effectiveSkills).toBe(true);
    expect(await manager.info('sub_0')).toBeNull();
  });

  test('[SB-083] the sub-agent whose conversation a session is', async () => {
    const { mine, agentOf } = await two();
    expect(agentOf(mine.sessionKey)).toMatchObject({ agentId: mine.agentId });
    expect(agentOf('mine')).toBeNull();
  });
});

describe('[SB-051] listeners', () => {
  test('are told of every step with all of its fields; one that throws is logged, and harms nobody', async () => {
    const errors: string[] = [];
    const office = openOffice({ logger: { warn() {}, error: (message) => errors.push(message) } });
    const later: string[] = [];
    office.manager.events$.subscribe(() => {
      throw new Error('No.');
    });
    office.manager.events$.subscribe(({ type }) => later.push(type));
    const { agentId, runId } = await office.manager.spawn({
      task: 'count',
      scope: 'chat',
      requester: { channel: null, metadata: { chat: 7 } },
    });
    await settle();
    const about = {
      agentId,
      runId,
      label: 'count',
      parentId: null,
      depth: 1,
      requester: { sessionKey: 'chat', channel: null, metadata: { chat: 7 }, replyTo: null },
      at: 0,
    };
    expect(office.told).toEqual([
      { ...about, type: 'spawning', model: null, result: null, error: null, elapsedSeconds: null },
      { ...about, type: 'started', model: 'm', result: null, error: null, elapsedSeconds: null },
      { ...about, type: 'completed', model: 'm', result: 'done: count', error: null, elapsedSeconds: 0 },
    ]);
    expect(later).toEqual(['spawning', 'started', 'completed']);
    expect(errors).toHaveLength(3);
  });

  test('are told of nothing that a sub-agent does in the background by itself', async () => {
    const { createDelegateTool } = await import('@troupe/delegation');
    const office = openOffice({
      script: (word, agent) => {
        if (word === 'delegate') return { calls: [{ name: 'delegate_task', arguments: { goal: 'dig' } }] };
        return agent === 'helper' ? 'dug' : undefined;
      },
      manager: { tools: [createDelegateTool({ background: true })] },
    });
    const { agentId, runId } = await office.manager.spawn({
      task: 'delegate',
      config: { tools: ['delegate_task'] },
    });
    await pass(office);
    const began = office.told.filter(({ type }) => type === 'started').map((event) => event.runId);
    const sent = await office.runtime.runs.list({ sentTo: `subagent-${agentId}` });
    expect(began).toEqual(sent.map((row) => row.runId).toReversed());
    expect(began[0]).toBe(runId);
  });
});

const pass = async ({ clock }: ReturnType<typeof openOffice>) => {
  for (let i = 0; i < 5; i += 1) {
    await settle();
    clock.increment(1_000);
  }
  await settle();
};
