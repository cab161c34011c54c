import { FaultError, keepSecret, messageOf } from '@troupe/protocol';
import {
  type Endpoint,
  endpointId,
  isWire,
  type KnownEndpoint,
  knownAt,
  knownEndpoints,
  type Wire,
  wireOfURL,
} from './endpoint.ts';
import type { EndpointPools } from './endpoint-pools.ts';

/** Where the parent reaches its model. */
export type ParentEndpoint = {
  /** The name of its provider. */
  provider: string;
  /** Its server, where that is not the provider's usual one. */
  baseURL?: string;
  /** A fixed key, for children that need one and name none. */
  apiKey?: string;
  model: string;
  /** Default: found out by `baseURL`. */
  wire?: Wire;
  /** Whether its provider goes on to others when one fails. Default `false`. */
  fallbacks?: boolean;
};

/** What a provider's name stands for. */
export type ResolvedProvider = { provider?: string; baseURL?: string; apiKey?: string; model?: string; wire?: Wire };

export type RouteRequest = {
  parent: ParentEndpoint;
  /** What delegation says of its own. Default: nothing. */
  delegation?: Endpoint;
  /** Looks a provider up by its name. What it throws is the reason that is told; `undefined`: there is no such provider. */
  resolve?: (provider: string) => ResolvedProvider | undefined;
  /** Default: {@link knownEndpoints}. */
  known?: readonly KnownEndpoint[];
  /** The credential pools there are. */
  pools?: EndpointPools;
};

/** How children reach their model. Plain data without a secret: it may be told and stored. */
export type Route = {
  /** What was said: where (`endpoint`), whom (`provider`), or neither: then children use what their parent uses. */
  readonly pins: 'nothing' | 'provider' | 'endpoint';
  /** What the endpoint is known by. See {@link endpointId}. */
  readonly endpoint: string;
  readonly provider: string;
  /** The server, without credentials and query. */
  readonly baseURL?: string;
  readonly model: string;
  readonly wire: Wire;
  /** Whose fixed key is used where no pool gives one: the one delegation named, its provider's own, or the parent's. */
  readonly apiKeyFrom: 'delegation' | 'own' | 'parent' | 'none';
  /** Whose pool keys are leased from. */
  readonly pool: 'parent' | 'own' | 'none';
  /** Whether the parent's fallbacks are the child's, too. */
  readonly fallbacks: 'inherited' | 'none';
  /** Whether the vendor's own settings are. See {@link settingsFor}. */
  readonly filters: 'inherited' | 'cleared';
  /** Sentences for whoever wrote the settings. */
  readonly warnings: readonly string[];
};

/** What a route must not say itself: the whole URL and the fixed key; and the endpoint whose pool it leases from. */
type Hidden = { readonly baseURL?: string; readonly apiKey?: string; readonly poolAt?: string };

/** Beside the routes, so that no key is ever in what is told, stored or printed. */
const hidden = new WeakMap<Route, Hidden>();

/** @throws FaultError `delegate.route_unknown` when the route was not made by {@link routeOf}, but copied or read from somewhere. */
export const hiddenOf = (route: Route): Hidden => {
  const found = hidden.get(route);
  if (!found)
    throw new FaultError(
      'delegate.route_unknown',
      `The route to "${route.endpoint}" is a copy, and its key is not in it. Give what routeOf gave, or make it again.`,
    );
  return found;
};

const made = (
  route: Omit<Route, 'endpoint' | 'warnings'>,
  warnings: string[],
  secret: Omit<Hidden, 'baseURL'>,
): Route => {
  const { baseURL } = route;
  const endpoint = endpointId(route);
  const whole = Object.freeze({
    ...route,
    endpoint,
    ...(baseURL && { baseURL: endpoint }),
    warnings: Object.freeze(warnings),
  });
  hidden.set(whole, { ...secret, ...(baseURL && { baseURL }) });
  return whole;
};

/** The same without what is blank. */
const said = <T extends object>(endpoint: T): T =>
  Object.fromEntries(
    Object.entries(endpoint).flatMap(([name, value]) => {
      const text: unknown = typeof value === 'string' ? value.trim() : value;
      return text === '' || text === undefined || text === null ? [] : [[name, text]];
    }),
  ) as T;

const namesKey = /key|token|secret|signature|^sig$|^auth$|authorization|passw/i;

