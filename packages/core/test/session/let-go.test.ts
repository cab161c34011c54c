// Sessions that nobody holds and that have nothing to do are let go, and nobody notices.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createRuntime, defineAgent, defineTool, type Session } from '@troupe/core';
import { type ScriptedProvider, scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
/** What is weakly held goes once the turn of the event loop is over in which it was looked at. */
const collected = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
};

const inputSchema = z.object({});
const ask = defineTool({ name: 'ask', description: 'Asks.', inputSchema, confirm: true, execute: () => 'yes' });
const friend = defineAgent({ name: 'friend', instructions: 'Be kind.', tools: [ask] });
const stranger = defineAgent({ name: 'stranger', instructions: 'Be polite.' });
/** As many as are kept though nothing of them goes on. */
const kept = 1_000;

const openWorld = () => {
  const provider: ScriptedProvider = scriptedProvider(({ messages }) => {
    const last = messages.at(-1);
    return last?.role === 'user' && last.content === 'ask' ? { calls: [{ name: 'ask', arguments: {} }] } : 'well';
  });
  const runtime = createRuntime({ provider, model: 'm' });
  const session = (sessionKey: string): Session => runtime.session(friend, { sessionKey });
  const talk = async (key: string, text: string) => (await session(key).send(text)).report;
  const others = async (): Promise<void> => {
    for (let i = 0; i < kept; i++) await talk(`other ${i}`, 'hello');
    await collected();
  };
  /** What its model was told last. */
  const told = () => provider.requests.at(-1)?.request.messages.map(({ content }) => content);
  return { runtime, session, talk, others, told };
};

describe('a session that a thousand others were used after', () => {
  test('is let go where nobody holds it, and goes on as it was', async () => {
    const { runtime, session, talk, others, told } = openWorld();
    await talk('a', 'one');
    await talk('b', 'one');
    const held = session('b');
    const [a, b] = [new WeakRef(session('a')), new WeakRef(held)];
    await others();
    expect([a.deref(), b.deref()]).toEqual([undefined, held]);
    const run = await session('a').send('two');
    expect((await run.report).text).toBe('well');
    expect(told()).toEqual(['Be kind.', 'one', 'well', 'two']);
    expect(await runtime.runs.get(run.id)).toMatchObject({ sessionKey: 'a', after: expect.any(String) });
    expect((await session('a').idle()).report?.runId).toBe(run.id);
    expect(session('a').messages.map(({ content }) => content)).toEqual(['Be kind.', 'one', 'well', 'two', 'well']);
    await runtime.close();
  });

  test('is the same for all that hold it, and remembers what was said', async () => {
    const { runtime, session, talk, others } = openWorld();
    await talk('a', 'one');
    const held = session('a');
    await others();
    expect(held.messages.map(({ content }) => content)).toEqual(['Be kind.', 'one', 'well']);
    expect(session('a')).toBe(held);
    // one queue, whoever sends
    const [first, second] = await Promise.all([held.send('two'), session('a').send('three')]);
    await second?.ended;
    expect(await runtime.runs.get(second?.id ?? '')).toMatchObject({ after: first?.id });
    await runtime.close();
  });

  test('is kept while something of it goes on', async () => {
    const { runtime, session, talk, others, told } = openWorld();
    expect((await talk('a', 'ask')).status).toBe('paused');
    const queued = await session('a').send('two');
    const a = new WeakRef(session('a'));
    await others();
    expect(a.deref()).toBeDefined();
    const [asking] = await session('a').runs();
    const [question] = asking?.questions ?? [];
    await asking?.answer(question?.id ?? '', true);
    expect((await queued.ended).text).toBe('well');
    expect(told()?.at(-1)).toBe('two');
    await runtime.close();
  });

  test('is let go after it had to wait among too many that were at work', async () => {
    const { runtime, session, talk, others } = openWorld();
    const busy = Array.from({ length: kept + 200 }, (_, i) => `busy ${i}`);
    for (const key of busy) expect((await talk(key, 'ask')).status).toBe('paused');
    const held = busy.map((key) => new WeakRef(session(key)));
    for (const key of busy) await session(key).interrupt();
    await others();
    expect(held.filter((session) => session.deref())).toEqual([]);
    await runtime.close();
  });

  test('is with whom it was', async () => {
    const { runtime, session, talk, others } = openWorld();
    await talk('a', 'one');
    session('never sent anything');
    await others();
    expect(() => runtime.session(stranger, { sessionKey: 'a' })).toThrow('is a conversation with agent "friend"');
    await runtime.deliver('never sent anything', { id: 'letter', text: 'Hello.' });
    const rest = await session('never sent anything').idle();
    expect(rest).toMatchObject({ status: 'idle', report: { agent: 'friend', text: 'well' } });
    await runtime.close();
  });
});
