import { scriptedProvider, type Turn } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { wait } from '../../src/model/wait.ts';
import { withRetry } from '../../src/model/with-retry.ts';
import { answerIn, attemptsIn, CountingClock, chargedIn, settle, taking } from './turn.ts';

const busy: Turn = {
  text: 'Hal',
  usage: { inputTokens: 3, outputTokens: 1 },
  fault: { code: 'model.rate_limited', retryable: true },
};
const asking = (retryAfterMs: number): Turn => ({ fault: { retryable: true, details: { retryAfterMs } } });

describe('withRetry', () => {
  test('tries again until a turn succeeds, waiting twice as long each time', async () => {
    const turn = taking(withRetry(scriptedProvider([busy, busy, 'Hello.'])));
    await settle();
    expect(turn.parts.at(-1)).toEqual({
      type: 'attempt',
      number: 1,
      provider: 'scripted',
      model: 'small',
      fault: { code: 'model.rate_limited', message: 'The script says so.', retryable: true },
      waitMs: 500,
      usage: { inputTokens: 3, outputTokens: 1 },
    });
    turn.clock.increment(499);
    await settle();
    expect(attemptsIn(turn.parts)).toHaveLength(1);
    turn.clock.increment(1);
    await settle();
    expect(attemptsIn(turn.parts)[1]).toMatchObject({ number: 2, waitMs: 1_000 });
    turn.clock.increment(1_000);
    await turn.done;
    expect(answerIn(turn.parts)[0]).toEqual({ type: 'text', delta: 'Hello.' });
  });

  test('throws the last fault after the last attempt, which is told as well', async () => {
    const provider = scriptedProvider([busy, busy, busy, 'never']);
    const turn = taking(withRetry(provider));
    expect(await turn.toEnd()).toMatchObject({ code: 'model.rate_limited' });
    expect(attemptsIn(turn.parts).map(({ number, waitMs }) => [number, waitMs])).toEqual([
      [1, 500],
      [2, 1_000],
      [3, undefined],
    ]);
    expect(turn.parts.at(-1)).toMatchObject({ type: 'attempt', number: 3 });
    expect(provider.requests).toHaveLength(3);
  });

  test('does not try again what would fail again', async () => {
    const provider = scriptedProvider([{ fault: { code: 'model.refused' } }]);
    const turn = taking(withRetry(provider));
    await expect(turn.done).rejects.toMatchObject({ code: 'model.refused' });
    expect(attemptsIn(turn.parts)).toMatchObject([{ number: 1, fault: { code: 'model.refused' } }]);
  });

  test('turns any other error into a fault that is not retryable', async () => {
    const bug = new TypeError('undefined is not a function');
    const turn = taking(withRetry(scriptedProvider([{ throws: bug }])));
    await expect(turn.done).rejects.toMatchObject({
      code: 'model.error',
      message: bug.message,
      retryable: false,
      details: { errorType: 'TypeError' },
      cause: bug,
    });
  });

  test.each([
    ['waits as long as it is asked to', asking(4_000), {}, 4_000],
    ['never waits less than its own back-off', asking(10), {}, 500],
    ['gives up when it is asked to wait longer than it may', asking(30_001), {}, undefined],
    ['ignores what it is asked when told so', asking(4_000), { honourRetryAfter: false }, 500],
    ['waits no longer than it may', busy, { baseMs: 50_000 }, 30_000],
    ['can wait not at all', busy, { baseMs: 0 }, 0],
    ['can be kept from trying again', busy, { attempts: 1 }, undefined],
  ])('%s', async (_what, first, options, waitMs) => {
    const turn = taking(withRetry(scriptedProvider([first, 'Hello.']), options));
    await settle();
    expect(attemptsIn(turn.parts)[0]?.waitMs).toBe(waitMs);
    turn.clock.increment(waitMs ?? 0);
    if (waitMs === undefined) await expect(turn.done).rejects.toMatchObject({ retryable: true });
    else await turn.done;
  });

  test('ends at once, and leaves no timer, when it is aborted while it waits', async () => {
    const provider = scriptedProvider([busy, 'never']);
    const turn = taking(withRetry(provider));
    await settle();
    expect(turn.clock.pending).toBe(1);
    turn.abort();
    await expect(turn.done).rejects.toMatchObject({ code: 'model.aborted' });
    expect(turn.clock.pending).toBe(0);
    expect(provider.requests).toHaveLength(1);
  });

  test('does not try again what was aborted', async () => {
    const provider = scriptedProvider([{ text: 'Hal', hang: true }, 'never']);
    const turn = taking(withRetry(provider));
    await settle();
    turn.abort();
    await expect(turn.done).rejects.toMatchObject({ code: 'model.aborted' });
    expect(attemptsIn(turn.parts)).toEqual([]);
    expect(provider.requests).toMatchObject([{ aborted: true }]);
  });

  test('tells each attempt once when wrapped twice, and takes over the last one', async () => {
    const provider = scriptedProvider([busy, busy, busy, 'Hello.']);
    const turn = taking(withRetry(withRetry(provider, { attempts: 2 }), { attempts: 2 }));
    expect(await turn.toEnd()).toBeUndefined();
    expect(attemptsIn(turn.parts).map(({ number, waitMs }) => [number, waitMs])).toEqual([
      [1, 500],
      [2, 500],
      [3, 500],
    ]);
    expect(chargedIn(turn.parts)).toBe(9 + 10);
  });

  test('lets the request go when its reader leaves early', async () => {
    let closed = false;
    const provider = withRetry({
      async *takeTurn() {
        try {
          yield { type: 'text', delta: 'Hal' };
          yield { type: 'text', delta: 'lo' };
        } finally {
          closed = true;
        }
      },
    });
    const { clock } = taking(scriptedProvider(['']));
    for await (const _ of provider.takeTurn(
      { model: 'm', messages: [], tools: [] },
      {
        clock,
        signal: new AbortController().signal,
        context: { runId: 'r', rootId: 'r', agent: 'a', turn: 1, depth: 0, key: 'k' },
      },
    ))
      break;
    expect(closed).toBe(true);
  });

  test('takes as many attempts as it may, in order, and charges each of them once', async () => {
    const failure = fc.record({
      retryable: fc.boolean(),
      tokens: fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
      retryAfterMs: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
    });
    const plan = fc.record({
      failures: fc.array(failure, { maxLength: 6 }),
      attempts: fc.integer({ min: 1, max: 5 }),
      baseMs: fc.integer({ min: 0, max: 8 }),
      maxMs: fc.integer({ min: 0, max: 30 }),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ failures, attempts, baseMs, maxMs }) => {
        const script = failures.map(
          ({ retryable, tokens, retryAfterMs }): Turn => ({
            text: 'void',
            ...(tokens !== undefined && { usage: { inputTokens: tokens } }),
            fault: { retryable, ...(retryAfterMs !== undefined && { details: { retryAfterMs } }) },
          }),
        );
        const provider = scriptedProvider([...script, { text: 'Hello.', usage: { inputTokens: 7 } }]);
        const turn = taking(withRetry(provider, { attempts, baseMs, maxMs }));
        const error = await turn.toEnd();

        const final = failures.findIndex(({ retryable, retryAfterMs = 0 }) => !retryable || retryAfterMs > maxMs);
        const failed = Math.min(failures.length, attempts, final < 0 ? Number.POSITIVE_INFINITY : final + 1);
        const succeeds = failed === failures.length && failed < attempts && final < 0;
        const told = attemptsIn(turn.parts);
        expect(error === undefined).toBe(succeeds);
        expect(provider.requests).toHaveLength(failed + (succeeds ? 1 : 0));
        expect(told.map(({ number }) => number)).toEqual(Array.from({ length: failed }, (_, i) => i + 1));
        expect(told.filter(({ waitMs }) => waitMs === undefined)).toHaveLength(succeeds ? 0 : 1);
        expect(answerIn(turn.parts)).toHaveLength(succeeds ? 3 : 0);
        expect(chargedIn(turn.parts)).toBe(
          failures.slice(0, failed).reduce((sum, { tokens = 0 }) => sum + tokens, succeeds ? 7 : 0),
        );
        expect(turn.clock.now()).toBe(told.reduce((sum, { waitMs = 0 }) => sum + waitMs, 0));
        expect(turn.clock.pending).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  test('makes a fault of whatever a provider throws, and says what kind of thing it was', async () => {
    const text: unknown = 'a mere text';
    const provider = {
      takeTurn: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(text) }) }),
    };
    const turn = taking(withRetry(provider));
    expect(await turn.toEnd()).toMatchObject({
      code: 'model.error',
      message: 'a mere text',
      details: { errorType: 'string' },
    });
    expect(attemptsIn(turn.parts)).toMatchObject([{ provider: 'unnamed', fault: { code: 'model.error' } }]);
  });

  test('ends at once when the turn was aborted before it waits, and leaves no timer [L9]', async () => {
    const clock = new CountingClock();
    await expect(wait(1_000, { clock, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'model.aborted' });
    expect(clock.pending).toBe(0);
  });
});
