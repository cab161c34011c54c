import type { ModelPart, ModelProvider } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { withFallback } from '../../src/model/with-fallback.ts';
import { withRetry } from '../../src/model/with-retry.ts';
import { answerIn, attemptsIn, chargedIn, settle, taking } from './turn.ts';

const down: Turn = { text: 'Hal', usage: { inputTokens: 3 }, fault: { retryable: true } };
const named = (name: string, provider: ModelProvider): ModelProvider => ({
  name,
  takeTurn: (request, options) => provider.takeTurn(request, options),
});

describe('withFallback', () => {
  test('asks the next provider for its own model', async () => {
    const [first, second] = [scriptedProvider([down]), scriptedProvider(['Hello.'])];
    const turn = taking(
      withFallback([{ provider: named('a', first) }, { provider: named('b', second), model: 'large' }]),
    );
    await turn.done;
    expect(attemptsIn(turn.parts)).toMatchObject([{ number: 1, provider: 'a', model: 'small', waitMs: 0 }]);
    expect(answerIn(turn.parts)[0]).toEqual({ type: 'text', delta: 'Hello.' });
    expect(first.requests[0]?.request.model).toBe('small');
    expect(second.requests[0]?.request.model).toBe('large');
  });

  test('throws the last fault', async () => {
    const last = scriptedProvider([{ fault: { code: 'model.rate_limited', retryable: true } }]);
    const turn = taking(withFallback([{ provider: scriptedProvider([down]) }, { provider: last, model: 'large' }]));
    await expect(turn.done).rejects.toMatchObject({ code: 'model.rate_limited' });
    expect(attemptsIn(turn.parts).map(({ number, model, waitMs }) => [number, model, waitMs])).toEqual([
      [1, 'small', 0],
      [2, 'large', undefined],
    ]);
  });

  test('stays with a fault that would be the same elsewhere, unless told otherwise', async () => {
    const refused: Turn = { fault: { code: 'model.refused' } };
    const choices = () => [{ provider: scriptedProvider([refused]) }, { provider: scriptedProvider(['Hello.']) }];
    await expect(taking(withFallback(choices())).done).rejects.toMatchObject({ code: 'model.refused' });
    await taking(withFallback(choices(), { on: ({ code }) => code === 'model.refused' })).done;
  });

  test('goes on only after the retries of a choice, telling each attempt once', async () => {
    const a = named('a', scriptedProvider([down, down]));
    const b = named('b', scriptedProvider([down, 'Hello.']));
    const turn = taking(
      withFallback([
        { provider: withRetry(a, { attempts: 2 }) },
        { provider: withRetry(b, { attempts: 2 }), model: 'large' },
      ]),
    );
    expect(await turn.toEnd()).toBeUndefined();
    expect(
      attemptsIn(turn.parts).map(({ number, provider, model, waitMs }) => [number, provider, model, waitMs]),
    ).toEqual([
      [1, 'a', 'small', 500],
      [2, 'a', 'small', 0],
      [3, 'b', 'large', 500],
    ]);
    expect(chargedIn(turn.parts)).toBe(3 * 3 + 10);
  });

  test('can itself be tried again', async () => {
    const one = scriptedProvider([down, 'Hello.']);
    const turn = taking(withRetry(withFallback([{ provider: one }, { provider: scriptedProvider([down]) }])));
    expect(await turn.toEnd()).toBeUndefined();
    expect(attemptsIn(turn.parts).map(({ number, waitMs }) => [number, waitMs])).toEqual([
      [1, 0],
      [2, 500],
    ]);
  });

  test('keeps attempts that a provider tells by itself, in their place', async () => {
    const own: ModelPart = {
      type: 'attempt',
      number: 1,
      provider: 'vendor',
      model: 'small',
      usage: { inputTokens: 2, outputTokens: 0 },
    };
    const vendor = (...after: (ModelPart | Error)[]): ModelProvider => ({
      async *takeTurn() {
        for (const part of [own, ...after]) {
          if (part instanceof Error) throw part;
          yield part;
        }
      },
    });
    const text: ModelPart = { type: 'text', delta: 'Hello.' };
    const fine = taking(withFallback([{ provider: vendor(text) }]));
    await fine.done;
    expect(fine.parts).toEqual([own, text]);
    const silent = taking(withFallback([{ provider: vendor() }]));
    await silent.done;
    expect(silent.parts).toEqual([own]);
    const broken = taking(withFallback([{ provider: vendor(new Error('bug')) }]));
    await expect(broken.done).rejects.toMatchObject({ code: 'model.error' });
    expect(broken.parts).toMatchObject([own, { number: 2, fault: { code: 'model.error' } }]);
  });

  test('asks nobody else when it is aborted', async () => {
    const second = scriptedProvider(['never']);
    const turn = taking(
      withFallback([{ provider: scriptedProvider([{ hang: true }]) }, { provider: second }], { on: () => true }),
    );
    await settle();
    turn.abort();
    await expect(turn.done).rejects.toMatchObject({ code: 'model.aborted' });
    expect(second.requests).toEqual([]);
  });

  test('asks nobody else when it is aborted between two choices', async () => {
    const second = scriptedProvider(['never']);
    const turn = taking(withFallback([{ provider: scriptedProvider([down]) }, { provider: second }]));
    const watch = turn.parts.push.bind(turn.parts);
    turn.parts.push = (part) => {
      if (part.type === 'attempt') turn.abort();
      return watch(part);
    };
    await expect(turn.done).rejects.toMatchObject({ code: 'model.aborted' });
    expect(second.requests).toEqual([]);
  });

  test('goes by the name of its first choice', () => {
    const choices = [{ provider: named('a', scriptedProvider([])) }, { provider: named('b', scriptedProvider([])) }];
    expect(withRetry(withFallback(choices)).name).toBe('a');
  });

  test('needs a provider', () => {
    expect(() => withFallback([])).toThrow(expect.objectContaining({ code: 'model.no_provider' }));
  });
});
