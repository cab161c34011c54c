import type { CredentialPool } from '@troupe/core';
import { FaultError } from '@troupe/protocol';
import { type Endpoint, endpointId } from './endpoint.ts';

/** Credential pools, each for one endpoint. Make it with {@link endpointPools}. */
export type EndpointPools = {
  /** The pool of an endpoint, by its id. */
  at(endpoint: string): CredentialPool | undefined;
};

/**
 * Says which endpoint each credential pool is for, by its base URL or by the name of its provider: that of the parent, so that
 * children share it, and those of other endpoints. An endpoint that is not here has no pool.
 *
 * @throws FaultError `delegate.endpoint_invalid` when an entry names no endpoint, or one that has a pool already.
 */
export const endpointPools = (
  entries: readonly { endpoint: Pick<Endpoint, 'provider' | 'baseURL'>; pool: CredentialPool }[],
): EndpointPools => {
  const pools = new Map<string, CredentialPool>();
  for (const { endpoint, pool } of entries) {
    const id = endpointId(endpoint);
    if (id === 'provider:' || pools.has(id))
      throw new FaultError(
        'delegate.endpoint_invalid',
        id === 'provider:'
          ? 'A credential pool needs an endpoint: give it a provider or a baseURL.'
          : `"${id}" has two credential pools. An endpoint has one: put all its keys into it.`,
      );
    pools.set(id, pool);
  }
  return { at: (endpoint) => pools.get(endpoint) };
};
