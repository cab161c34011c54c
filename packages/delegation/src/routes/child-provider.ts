import { type CredentialPool, withCredentials } from '@troupe/core';
import type { ModelProvider } from '@troupe/protocol';
import { addressOf, type Wire } from './endpoint.ts';
import type { EndpointPools } from './endpoint-pools.ts';
import { hiddenOf, type Route } from './route-of.ts';

/** What a program needs to know to reach an endpoint. It holds a key: not to be told or stored. */
export type Connection = { provider: string; baseURL?: string; wire: Wire; apiKey?: string };

/** Makes the provider of an endpoint, with the key it is given and with no other. Every turn names its model itself. */
export type Connect = (to: Connection) => ModelProvider;

/** The providers that were made: by who connects, whose keys they use, and where they lead. */
const shared = new WeakMap<Connect, WeakMap<object, Map<string, ModelProvider>>>();

const made = (connect: Connect, keys: object): Map<string, ModelProvider> => {
  const byKeys = shared.get(connect) ?? new WeakMap<object, Map<string, ModelProvider>>();
  shared.set(connect, byKeys);
  const byAddress = byKeys.get(keys) ?? new Map<string, ModelProvider>();
  byKeys.set(keys, byAddress);
  return byAddress;
};

/** The same pool, which gives the fixed key when it has nothing to give. */
const orFixed = (pool: CredentialPool, apiKey: string | undefined): CredentialPool =>
  apiKey === undefined ? pool : { lease: (at) => pool.lease(at) ?? { id: 'fixed', apiKey, release: () => {} } };

/**
 * The provider that a route leads to, the same one for every route to the same endpoint with the same `connect`. Where a pool applies,
 * each turn leases a key of it and gives it back however the turn ends; what the route says of the endpoint stays as it is.
 *
 * `undefined` when the route pins nothing: children then use the provider of their parent as it is, with its retries and fallbacks.
 *
 * @param pools What `routeOf` was given as `pools`.
 * @throws FaultError `delegate.route_unknown` for a copy of a route.
 */
export const childProvider = (route: Route, connect: Connect, pools?: EndpointPools): ModelProvider | undefined => {
  const { baseURL, apiKey, poolAt } = hiddenOf(route);
  if (route.pins === 'nothing') return undefined;
  const { provider, wire } = route;
  const to = { provider, wire, ...(baseURL && { baseURL }) };
  const pool = poolAt === undefined ? undefined : pools?.at(poolAt);
  const providers = made(connect, pool ?? connect);
  const where = JSON.stringify([baseURL ? addressOf(baseURL) : route.endpoint, provider, wire, apiKey]);
  const existing = providers.get(where);
  if (existing) return existing;
  const fresh = pool
    ? withCredentials(orFixed(pool, apiKey), (leased) => connect({ ...to, apiKey: leased }))
    : connect({ ...to, ...(apiKey && { apiKey }) });
  providers.set(where, fresh);
  return fresh;
};
