import { FaultError, type ModelOptions, type ModelPart, type ModelProvider, type ModelRequest } from '@troupe/protocol';
import { asFaultError } from './attempt.ts';
import type { CredentialPool, Lease } from './credential-pool.ts';
import { nameOf } from './name-of.ts';
import { partsOf } from './sound-parts.ts';

export type CredentialsOptions = {
  /** Milliseconds for which a credential rests that its vendor refuses, where the fault does not say. Default 60 000. */
  restMs?: number;
};

/** Faults that another credential may not meet: it is this one that is refused. */
const refusals = new Set(['model.rate_limited', 'model.quota', 'model.unauthorized']);

/**
 * A provider that leases a credential for each turn, and gives it back however the turn ends.
 *
 * `make` is called once for each key, so that clients and their connections are used again. Faults and attempts name the
 * credential as `credentialId`, never the key. Wrapped in `withRetry`, each attempt takes a lease of its own.
 *
 * A credential that is refused rests: after `model.rate_limited`, `model.quota` and `model.unauthorized` others are leased in its
 * place, for `details.retryAfterMs` of the fault or else `restMs`, by the clock of the turn. Where there is another that does not
 * rest, the fault is retryable at once: what the vendor said of this one is told as `details.restMs`.
 *
 * @throws FaultError `model.no_credential`, while iterating, when the pool is empty.
 */
export const withCredentials = (
  pool: CredentialPool,
  make: (apiKey: string) => ModelProvider,
  { restMs = 60_000 }: CredentialsOptions = {},
): ModelProvider => {
  const made = new Map<string, ModelProvider>();
  const providerFor = (apiKey: string): ModelProvider => {
    const provider = made.get(apiKey) ?? make(apiKey);
    made.set(apiKey, provider);
    return provider;
  };
  return {
    get name() {
      const [any] = made.values();
      return any ? nameOf(any) : 'unnamed';
    },
    takeTurn: (request, turn) => leased({ pool, providerFor, restMs }, request, turn),
  };
};

type Leasing = { pool: CredentialPool; providerFor: (apiKey: string) => ModelProvider; restMs: number };

async function* leased(
  { pool, providerFor, restMs }: Leasing,
  request: ModelRequest,
  turn: ModelOptions,
): AsyncGenerator<ModelPart, void> {
  const lease = pool.lease(turn.clock.now());
  if (!lease) throw noCredential();
  const release = () => lease.release();
  // A provider that does not hear an abort must not keep the credential from others.
  turn.signal.addEventListener('abort', release, { once: true });
  try {
    for await (const part of partsOf(providerFor(lease.apiKey), request, turn)) {
      yield part.type === 'attempt' ? { credentialId: lease.id, ...part } : part;
    }
  } catch (thrown) {
    const fault = asFaultError(thrown, turn.signal);
    if (!refusals.has(fault.code)) throw naming(lease, fault);
    const asked = fault.details?.retryAfterMs;
    const rest = typeof asked === 'number' ? asked : restMs;
    const at = turn.clock.now();
    lease.release(at + rest);
    throw hasAnother(pool, lease, at) ? naming(lease, fault, rest) : naming(lease, fault);
  } finally {
    turn.signal.removeEventListener('abort', release);
    release();
  }
}

/** Whether the next turn is given one that is not refused. */
const hasAnother = (pool: CredentialPool, refused: Lease, at: number): boolean => {
  const next = pool.lease(at);
  next?.release();
  return next !== null && next.id !== refused.id && !next.resting;
};

const noCredential = () =>
  new FaultError(
    'model.no_credential',
    'The credential pool is empty. Give credentialPool at least one { id, apiKey }.',
  );

/** @param restMs Of a credential for which another stands in. */
const naming = ({ id }: Lease, fault: FaultError, restMs?: number): FaultError => {
  const { code, message, retryable, runId, callId, cause } = fault;
  const { retryAfterMs: _, ...details } = fault.details ?? {};
  return new FaultError(code, message, {
    retryable: retryable || restMs !== undefined,
    ...(runId !== undefined && { runId }),
    ...(callId !== undefined && { callId }),
    details: restMs === undefined ? { ...fault.details, credentialId: id } : { ...details, restMs, credentialId: id },
    cause,
  });
};
