// Sessions that nobody holds and that have nothing to do are let go, and nobody notices.
import { createRuntime, defineAgent, defineTool, memoryStore, type Session } from '@troupe/core';
import { type ScriptedProvider, scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { collected } from '../../../../test/support/collected.ts';

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

describe('a session of which nothing is stored any more', () => {
  const forget = (runtime: ReturnType<typeof createRuntime>, sentTo: string) =>
    runtime.runs.prune({ olderThan: 0, sentTo });

  test('is not known any longer where nobody holds it, nor is its agent', async () => {
    const { runtime } = openWorld();
    const make = runtime.defineAgents('pupils', (name) => defineAgent({ name: String(name), instructions: 'Learn.' }));
    const pupils: WeakRef<object>[] = [];
    const meet = async (key: string): Promise<void> => {
      const pupil = make(key);
      pupils.push(new WeakRef(pupil));
      await (await runtime.session(pupil, { sessionKey: key }).send('hello')).ended;
      await forget(runtime, key);
    };
    for (let i = 0; i < 40; i++) {
      await meet(`a ${i}`);
      if (i % 8 === 7) await collected();
    }
    for (const key of ['b', 'c', 'd']) {
      await collected();
      await meet(key);
    }
    await collected();
    expect(pupils.filter((pupil) => pupil.deref()).length).toBeLessThan(8);
    await runtime.close();
  });

  test('is the same for whoever holds it, and begins anew', async () => {
    const { runtime, session, talk, told } = openWorld();
    await talk('a', 'one');
    const held = session('a');
    for (const key of ['a', 'b', 'c', 'a']) {
      await talk(key, 'hello');
      await forget(runtime, key);
      await collected();
    }
    expect(session('a')).toBe(held);
    expect((await talk('a', 'two')).status).toBe('completed');
    expect(told()).toEqual(['Be kind.', 'two']);
    await runtime.close();
  });

  test('may be with somebody else', async () => {
    const { runtime, session, talk, told } = openWorld();
    await talk('a', 'one');
    await forget(runtime, 'a');
    for (const key of ['b', 'c', 'd']) {
      await collected();
      await talk(key, 'hello');
      await forget(runtime, key);
    }
    const run = await runtime.session(stranger, { sessionKey: 'a' }).send('two');
    expect((await run.ended).status).toBe('completed');
    expect(told()).toEqual(['Be polite.', 'two']);
    expect(() => session('a')).toThrow('is a conversation with agent "stranger"');
    await runtime.close();
  });

  test('is kept while something of it goes on', async () => {
    const { runtime, session, talk } = openWorld();
    expect((await talk('a', 'ask')).status).toBe('paused');
    await forget(runtime, 'a');
    for (const key of ['b', 'c', 'd']) {
      await collected();
      await talk(key, 'hello');
      await forget(runtime, key);
    }
    const rest = await session('a').idle();
    expect(rest).toMatchObject({ status: 'paused' });
    await runtime.close();
  });

  test('is kept while what it was sent is not stored yet', async () => {
    const inner = memoryStore();
    const opened = Promise.withResolvers<void>();
    const commit: typeof inner.commit = async (commits) => {
      await opened.promise;
      return inner.commit(commits);
    };
    const runtime = createRuntime({
      provider: scriptedProvider(() => 'well'),
      model: 'm',
      store: { ...inner, commit },
    });
    const sending = ['one', 'two'].map((text) => runtime.session(friend, { sessionKey: 'a' }).send(text));
    await new Promise((resolve) => setImmediate(resolve));
    await forget(runtime, 'a');
    opened.resolve();
    const runs = await Promise.all(sending);
    for (const run of runs) expect((await run.ended).status).toBe('completed');
    expect(await runtime.runs.get(runs[1]?.id ?? '')).toMatchObject({ after: runs[0]?.id });
    await runtime.close();
  });
});
