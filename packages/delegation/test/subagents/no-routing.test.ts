import { matchAgent, type SubagentManager } from '@troupe/delegation';
import { describe, expect, test } from 'vitest';
import { lead, openOffice, pass, settle } from './office.ts';

const profile = {
  description: 'Finds literature.',
  name: 'librarian',
  config: { autoRoute: true, keywords: ['literature search'] },
};

/** Whom a text is meant for, by all that is stored. */
const matched = async (manager: SubagentManager, text: string) =>
  matchAgent(
    text,
    (await manager.listPersistent()).map(({ name, config }) => ({ ...config, name: name ?? '' })),
  );

describe('a text', () => {
  test.each([
    ['asks nobody that it names [SB-185]', 'Librarian, please do a literature search.'],
    ['makes nobody that it asks for [SB-184, SB-185]', 'Create a persistent subagent to summarize weekly reports.'],
    ['makes nobody, whoever sent it [SB-184]', '[Alice]: Create a persistent subagent to summarize weekly reports.'],
  ])('%s', async (_, text) => {
    const { manager, runtime, told } = openOffice();
    await manager.createProfile(profile);
    const { text: answer } = await (await runtime.session(lead, { sessionKey: 'chat' }).send(text)).report;
    await settle();
    expect(answer).toBe(`done: ${text}`);
    expect(told).toEqual([]);
    expect((await manager.listPersistent()).map(({ name, state }) => [name, state])).toEqual([['librarian', 'idle']]);
  });

  test('asks nobody, either, where a sub-agent says it or is told it [SB-126]', async () => {
    const office = openOffice();
    const { manager, runtime } = office;
    await manager.createProfile(profile);
    await (await runtime.session(lead, { sessionKey: 'chat' }).send('hello')).report;
    // its task, its answer and the message that wakes who asked for it are all meant for another one
    await manager.spawn({ task: 'librarian: literature search', scope: 'chat' });
    await pass(office, 1_000);
    const [wake] = await runtime.runs.list({ sentTo: 'chat', limit: 1 });
    expect(String(wake?.job.input)).toContain('done: librarian: literature search');
    expect(await matched(manager, String(wake?.job.input))).toMatchObject({ name: 'librarian' });
    expect((await manager.status()).byState).toMatchObject({ idle: 1, completed: 1, running: 0, pending: 0 });
    expect(office.told.filter(({ type }) => type === 'spawning')).toHaveLength(1);
  });
});

describe('a program that routes [SB-183]', () => {
  const open = async () => {
    const office = openOffice();
    const { manager } = office;
    await manager.createProfile(profile);
    /** As a gateway would do it, which sees all: what it waits for itself is pushed to nobody, however soon it is there. */
    const route = async (text: string) => {
      const match = await matched(manager, text);
      if (!match) return null;
      const requester = { sessionKey: 'chat', channel: null, metadata: { chat: 7 }, replyTo: 'm1' };
      const { runId } = await manager.dispatch({ name: match.name, request: text, requester });
      return { match, runId, collected: manager.collect({ sessionKey: 'chat', runId, timeoutMs: 300_000 }) };
    };
    return { office, route };
  };

  test('hands the request on in the name of whoever asked, and waits for just that run', async () => {
    const { office, route } = await open();
    expect(await route('Good morning!')).toBeNull();
    const routed = await route('slow literature search');
    await office.manager.spawn({ task: 'count', scope: 'chat', requester: { channel: null } });
    await pass(office, 1_000);
    expect(routed?.match.reasons).toContain('keyword "literature search"');
    expect(await routed?.collected).toMatchObject([
      {
        runId: routed?.runId,
        name: 'librarian',
        state: 'completed',
        result: 'done: slow literature search',
        requester: { sessionKey: 'chat', channel: null, metadata: { chat: 7 }, replyTo: 'm1' },
      },
    ]);
    expect(await office.manager.collect({ sessionKey: 'chat' })).toMatchObject([{ label: 'count' }]);
    expect(await office.runtime.runs.list({ sentTo: 'chat' })).toEqual([]);
  });

  test('is told that it failed, that it was cancelled, or, in time, nothing', async () => {
    const { office, route } = await open();
    const failed = await route('fail this literature search');
    await settle();
    expect(await failed?.collected).toMatchObject([{ state: 'failed', result: null }]);
    const cancelled = await route('hang on this literature search');
    await settle();
    await office.manager.cancelAll({ scope: 'chat' });
    expect(await cancelled?.collected).toMatchObject([{ state: 'cancelled', result: null }]);
    const late = await route('hang on another literature search');
    await pass(office, 300_000);
    expect(await late?.collected).toEqual([]);
  });
});