/** Keeps the key of an endpoint out of all that is told and stored, and what its URL carries as one. */
const keepSecretsOf = ({ apiKey, baseURL }: Pick<Endpoint, 'apiKey' | 'baseURL'>): void => {
  if (apiKey) keepSecret(apiKey);
  if (!baseURL || !URL.canParse(baseURL)) return;
  for (const [name, value] of new URL(baseURL).searchParams)
    if (namesKey.test(name)) for (const form of [value, encodeURIComponent(value)]) keepSecret(form);
};

/**
 * Decides how children reach their model. Call it before anything is made of a child: what is wrong with the settings is thrown here.
 *
 * With a `baseURL` they reach that server, as a provider named `custom` unless the address or `provider` gives another name; with a
 * `provider` alone whatever `resolve` says it is; with neither what their parent uses, only `model` may differ. The parent's wire and
 * its credential pool are theirs only where the endpoint is the parent's; a key that delegation names is used as it is.
 *
 * @throws FaultError `delegate.provider_unknown`, `delegate.no_api_key`, `delegate.endpoint_invalid`
 */
export const routeOf = (request: RouteRequest): Route => {
  const parent: ParentEndpoint = { ...said(request.parent), provider: request.parent.provider.trim() };
  const delegation = said(request.delegation ?? {});
  for (const endpoint of [parent, delegation]) keepSecretsOf(endpoint);
  const { wire, warning } = wireIn(delegation);
  const warnings = warning ? [warning] : [];
  if (delegation.baseURL)
    return toServer(request, parent, { ...delegation, baseURL: delegation.baseURL }, wire, warnings);
  if (delegation.provider)
    return toProvider(request, parent, { ...delegation, provider: delegation.provider }, wire, warnings);
  return asParent(parent, delegation, wire, warnings);
};

const wireIn = ({ wire }: Endpoint): { wire?: Wire; warning?: string } => {
  if (wire === undefined) return {};
  const text = wire.toLowerCase();
  return isWire(text)
    ? { wire: text }
    : { warning: `There is no wire "${wire}". Expected chat, responses or messages; it is left out.` };
};

/** Nothing is pinned: the parent's own way, with another model at most. */
const asParent = (parent: ParentEndpoint, delegation: Endpoint, wire: Wire | undefined, warnings: string[]): Route => {
  for (const [name, value] of Object.entries({ apiKey: delegation.apiKey, wire }))
    if (value) warnings.push(`"${name}" is left out: it needs a provider or a baseURL beside it.`);
  const { provider, baseURL, fallbacks = false } = parent;
  return made(
    {
      pins: 'nothing',
      provider,
      ...(baseURL && { baseURL }),
      model: delegation.model ?? parent.model,
      wire: parent.wire ?? (baseURL ? wireOfURL(baseURL) : 'chat'),
      apiKeyFrom: 'parent',
      pool: 'parent',
      fallbacks: fallbacks ? 'inherited' : 'none',
      filters: 'inherited',
    },
    warnings,
    { ...(parent.apiKey && { apiKey: parent.apiKey }), poolAt: endpointId(parent) },
  );
};

/** Whose pool a pinned endpoint leases from. A key that was named is no lease's to replace. */
const poolFor = (
  parent: ParentEndpoint,
  endpoint: string,
  isParents: boolean,
  key: string | undefined,
  pools: EndpointPools | undefined,
): { pool: Route['pool']; poolAt?: string } => {
  if (key) return { pool: 'none' };
  if (isParents) return { pool: 'parent', poolAt: endpointId(parent) };
  return pools?.at(endpoint) ? { pool: 'own', poolAt: endpoint } : { pool: 'none' };
};

const isSameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/**
 * Whether an endpoint is the one that the parent uses: two servers by their address. Where one of them goes to its provider's usual
 * door, by the name of the provider; a server of the parent's own is that door only if it is known to be.
 */
const isParentsDoor = (
  parent: ParentEndpoint,
  { provider, baseURL }: Pick<Endpoint, 'provider' | 'baseURL'>,
  known: readonly KnownEndpoint[],
): boolean => {
  if (parent.baseURL && baseURL) return endpointId({ baseURL }) === endpointId(parent);
  if (!provider || !isSameName(provider, parent.provider)) return false;
  return !parent.baseURL || isSameName(knownAt(parent.baseURL, known)?.provider ?? '', provider);
};

