import { describe, expect, test } from 'vitest';
import { lead, lines, openOffice, pass, settle } from './office.ts';
import { watchedStore } from './watched-store.ts';

const orchestrator = { allowSubagents: true } as const;
/** What was said to the model last. */
const heard = ({ provider }: ReturnType<typeof openOffice>) =>
  provider.requests.at(-1)?.request.messages.map(({ content }) => String(content)) ?? [];

describe('to resume', () => {
  test('[SB-095, SB-063] goes on with the conversation, the configuration and the id, under a new run id', async () => {
    const office = openOffice();
    const config = { model: 'big', maxTurns: 7, keywords: ['files'], instructions: 'Count well.' } as const;
    const first = await office.manager.spawn({ task: 'count', name: 'counter', config });
    await settle();
    const again = await office.manager.resume({ name: 'counter', task: 'count again', config: { maxTurns: 9 } });
    await settle();
    expect(again).toMatchObject({
      agentId: first.agentId,
      sessionKey: first.sessionKey,
      name: 'counter',
      model: 'big',
      config: { ...first.config, maxTurns: 9 },
    });
    expect(again.runId).not.toBe(first.runId);
    expect(heard(office)).toEqual([expect.stringContaining('Count well.'), 'count', 'done: count', 'count again']);
    const results = await office.manager.collect();
    expect(results.map(({ runId, result }) => [runId, result])).toEqual([
      [first.runId, 'done: count'],
      [again.runId, 'done: count again'],
    ]);
  });

  test('[SB-063, SB-095] forgets how the run before ended, while it is at work', async () => {
    const office = openOffice();
    const { agentId } = await office.manager.spawn({ task: 'fail' });
    await pass(office, 3_000);
    expect(await office.manager.info(agentId)).toMatchObject({ state: 'failed', error: expect.any(String) });
    const { runId } = await office.manager.resume({ agentId, task: 'hang on' });
    expect(await office.manager.info(agentId)).toMatchObject({
      runId,
      error: null,
      resultPreview: null,
      completedAt: null,
      elapsedSeconds: 0,
      task: 'hang on',
    });
    expect((await office.manager.status()).active).toMatchObject([{ agentId, runId }]);
  });

  test('[SB-096] finds nobody of a name that there is not', async () => {
    const { manager } = openOffice();
    await expect(manager.resume({ name: 'writer', task: 'x' })).rejects.toMatchObject({
      code: 'subagent.unknown',
      message: expect.stringMatching(/No session-mode agent named "writer"/),
    });
    await expect(manager.resume({ agentId: 'sub_1', task: 'x' })).rejects.toThrow(/"sub_1" was not found/);
    await expect(manager.resume({ agentId: 'sub_1', task: '' })).rejects.toMatchObject({ code: 'subagent.invalid' });
  });

  test('[SB-097] goes on with one for a single task, too, under another parent with all that is below it', async () => {
    const office = openOffice({ manager: { maxDepth: 3 } });
    const { spawn, resume, info } = office.manager;
    const top = await spawn({ task: 'top', config: orchestrator });
    const a = await spawn({ task: 'a', config: orchestrator });
    const b = await spawn({ task: 'b', parentId: a.agentId });
    await settle();
    expect(await resume({ agentId: a.agentId, task: 'again', config: null, parentId: top.agentId })).toMatchObject({
      parentId: top.agentId,
      depth: 2,
      config: a.config,
    });
    expect(await info(b.agentId)).toMatchObject({ depth: 3, parentId: a.agentId });
    expect((await info(top.agentId))?.children).toEqual([a.agentId]);
    await settle();
    const stored = await office.memory.search('subagents:subagents', '');
    expect(stored.map(({ value }) => (value as { depth: number }).depth)).toEqual([1, 2, 3]);
  });

  test('[SB-095] right after its end, before its result was handed over: both results go where they belong', async () => {
    const watched = watchedStore();
    const office = openOffice({ store: watched.store });
    const { runtime, manager } = office;
    for (const sessionKey of ['one', 'two']) {
      await (await runtime.session(lead, { sessionKey }).send('hello')).report;
      manager.bind({ sessionKey, channel: `telegram:${sessionKey}`, metadata: {}, replyTo: null });
    }
    const letGo = watched.hold('post');
    const first = await manager.spawn({ task: 'count', name: 'counter', scope: 'one' });
    await settle();
    const second = await manager.resume({ name: 'counter', task: 'again', requester: manager.boundTo('two') });
    await settle();
    letGo();
    await settle();
    const words = async (sentTo: string) =>
      (await runtime.runs.list({ sentTo })).map(({ job }) => String(job.input)).filter((text) => text.startsWith('['));
    expect(await words('one')).toEqual([expect.stringContaining(`run_id: ${first.runId}`)]);
    expect(await words('two')).toEqual([expect.stringContaining(`run_id: ${second.runId}`)]);
    expect(lines(office).filter((line) => line.startsWith('completed'))).toHaveLength(2);
  });

  test('[SB-095] of one that another session asked for before: its old result is still that session’s, after a restart, too', async () => {
    const office = openOffice();
    const { manager, store } = office;
    const pulled = { channel: null } as const;
    const first = await manager.spawn({ task: 'count', scope: 'one', requester: pulled });
    await settle();
    const second = await manager.resume({
      agentId: first.agentId,
      task: 'again',
      requester: { sessionKey: 'two', channel: null },
    });
    await settle();
    await office.runtime.close({ runs: 'suspend' });
    const later = openOffice({ store });
    expect(await later.manager.collect({ sessionKey: 'one' })).toMatchObject([{ runId: first.runId }]);
    expect(await later.manager.collect({ sessionKey: 'two' })).toMatchObject([{ runId: second.runId }]);
  });

  test('[SB-095, B-04] while it is woken by something else: it does one after the other, and is at work until both are done', async () => {
    const { store, hold } = watchedStore();
    const office = openOffice({ store });
    const { runtime, manager } = office;
    const { agentId, sessionKey } = await manager.spawn({ task: 'count' });
    await settle();
    await manager.collect();
    // given that it is asked to go on, and woken before that has begun
    const go = hold('write');
    const resuming = manager.resume({ agentId, task: 'hang on' });
    await runtime.deliver(sessionKey, { id: 'news', text: 'slow news' });
    await settle();
    go();
    const { runId } = await resuming;
    expect((await runtime.runs.get(runId))?.after).toBe('wake_news');
    await settle();
    await pass(office, 1_000);
    await pass(office, 1_000);
    expect(await manager.info(agentId)).toMatchObject({ state: 'running', runId });
    expect(await manager.cancel(agentId)).toMatchObject({ cancelled: true });
    await settle();
    expect(await manager.status()).toMatchObject({ active: [], byState: { cancelled: 1 } });
    expect((await manager.collect({ runId })).map(({ state }) => state)).toEqual(['cancelled']);
  });

  test('[SB-095] of a call that is executed again asks for nothing new', async () => {
    const { manager } = openOffice();
    const origin = { runId: 'r', rootId: 'r', callId: 'c' };
    const first = await manager.spawn({ task: 'hang on', scope: 'chat', origin });
    expect(await manager.spawn({ task: 'hang on', scope: 'chat', origin })).toEqual(first);
    expect(await manager.resume({ agentId: first.agentId, task: 'hang on', origin })).toEqual(first);
    expect((await manager.status()).total).toBe(1);
  });

  test('[B-06] of a stored one keeps its parent, which stops it with itself', async () => {
    const office = openOffice();
    const { agentId: parentId } = await office.manager.spawn({ task: 'x', config: orchestrator });
    await office.manager.spawn({ task: 'write', name: 'writer', parentId });
    await settle();
    await office.runtime.close({ runs: 'suspend' });
    const later = openOffice({ store: office.store });
    await later.manager.resume({ agentId: parentId, task: 'hang on' });
    const { agentId } = await later.manager.resume({ name: 'writer', task: 'hang on', parentId });
    expect(await later.manager.info(agentId)).toMatchObject({ parentId, depth: 2 });
    expect((await later.manager.info(parentId))?.children).toEqual([agentId]);
    await settle();
    expect(await later.manager.cancel(parentId)).toEqual({ cancelled: true, descendants: 1 });
    await settle();
    expect(await later.manager.status()).toMatchObject({ active: [], byState: { cancelled: 2 } });
  });
});
