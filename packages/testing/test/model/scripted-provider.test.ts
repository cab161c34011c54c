import type { ModelContext, ModelOptions, ModelPart, ModelRequest } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { type ScriptedProvider, scriptedProvider } from '../../src/index.ts';

const context: ModelContext = { runId: 'r', rootId: 'r', agent: 'lead', turn: 1, depth: 0, key: 'r/1' };
const request: ModelRequest = { model: 'm', messages: [{ role: 'user', content: 'Tell me.' }], tools: [] };

const ask = (about: Partial<ModelContext> = {}) => {
  const controller = new AbortController();
  const clock = new SimulatedClock();
  const options: ModelOptions = { signal: controller.signal, clock, context: { ...context, ...about } };
  return { options, clock, abort: () => controller.abort() };
};

const take = async (provider: ScriptedProvider, options = ask().options) => {
  const parts: ModelPart[] = [];
  for await (const part of provider.takeTurn(request, options)) parts.push(part);
  return parts;
};

/** Reads until the turn ends, keeping what came before an error. */
const reading = (provider: ScriptedProvider, options: ModelOptions) => {
  const parts: ModelPart[] = [];
  const done = (async () => {
    for await (const part of provider.takeTurn(request, options)) parts.push(part);
  })();
  done.catch(() => {});
  return { parts, done };
};

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('a scripted provider', () => {
  test('says text, with usage and a finish', async () => {
    expect(await take(scriptedProvider(['Hello.']))).toEqual([
      { type: 'text', delta: 'Hello.' },
      { type: 'usage', usage: { inputTokens: 10, outputTokens: 5 } },
      { type: 'finish', reason: 'stop' },
    ]);
  });

  test('says everything a turn can hold, in order', async () => {
    const turn = {
      reasoning: 'Hm.',
      deltas: ['He', 'llo'],
      calls: [
        { name: 'add', arguments: { a: 1 } },
        { name: 'add', arguments: '{broken', id: 'mine' },
      ],
      usage: { outputTokens: 7, costUsd: 0.5 },
    };
    const provider = scriptedProvider([
      turn,
      {
        calls: [
          { name: 'stop', arguments: undefined },
          { name: 'stop', arguments: null },
        ],
        finish: 'length',
      },
    ]);
    expect(await take(provider)).toEqual([
      { type: 'reasoning', delta: 'Hm.' },
      { type: 'text', delta: 'He' },
      { type: 'text', delta: 'llo' },
      { type: 'call', id: 'call_1', name: 'add', arguments: '{"a":1}' },
      { type: 'call', id: 'mine', name: 'add', arguments: '{broken' },
      { type: 'usage', usage: { inputTokens: 10, outputTokens: 7, costUsd: 0.5 } },
      { type: 'finish', reason: 'calls' },
    ]);
    expect(await take(provider)).toMatchObject([
      { id: 'call_2', arguments: '{}' },
      { id: 'call_3', arguments: 'null' },
      { type: 'usage' },
      { reason: 'length' },
    ]);
  });

  test('keeps a script for each agent', async () => {
    const provider = scriptedProvider({ lead: ['one', 'two'], writer: ['first'] });
    const said = async (agent: string) => (await take(provider, ask({ agent }).options))[0];
    expect(await said('writer')).toEqual({ type: 'text', delta: 'first' });
    expect(await said('lead')).toEqual({ type: 'text', delta: 'one' });
    expect(await said('lead')).toEqual({ type: 'text', delta: 'two' });
    await expect(said('constructor')).rejects.toMatchObject({ code: 'script.exhausted' });
  });

  test('asks a function, which may take its time', async () => {
    const provider = scriptedProvider(({ messages }, { agent }) => Promise.resolve(`${agent} got ${messages.length}`));
    expect((await take(provider))[0]).toEqual({ type: 'text', delta: 'lead got 1' });
    expect((await take(provider))[0]).toEqual({ type: 'text', delta: 'lead got 1' });
  });

  test('remembers what it was asked', async () => {
    const provider = scriptedProvider(['Hello.']);
    await take(provider);
    expect(provider.requests).toEqual([{ request, context, aborted: false }]);
  });

  test('names agent, turn and last message when it runs dry', async () => {
    await expect(take(scriptedProvider([]), ask({ turn: 4 }).options)).rejects.toMatchObject({
      code: 'script.exhausted',
      retryable: false,
      message: expect.stringMatching(/Agent "lead".*turn 4.*user: Tell me\./),
    });
  });

  test('ends with a fault after what the turn says', async () => {
    const provider = scriptedProvider([
      { fault: {} },
      {
        text: 'Hal',
        usage: { inputTokens: 3 },
        fault: { code: 'model.rate_limited', retryable: true, details: { retryAfterMs: 9 } },
      },
    ]);
    const silent = reading(provider, ask().options);
    await expect(silent.done).rejects.toMatchObject({ code: 'model.unavailable', retryable: false });
    expect(silent.parts).toEqual([]);
    const loud = reading(provider, ask().options);
    await expect(loud.done).rejects.toMatchObject({
      code: 'model.rate_limited',
      retryable: true,
      details: { retryAfterMs: 9 },
    });
    expect(loud.parts).toEqual([
      { type: 'text', delta: 'Hal' },
      { type: 'usage', usage: { inputTokens: 3, outputTokens: 5 } },
    ]);
  });

  test('throws the very error it was given', async () => {
    const bug = new TypeError('bug');
    await expect(take(scriptedProvider([{ throws: bug }]))).rejects.toBe(bug);
  });

  test('waits on the clock it is given', async () => {
    const { options, clock } = ask();
    const { parts, done } = reading(scriptedProvider([{ text: 'Late.', delayMs: 1_000 }]), options);
    await settle();
    clock.increment(999);
    await settle();
    expect(parts).toEqual([]);
    clock.increment(1);
    await done;
    expect(parts[0]).toEqual({ type: 'text', delta: 'Late.' });
  });

  test.each([
    ['while it hangs', { text: 'Hal', hang: true as const }, 1],
    ['while it waits', { text: 'Late.', delayMs: 1_000 }, 0],
    ['while its script thinks', () => new Promise<string>(() => {}), 0],
  ])('ends at once when it is aborted %s', async (_when, turn, said) => {
    const provider = scriptedProvider(typeof turn === 'function' ? turn : [turn]);
    const { options, abort } = ask();
    const { parts, done } = reading(provider, options);
    await settle();
    expect(provider.requests[0]?.aborted).toBe(false);
    abort();
    await expect(done).rejects.toMatchObject({ code: 'model.aborted' });
    expect(provider.requests[0]?.aborted).toBe(true);
    expect(parts).toHaveLength(said);
  });

  test('ends at once when it is aborted between two parts', async () => {
    const { options, abort } = ask();
    const turn = scriptedProvider([{ deltas: ['a', 'b'] }])
      .takeTurn(request, options)
      [Symbol.asyncIterator]();
    await turn.next();
    abort();
    await expect(turn.next()).rejects.toMatchObject({ code: 'model.aborted' });
  });

  test('says nothing when it was aborted before it began', async () => {
    const provider = scriptedProvider(['never']);
    const { options, abort } = ask();
    abort();
    const { parts, done } = reading(provider, options);
    await expect(done).rejects.toMatchObject({ code: 'model.aborted' });
    expect(parts).toEqual([]);
    expect(provider.requests[0]?.aborted).toBe(true);
  });

  test('is not aborted by a signal that comes after its end', async () => {
    const provider = scriptedProvider(['Done.']);
    const { options, abort } = ask();
    await take(provider, options);
    abort();
    expect(provider.requests[0]?.aborted).toBe(false);
  });
});
