import { memoryStore } from '@troupe/core';
import type { JSONValue } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { lead, type Office, openOffice, pass, settle } from './office.ts';
import { watchedStore } from './watched-store.ts';

type Options = Parameters<typeof openOffice>[0];

/** A conversation that has begun, on a channel. */
const conversation = async (options: Options = {}, key = 'chat') => {
  const office = openOffice(options);
  await (await office.runtime.session(lead, { sessionKey: key }).send('hello')).report;
  office.manager.bind({ sessionKey: key, channel: 'telegram:main', metadata: { chat: 7 }, replyTo: 'm1' });
  return office;
};

/** What a session was told by itself, oldest first, and what came along. */
const wakesOf = async ({ runtime }: Office, sentTo = 'chat') =>
  (await runtime.runs.list({ sentTo }))
    .toReversed()
    .filter(({ runId }) => runId.startsWith('wake_'))
    .map(({ job }) => ({
      text: String(job.input),
      letters: Object.values(
        (job.metadata as { letters: Record<string, Record<string, JSONValue>> } | undefined)?.letters ?? {},
      ),
    }));

describe('a result is pushed', () => {
  test('[SB-121, B-37] in words that say how it ended', async () => {
    const office = await conversation();
    const done = await office.manager.spawn({ task: 'slow work', scope: 'chat' });
    await pass(office, 1_000);
    await office.manager.spawn({ task: 'fail', scope: 'chat' });
    await settle();
    const [first, second] = await wakesOf(office);
    expect(first?.text).toBe(
      [
        `[Sub-agent Completed] slow work (${done.agentId}): completed after 1 s`,
        `task_id: ${done.agentId}`,
        `run_id: ${done.runId}`,
        '',
        'done: slow work',
      ].join('\n'),
    );
    expect(second?.text).toMatch(/^\[Sub-agent Failed\] fail .*: failed after 0 s\n.*model\.down: It is down\./s);
  });

  test('[SB-121] shortened, and says by how much', async () => {
    const office = await conversation({ script: (word) => (word === 'long' ? 'x'.repeat(2_500) : undefined) });
    await office.manager.spawn({ task: 'long', scope: 'chat' });
    await settle();
    const [wake] = await wakesOf(office);
    expect(wake?.text).toMatch(/\n\nx{2000}\n\[500 chars omitted\]$/);
  });

  test('[SB-122, SB-124] with all that it takes to answer the person behind it', async () => {
    const office = await conversation();
    const { manager } = office;
    const { agentId, runId } = await manager.spawn({ task: 'count', scope: 'chat', name: 'counter' });
    await settle();
    await manager.resume({
      agentId,
      task: 'again',
      requester: { ...manager.boundTo('chat'), metadata: { replyTo: 'm9' } },
    });
    await settle();
    const [first, second] = await wakesOf(office);
    expect(first?.letters).toEqual([
      {
        chat: 7,
        isSubagentWake: true,
        subagentId: agentId,
        subagentRunId: runId,
        subagentName: 'counter',
        channel: 'telegram:main',
        replyTo: 'm1',
      },
    ]);
    // what the gateway has said itself stands
    expect(second?.letters).toMatchObject([{ replyTo: 'm9' }]);
  });

  test('[B-38, SB-125] behind the turn in flight', async () => {
    const office = await conversation({
      script: (word) => (word === 'busy' ? { text: 'ok', delayMs: 500 } : undefined),
    });
    const chat = await office.runtime.session(lead, { sessionKey: 'chat' }).send('busy');
    await settle();
    await office.manager.spawn({ task: 'count', scope: 'chat' });
    await pass(office, 500);
    expect(await chat.report).toMatchObject({ status: 'completed' });
    await settle();
    expect((await office.runtime.runs.list({ sentTo: 'chat' })).every(({ status }) => status === 'completed')).toBe(
      true,
    );
  });

  test('[SB-120] only to a session with a channel; else it is kept', async () => {
    const office = await conversation();
    const { manager } = office;
    await manager.spawn({ task: 'a', scope: 'chat', requester: { channel: null } });
    await manager.spawn({ task: 'b', requester: { channel: 'telegram:main' } });
    await manager.spawn({ task: 'c' });
    await settle();
    expect(await wakesOf(office)).toEqual([]);
    expect((await manager.collect()).map(({ label }) => label).sort()).toEqual(['a', 'b', 'c']);
  });

  test('[SB-120] to a session that nobody bound, by mail alone', async () => {
    const office = openOffice();
    await (await office.runtime.session(lead, { sessionKey: 'chat' }).send('hello')).report;
    await office.manager.spawn({ task: 'count', scope: 'chat' });
    await settle();
    expect(await wakesOf(office)).toMatchObject([{ letters: [{ channel: 'session', replyTo: null }] }]);
  });

  test('[SB-048] of one that was cancelled without waking anybody: it is heard with what is said next', async () => {
    const office = await conversation();
    const { agentId } = await office.manager.spawn({ task: 'hang on', scope: 'chat' });
    await settle();
    await office.manager.cancel(agentId);
    await settle();
    expect(await wakesOf(office)).toEqual([]);
    await (await office.runtime.session(lead, { sessionKey: 'chat' }).send('go on')).report;
    const heard = JSON.stringify(office.provider.requests.at(-1)?.request.messages);
    expect(heard.match(/\[Sub-agent Cancelled\]/g)).toHaveLength(1);
    expect(await office.manager.collect()).toEqual([]);
  });
});

