import type { FaultError, ModelOptions, ModelPart, ModelProvider, ModelRequest } from '@troupe/protocol';
import { attempt } from './attempt.ts';
import { nameOf } from './name-of.ts';
import { wait } from './wait.ts';

export type RetryOptions = {
  /** How often a turn is tried in all. Default 3. */
  attempts?: number;
  /** Milliseconds before the second attempt; each wait is twice the one before. Default 500. */
  baseMs?: number;
  /** The longest wait in milliseconds. Default 30 000. */
  maxMs?: number;
  /** Whether to wait as long as the vendor asks for, when that is longer. Default `true`. */
  honourRetryAfter?: boolean;
};

/**
 * A provider that tries again when a fault is retryable.
 *
 * Every attempt that fails is told by an `attempt` part: what the turn said before is void, what it used is charged. Then the
 * provider waits on the clock of the turn, or, after the last attempt, throws that attempt's fault. It never tries sooner than
 * `details.retryAfterMs` of the fault asks for: when that is more than `maxMs`, the turn fails at once. The waits hold no
 * chance, so a test can tell them in advance. Aborting ends a wait at once.
 */
export const withRetry = (provider: ModelProvider, options: RetryOptions = {}): ModelProvider => ({
  get name() {
    return nameOf(provider);
  },
  takeTurn: (request, turn) => retried(provider, request, turn, options),
});

async function* retried(
  provider: ModelProvider,
  request: ModelRequest,
  turn: ModelOptions,
  options: RetryOptions,
): AsyncGenerator<ModelPart, void> {
  let told = 0;
  for (let tried = 1; ; tried++) {
    const failed = yield* attempt(provider, request, turn, () => ++told);
    if (!failed) return;
    const waitMs = waitAfter(failed.error, tried, options);
    if (waitMs === null) {
      yield failed.part;
      throw failed.error;
    }
    yield { ...failed.part, waitMs };
    if (waitMs > 0) await wait(waitMs, turn);
  }
}

/** Milliseconds to wait after the n-th failure, or `null` to give up. */
const waitAfter = (
  { retryable, details }: Pick<FaultError, 'retryable' | 'details'>,
  tried: number,
  { attempts = 3, baseMs = 500, maxMs = 30_000, honourRetryAfter = true }: RetryOptions,
): number | null => {
  if (!retryable || tried >= attempts) return null;
  const asked = honourRetryAfter && typeof details?.retryAfterMs === 'number' ? details.retryAfterMs : 0;
  return asked > maxMs ? null : Math.max(asked, Math.min(maxMs, baseMs * 2 ** (tried - 1)));
};