const toServer = (
  { known = knownEndpoints, pools }: RouteRequest,
  parent: ParentEndpoint,
  delegation: Endpoint & { baseURL: string },
  wire: Wire | undefined,
  warnings: string[],
): Route => {
  const { baseURL } = delegation;
  const endpoint = endpointId(delegation);
  const host = knownAt(baseURL, known);
  const isParents = isParentsDoor(parent, { ...host, baseURL }, known);
  const { pool, poolAt } = poolFor(parent, endpoint, isParents, delegation.apiKey, pools);
  const apiKey = delegation.apiKey ?? parent.apiKey;
  if (apiKey && !delegation.apiKey && pool === 'none')
    warnings.push(
      `The parent's key is sent to ${endpoint}, which is not the parent's endpoint. Give it an apiKey of its own.`,
    );
  return made(
    {
      pins: 'endpoint',
      provider: host?.provider ?? delegation.provider ?? 'custom',
      baseURL,
      model: delegation.model ?? parent.model,
      wire: wire ?? (isParents ? parent.wire : undefined) ?? host?.wire ?? wireOfURL(baseURL),
      apiKeyFrom: delegation.apiKey ? 'delegation' : apiKey ? 'parent' : 'none',
      pool,
      fallbacks: 'none',
      filters: isParents ? 'inherited' : 'cleared',
    },
    warnings,
    { ...(apiKey && { apiKey }), ...(poolAt && { poolAt }) },
  );
};

/** What a name stands for. Without a resolver, the parent's own name stands for what the parent uses. */
const resolved = ({ resolve }: RouteRequest, parent: ParentEndpoint, provider: string): ResolvedProvider => {
  const unknown = (why: string, cause?: unknown) =>
    new FaultError('delegate.provider_unknown', `Cannot resolve delegation provider "${provider}": ${why}`, { cause });
  if (!resolve) {
    if (isSameName(provider, parent.provider)) return parent;
    throw unknown('there is nothing to look it up with. Give "resolve", or a baseURL.');
  }
  let found: ResolvedProvider | undefined;
  try {
    found = resolve(provider);
  } catch (error) {
    throw unknown(messageOf(error), error);
  }
  if (!found) throw unknown('there is no such provider. Check its name, or give a baseURL.');
  return said(found);
};

const toProvider = (
  request: RouteRequest,
  parent: ParentEndpoint,
  delegation: Endpoint & { provider: string },
  wire: Wire | undefined,
  warnings: string[],
): Route => {
  const { known = knownEndpoints, pools } = request;
  const found = resolved(request, parent, delegation.provider);
  const { baseURL } = found;
  keepSecretsOf(found);
  // A provider that somebody set up under a name of their own keeps it.
  const provider = found.provider && found.provider !== 'custom' ? found.provider : delegation.provider;
  const endpoint = endpointId({ provider, ...(baseURL && { baseURL }) });
  const isParents = isParentsDoor(parent, { provider, ...(baseURL && { baseURL }) }, known);
  const { pool, poolAt } = poolFor(parent, endpoint, isParents, delegation.apiKey, pools);
  const apiKey = delegation.apiKey ?? found.apiKey;
  if (!apiKey && !(poolAt && pools?.at(poolAt)))
    throw new FaultError(
      'delegate.no_api_key',
      `Delegation provider "${delegation.provider}" has no API key. Give one as apiKey, set it up where the provider is looked up, or leave the provider out to use the parent's.`,
    );
  const host = baseURL ? knownAt(baseURL, known) : undefined;
  const own = request.resolve ? 'own' : 'parent';
  return made(
    {
      pins: 'provider',
      provider,
      ...(baseURL && { baseURL }),
      model: delegation.model ?? found.model ?? parent.model,
      wire:
        wire ??
        found.wire ??
        (isParents ? parent.wire : undefined) ??
        host?.wire ??
        (baseURL ? wireOfURL(baseURL) : 'chat'),
      apiKeyFrom: delegation.apiKey ? 'delegation' : apiKey ? own : 'none',
      pool,
      fallbacks: 'none',
      filters: isParents ? 'inherited' : 'cleared',
    },
    warnings,
    { ...(apiKey && { apiKey }), ...(poolAt && { poolAt }) },
  );
};