describe('[SB-123] what is refused', () => {
  test('is tried again after one, two and four seconds, and can be collected then; nothing is said twice', async () => {
    const watched = watchedStore();
    const warned: string[] = [];
    const office = await conversation({
      store: watched.store,
      logger: { warn: (message) => warned.push(message), error() {} },
    });
    watched.broken.add('post');
    const { runId } = await office.manager.spawn({ task: 'count', scope: 'chat' });
    for (const ms of [1_000, 2_000, 3_999]) {
      await pass(office, ms);
      expect(await office.manager.collect()).toEqual([]);
    }
    expect(warned).toEqual([]);
    await pass(office, 1);
    expect(warned).toEqual([`The result of run "${runId}" could not be pushed; it can be collected.`]);
    watched.broken.clear();
    expect(await office.manager.collect()).toMatchObject([{ runId, state: 'completed' }]);
    await pass(office, 60_000);
    expect(await wakesOf(office)).toEqual([]);
    expect(await office.manager.collect()).toEqual([]);
  });

  test('goes to whoever waits for it by then', async () => {
    const watched = watchedStore();
    const office = await conversation({ store: watched.store });
    watched.broken.add('post');
    await office.manager.spawn({ task: 'count', scope: 'chat' });
    await settle();
    const waiting = office.manager.collect({ timeoutMs: 60_000 });
    for (const ms of [1_000, 2_000, 4_000]) await pass(office, ms);
    expect(await waiting).toMatchObject([{ result: 'done: count' }]);
  });

  test('is pushed when it is let through in time', async () => {
    const watched = watchedStore();
    const office = await conversation({ store: watched.store });
    watched.broken.add('post');
    await office.manager.spawn({ task: 'count', scope: 'chat' });
    await pass(office, 1_000);
    watched.broken.clear();
    await pass(office, 2_000);
    expect(await wakesOf(office)).toHaveLength(1);
    expect(await office.manager.collect({ timeoutMs: 0 })).toEqual([]);
  });
});

