import { FaultError, type ModelOptions, type ModelPart, type ModelProvider, type ModelRequest } from '@troupe/protocol';
import { asFaultError } from './attempt.ts';
import type { CredentialPool, Lease } from './credential-pool.ts';
import { nameOf } from './name-of.ts';
import { partsOf } from './sound-parts.ts';

/**
 * A provider that leases a credential for each turn, and gives it back however the turn ends.
 *
 * `make` is called once for each key, so that clients and their connections are used again. Faults and attempts name the
 * credential as `credentialId`, never the key. Wrapped in `withRetry`, each attempt takes a lease of its own.
 *
 * @throws FaultError `model.no_credential`, while iterating, when the pool is empty.
 */
export const withCredentials = (pool: CredentialPool, make: (apiKey: string) => ModelProvider): ModelProvider => {
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
    takeTurn: (request, turn) => leased(pool, providerFor, request, turn),
  };
};

async function* leased(
  pool: CredentialPool,
  providerFor: (apiKey: string) => ModelProvider,
  request: ModelRequest,
  turn: ModelOptions,
): AsyncGenerator<ModelPart, void> {
  const lease = pool.lease();
  if (!lease) throw noCredential();
  const release = () => lease.release();
  // A provider that does not hear an abort must not keep the credential from others.
  turn.signal.addEventListener('abort', release, { once: true });
  try {
    for await (const part of partsOf(providerFor(lease.apiKey), request, turn)) {
      yield part.type === 'attempt' ? { credentialId: lease.id, ...part } : part;
    }
  } catch (thrown) {
    throw naming(lease, asFaultError(thrown, turn.signal));
  } finally {
    turn.signal.removeEventListener('abort', release);
    release();
  }
}

const noCredential = () =>
  new FaultError(
    'model.no_credential',
    'The credential pool is empty. Give credentialPool at least one { id, apiKey }.',
  );

const naming = ({ id }: Lease, { code, message, retryable, runId, callId, details, cause }: FaultError): FaultError =>
  new FaultError(code, message, {
    retryable,
    ...(runId !== undefined && { runId }),
    ...(callId !== undefined && { callId }),
    details: { ...details, credentialId: id },
    cause,
  });
