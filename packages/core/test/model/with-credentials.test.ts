import { FaultError, type ModelProvider } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { type CredentialPool, credentialPool } from '../../src/model/credential-pool.ts';
import { withCredentials } from '../../src/model/with-credentials.ts';
import { withFallback } from '../../src/model/with-fallback.ts';
import { withRetry } from '../../src/model/with-retry.ts';
import { attemptsIn, CountingClock, optionsOf, request, settle, taking } from './turn.ts';

const keys = [
  { id: 'one', apiKey: 'key-number-one' },
  { id: 'two', apiKey: 'key-number-two' },
];
const busy: Turn = { fault: { code: 'model.rate_limited', retryable: true, details: { retryAfterMs: 7 } } };

/** A pool of one that says how many leases are out. */
const watched = (): CredentialPool & { out: number } => {
  const inner = credentialPool(keys.slice(0, 1));
  const pool = {
    out: 0,
    lease() {
      const lease = inner.lease();
      if (!lease) return null;
      pool.out += 1;
      let held = true;
      return {
        ...lease,
        release() {
          if (held) pool.out -= 1;
          held = false;
          lease.release();
        },
      };
    },
  };
  return pool;
};

describe('withCredentials', () => {
  test.each<[string, Turn, number]>([
    ['completes', 'Hello.', 0],
    ['fails', { text: 'Hal', fault: {} }, 0],
    ['throws', { throws: new Error('bug') }, 0],
    ['is aborted, for example by a timeout', { text: 'Hal', hang: true }, 1],
  ])('[HM-064] gives the lease back when the turn %s', async (_how, turn, held) => {
    const pool = watched();
    const taken = taking(withCredentials(pool, () => scriptedProvider([turn])));
    await settle();
    expect(pool.out).toBe(held);
    taken.abort();
    await taken.done.catch(() => {});
    expect(pool.out).toBe(0);
  });

  test('[HM-064] gives the lease back when the reader leaves early', async () => {
    const pool = watched();
    const provider = withCredentials(pool, () => scriptedProvider([{ deltas: ['a', 'b'] }]));
    for await (const _ of provider.takeTurn(request, optionsOf(new CountingClock(), new AbortController().signal))) {
      expect(pool.out).toBe(1);
      break;
    }
    expect(pool.out).toBe(0);
  });

  test('[HM-064] gives the lease back when a provider does not hear the abort', async () => {
    const pool = watched();
    const deaf: ModelProvider = {
      async *takeTurn() {
        await new Promise(() => {});
        yield { type: 'finish', reason: 'stop' };
      },
    };
    const taken = taking(withCredentials(pool, () => deaf));
    await settle();
    expect(pool.out).toBe(1);
    taken.abort();
    expect(pool.out).toBe(0);
  });

  test('[HM-064] gives the lease back when no provider can be made', async () => {
    const pool = watched();
    const failing = withCredentials(pool, () => {
      throw new Error('bad key');
    });
    await expect(taking(failing).done).rejects.toMatchObject({ code: 'model.error', details: { credentialId: 'one' } });
    expect(pool.out).toBe(0);
  });

  test('[HM-063] shares the pool between turns of different runs, and a provider between turns of one key', async () => {
    const made: string[] = [];
    const provider = withCredentials(credentialPool(keys), (apiKey) => {
      made.push(apiKey);
      return scriptedProvider([{ hang: true }, 'Hello.']);
    });
    const [one, two] = [taking(provider), taking(provider)];
    await settle();
    expect(made).toEqual(['key-number-one', 'key-number-two']);
    one.abort();
    await one.done.catch(() => {});
    await taking(provider).done;
    expect(made).toHaveLength(2);
    two.abort();
  });

  test('names the credential in the fault, with what the fault said before', async () => {
    await expect(
      taking(withCredentials(credentialPool(keys.slice(0, 1)), () => scriptedProvider([busy]))).done,
    ).rejects.toMatchObject({
      code: 'model.rate_limited',
      retryable: true,
      details: { retryAfterMs: 7, credentialId: 'one' },
    });
  });

  /** A provider whose keys answer as they are told to, and who asked with which. */
  const keyed = (turns: Record<string, Turn[]>, ...ids: string[]) => {
    const asked: string[] = [];
    const pool = credentialPool(ids.map((id) => ({ id, apiKey: `key-number-${id}` })));
    const provider = withCredentials(pool, (apiKey) => {
      const inner = scriptedProvider(turns[apiKey.slice('key-number-'.length)] ?? []);
      return {
        ...inner,
        takeTurn(...turn) {
          asked.push(apiKey.slice('key-number-'.length));
          return inner.takeTurn(...turn);
        },
      };
    });
    return { asked, provider };
  };
  const limited: Turn = { fault: { code: 'model.rate_limited', retryable: true, details: { retryAfterMs: 90_000 } } };
  const spent: Turn = { fault: { code: 'model.quota', retryable: false } };
  const unknown: Turn = { fault: { code: 'model.unauthorized', retryable: false, details: { status: 401 } } };

  test('[HM-065] tries again with another credential where one is refused, without the wait that is asked of that one', async () => {
    const { asked, provider } = keyed(
      { one: [limited, 'Late.'], two: [spent], three: [unknown], four: ['Hello.'] },
      'one',
      'two',
      'three',
      'four',
    );
    const turn = taking(withRetry(provider, { attempts: 5 }));
    expect(await turn.toEnd()).toBeUndefined();
    expect(asked).toEqual(['one', 'two', 'three', 'four']);
    expect(attemptsIn(turn.parts)).toMatchObject([
      { credentialId: 'one', waitMs: 500, fault: { retryable: true, details: { restMs: 90_000 } } },
      { credentialId: 'two', waitMs: 1_000, fault: { code: 'model.quota', details: { restMs: 60_000 } } },
      { credentialId: 'three', waitMs: 2_000, fault: { details: { status: 401, restMs: 60_000 } } },
    ]);
  });

  test('[HM-065] gives other turns another credential as long as one rests', async () => {
    const { asked, provider } = keyed({ one: [limited, 'Late.'], two: ['a', 'b'] }, 'one', 'two');
    const clock = new CountingClock();
    await expect(taking(provider, clock).done).rejects.toMatchObject({ retryable: true });
    await taking(provider, clock).done;
    clock.increment(89_999);
    await taking(provider, clock).done;
    clock.increment(1);
    await taking(provider, clock).done;
    expect(asked).toEqual(['one', 'two', 'two', 'one']);
  });

  test('[HM-065] says of the last that is refused what its vendor said', async () => {
    const { provider } = keyed({ one: [limited], two: [limited], three: [] }, 'one', 'two');
    const clock = new CountingClock();
    await expect(taking(provider, clock).done).rejects.toMatchObject({ details: { restMs: 90_000 } });
    const error = await taking(provider, clock).toEnd();
    expect(error).toMatchObject({ details: { retryAfterMs: 90_000, credentialId: 'two' } });
    expect(error).not.toHaveProperty('details.restMs');
  });

  test('[HM-065] lets no credential rest for what is not its own fault', async () => {
    const unavailable: Turn = { fault: { code: 'model.unavailable', retryable: true, details: { retryAfterMs: 7 } } };
    const { asked, provider } = keyed({ one: [unavailable, 'Hello.'] }, 'one', 'two');
    const turn = taking(withRetry(provider));
    await turn.toEnd();
    expect(asked).toEqual(['one', 'one']);
    expect(attemptsIn(turn.parts)).toMatchObject([{ fault: { details: { retryAfterMs: 7 } } }]);
  });

  test('names the credential in the attempts around it and below it', async () => {
    const around = taking(withRetry(withCredentials(credentialPool(keys), () => scriptedProvider([busy, 'Hello.']))));
    await around.toEnd();
    expect(attemptsIn(around.parts)).toMatchObject([{ provider: 'scripted', credentialId: 'one', waitMs: 500 }]);
    const below = withCredentials(credentialPool(keys), () =>
      withRetry(scriptedProvider([busy, busy]), { attempts: 2 }),
    );
    const turn = taking(withFallback([{ provider: below }, { provider: scriptedProvider(['Hello.']) }]));
    await turn.toEnd();
    expect(attemptsIn(turn.parts).map(({ number, credentialId, waitMs }) => [number, credentialId, waitMs])).toEqual([
      [1, 'one', 500],
      [2, 'one', 0],
    ]);
  });

  test('says nothing about credentials when all is well', async () => {
    const turn = taking(withCredentials(credentialPool(keys), () => scriptedProvider(['Hello.'])));
    await turn.done;
    expect(turn.parts.map(({ type }) => type)).toEqual(['text', 'usage', 'finish']);
  });

  test('[HM-065] fails the turn when the pool is empty', async () => {
    await expect(
      taking(withCredentials(credentialPool([]), () => scriptedProvider(['never']))).done,
    ).rejects.toMatchObject({
      code: 'model.no_credential',
      retryable: false,
    });
  });

  test('[HM-064] names the credential in a fault, and keeps whatever else the fault says', async () => {
    const fault = new FaultError('model.failed', 'No.', { runId: 'r', callId: 'c', details: { status: 500 } });
    const provider = withCredentials(credentialPool(keys), () => scriptedProvider([{ throws: fault }]));
    expect(provider.name).toBe('unnamed');
    const error = await taking(provider).toEnd();
    expect(error).toMatchObject({ runId: 'r', callId: 'c', details: { status: 500, credentialId: 'one' } });
    expect(provider.name).toBe('scripted');
  });
});