describe('who is told', () => {
  /** The user's session, a below it, b below a. b goes on until a has ended. */
  const nested = async () => {
    const office = await conversation();
    const { manager } = office;
    const a = await manager.spawn({ task: 'plan', scope: 'chat', config: { routing: 'orchestrated' } });
    const b = await manager.spawn({ task: 'slow work', parentId: a.agentId, scope: a.sessionKey });
    await settle();
    return { office, manager, a, b };
  };

  test('[B-04] of what a sub-agent has asked for is that sub-agent, and of each of its runs whoever asked for it, once', async () => {
    const { office, manager, a, b } = await nested();
    // what a says before that is not its last word
    expect(await wakesOf(office)).toEqual([]);
    expect(await manager.info(a.agentId)).toMatchObject({ state: 'completed', pendingDescendants: 1 });
    await pass(office, 1_000);
    // a is woken by what it waited for, with nothing of the user's channel
    const [ofB, ...noMore] = await wakesOf(office, a.sessionKey);
    expect(ofB?.text).toContain(`run_id: ${b.runId}`);
    expect(ofB?.letters).toEqual([
      {
        isSubagentWake: true,
        subagentId: b.agentId,
        subagentRunId: b.runId,
        subagentName: 'slow work',
        channel: `subagent:${a.agentId}`,
        replyTo: null,
      },
    ]);
    expect(noMore).toEqual([]);
    // and what it came to then is a result of its own, for the user's session: that is woken once, and hears of both
    const wakes = await wakesOf(office);
    expect(wakes).toHaveLength(1);
    const runs = (await office.runtime.runs.list({ sentTo: a.sessionKey })).map(({ runId }) => runId).toReversed();
    expect(wakes[0]?.letters).toMatchObject(
      runs.map((subagentRunId) => ({ chat: 7, channel: 'telegram:main', subagentId: a.agentId, subagentRunId })),
    );
    const [first, last, ...more] = String(wakes[0]?.text).split(/(?=^\[Sub-agent)/m);
    expect(first).toMatch(/^\[Sub-agent Completed\] plan .* after 0 s, and waits for 1 sub-agent below it/);
    expect(last).toMatch(/^\[Sub-agent Completed\] plan .* after 0 s\n/);
    expect(more).toEqual([]);
    expect(await manager.info(a.agentId)).toMatchObject({ state: 'completed', runId: runs[1], pendingDescendants: 0 });
    expect(await manager.collect()).toEqual([]);
  });

  test('[B-04] is who waits, where what it waits for is cancelled: it goes on, and tells whoever asked', async () => {
    const { office, manager, a, b } = await nested();
    await manager.cancel(b.agentId);
    await settle();
    const [ofB, ...noMore] = await wakesOf(office, a.sessionKey);
    expect(ofB?.text).toMatch(/^\[Sub-agent Cancelled\] slow work/);
    expect(noMore).toEqual([]);
    expect((await wakesOf(office)).map(({ letters }) => letters.length)).toEqual([2]);
  });

  test('[B-04] is nobody, where all of it is cancelled, over a restart, too', async () => {
    for (const how of ['cancel', 'cancelAll', 'restart'] as const) {
      const store = memoryStore();
      const office = openOffice({ store, leaseMs: 0 });
      await (await office.runtime.session(lead, { sessionKey: 'chat' }).send('hello')).report;
      const a = await office.manager.spawn({ task: 'plan', scope: 'chat', config: { routing: 'orchestrated' } });
      await office.manager.spawn({ task: 'hang on', parentId: a.agentId });
      await office.manager.spawn({ task: 'hang, too', parentId: a.agentId });
      await settle();
      if (how === 'cancel') await office.manager.cancel(a.agentId);
      else await office.manager.cancelAll({ scope: 'chat' });
      if (how === 'restart') {
        await office.runtime.close({ runs: 'suspend' });
        const next = openOffice({ store, leaseMs: 0 });
        await next.manager.ready;
        await next.runtime.recover();
        await settle();
        expect(await wakesOf(next, a.sessionKey), how).toEqual([]);
        expect((await next.manager.status()).active).toEqual([]);
        await next.runtime.close({ runs: 'interrupt', graceMs: 0 });
        continue;
      }
      await settle();
      expect(await wakesOf(office, a.sessionKey), how).toEqual([]);
      expect(await wakesOf(office), how).toEqual([]);
      expect((await office.manager.status()).active).toEqual([]);
    }
  });

  test('[B-04] is who waits for one that waits itself and is cancelled: each hears of it in its turn', async () => {
    const office = await conversation({ manager: { maxDepth: 3 } });
    const { manager } = office;
    const config = { routing: 'orchestrated' } as const;
    const a = await manager.spawn({ task: 'plan', scope: 'chat', config });
    const c = await (async () => {
      const b = await manager.spawn({ task: 'part', parentId: a.agentId, config });
      const below = await manager.spawn({ task: 'hang on', parentId: b.agentId });
      return { b, below };
    })();
    await settle();
    expect(await wakesOf(office)).toEqual([]);
    expect(await manager.cancel(c.b.agentId)).toEqual({ cancelled: true, descendants: 1 });
    await settle();
    expect(await wakesOf(office, c.b.sessionKey)).toHaveLength(1);
    expect((await wakesOf(office)).length).toBeGreaterThan(0);
    expect((await manager.status()).active).toEqual([]);
  });

  test('[B-04] is who waits after a restart, where what it waits for is cancelled then', async () => {
    const store = memoryStore();
    const before = openOffice({ store, leaseMs: 0 });
    await (await before.runtime.session(lead, { sessionKey: 'chat' }).send('hello')).report;
    const a = await before.manager.spawn({ task: 'plan', scope: 'chat', config: { routing: 'orchestrated' } });
    const b = await before.manager.spawn({ task: 'hang on', parentId: a.agentId });
    await settle();
    await before.runtime.close({ runs: 'suspend' });
    const office = openOffice({ store, leaseMs: 0 });
    await office.manager.ready;
    await office.runtime.recover();
    await settle();
    await office.manager.cancel(b.agentId);
    await settle();
    expect(await wakesOf(office, a.sessionKey)).toHaveLength(1);
    expect(await wakesOf(office)).toHaveLength(1);
  });

  test('[B-04] while it goes on: it hears of it in the run at work, and gives one result', async () => {
    const office = await conversation({
      script: (word) => (word === 'plan' ? { text: 'planned', delayMs: 3_000 } : undefined),
    });
    const { manager } = office;
    const a = await manager.spawn({ task: 'plan', scope: 'chat', config: { routing: 'orchestrated' } });
    await settle();
    await manager.spawn({ task: 'slow work', parentId: a.agentId });
    await pass(office, 1_000);
    expect(await wakesOf(office)).toEqual([]);
    await pass(office, 2_000);
    expect(await wakesOf(office, a.sessionKey)).toEqual([]);
    expect(await wakesOf(office)).toMatchObject([{ text: expect.stringContaining(`run_id: ${a.runId}`) }]);
    expect(JSON.stringify(office.provider.requests.map(({ request }) => request.messages))).toContain(
      '[Sub-agent Completed] slow work',
    );
  });

  test('[B-04, SB-092] one that is woken is at work: it is not resumed, and can be steered and cancelled', async () => {
    const office = await conversation({
      script: (word) => (word.startsWith('[Sub-agent') ? { hang: true } : undefined),
    });
    const { manager } = office;
    const a = await manager.spawn({ task: 'plan', requester: { channel: null }, config: { routing: 'orchestrated' } });
    await manager.spawn({ task: 'slow work', parentId: a.agentId });
    await settle();
    await manager.collect();
    await pass(office, 1_000);
    const [wake] = await office.runtime.runs.list({ sentTo: a.sessionKey, limit: 1 });
    expect(await manager.info(a.agentId)).toMatchObject({ state: 'running', runId: wake?.runId });
    await expect(manager.resume({ agentId: a.agentId, task: 'x' })).rejects.toMatchObject({
      details: { kind: 'active' },
    });
    const steered = await manager.steer({ agentId: a.agentId, message: 'hang differently' });
    expect(steered).toMatchObject({ status: 'accepted' });
    await settle();
    expect(await manager.info(a.agentId)).toMatchObject({ state: 'running', task: 'hang differently' });
    expect(await manager.collect()).toEqual([]);
    expect(await manager.cancel(a.agentId)).toMatchObject({ cancelled: true });
    await settle();
    expect(await manager.collect()).toMatchObject([
      { runId: 'runId' in steered ? steered.runId : '', state: 'cancelled' },
    ]);
  });

  test('[SB-030, B-10] is who is said to be, part by part: what is left out is the session’s, what is null is none', async () => {
    const office = await conversation({ manager: { requester: { sessionKey: 'own', channel: 'telegram:own' } } });
    const { manager } = office;
    const of = async (asking: Parameters<typeof manager.spawn>[0]) =>
      (await manager.info((await manager.spawn(asking)).agentId))?.requester;
    expect(await of({ task: 'a' })).toEqual({
      sessionKey: 'own',
      channel: 'telegram:own',
      metadata: {},
      replyTo: null,
    });
    expect(await of({ task: 'b', scope: 'chat', requester: { replyTo: 'm2' } })).toEqual({
      sessionKey: 'chat',
      channel: 'telegram:main',
      metadata: { chat: 7 },
      replyTo: 'm2',
    });
    expect(await of({ task: 'c', requester: { sessionKey: 's2', channel: null, metadata: {} } })).toEqual({
      sessionKey: 's2',
      channel: null,
      metadata: {},
      replyTo: null,
    });
    manager.bind({ sessionKey: 'chat', channel: null, metadata: {}, replyTo: null });
    expect(await of({ task: 'd', scope: 'chat' })).toEqual({
      sessionKey: 'chat',
      channel: null,
      metadata: {},
      replyTo: null,
    });
    await settle();
    expect((await manager.collect({ sessionKey: 's2' })).map(({ label }) => label)).toEqual(['c']);
  });
});

test('[B-40] no key is stored, wherever it was said', async () => {
  const office = await conversation();
  const key = 'sk-proj-abcdefghijklmnopqrstuvwxyz0123456789';
  await office.manager.spawn({ task: `count with ${key}`, name: 'counter', config: { instructions: `Use ${key}.` } });
  await settle();
  expect(JSON.stringify(await office.memory.search('subagents:subagents', ''))).not.toContain(key);
  expect(JSON.stringify(await office.manager.listPersistent())).not.toContain(`Use ${key}`);
});

test('[B-40] no key is told, wherever it was said: not to who watches, nor to who asks, whole or cut', async () => {
  const key = 'sk-proj-abcdefghijklmnopqrstuvwxyz0123456789';
  const office = openOffice({ manager: { maxTotal: 100 } });
  const { spawn, steer, resume, info, status, createProfile, dispatch } = office.manager;
  // where a label would cut it
  await spawn({ task: `Look at the pages behind the door with ${key} and count them` });
  await spawn({ task: `Look behind the door with ${key}`, config: { role: 'researcher' } });
  await spawn({ task: 'count', label: `with ${key}` });
  const { agentId } = await spawn({ task: `hang on ${key}`, name: 'bo' });
  await settle();
  expect(await steer({ agentId, message: `count ${key}` })).toMatchObject({ status: 'accepted' });
  await settle();
  await resume({ name: 'bo', task: `go on with ${key}` });
  await createProfile({ description: `reads logs with ${key}`, name: 'logs' });
  await dispatch({ name: 'logs', request: `fail with ${key}` });
  await settle();
  const { active, recent } = await status();
  const asked = await Promise.all([...active, ...recent].map((each) => info(each.agentId)));
  expect(asked).toHaveLength(5);
  const said = JSON.stringify([office.told, active, recent, asked]);
  expect(said.match(/\[redacted\]/g)?.length).toBeGreaterThan(20);
  expect(said.match(/.{30}sk-.{30}/g)).toBeNull();
});
