import { FaultError } from '@troupe/protocol';

/** The protocol that a server speaks: Chat Completions, Responses, or Anthropic's Messages. */
export type Wire = 'chat' | 'responses' | 'messages';

const wires: readonly string[] = ['chat', 'responses', 'messages'] satisfies Wire[];
export const isWire = (text: string): text is Wire => wires.includes(text);

/** Where children reach their model, as a program's settings say it. Blank text counts as left out. */
export type Endpoint = {
  /** A provider by its name. Beside a `baseURL` it is the name alone; without one it is looked up. */
  provider?: string;
  /** A server. It decides, whatever `provider` says. */
  baseURL?: string;
  /** Default: the key that was looked up with `provider`; with a `baseURL` the parent's. */
  apiKey?: string;
  /** Default: the one that was looked up with `provider`, then the parent's. */
  model?: string;
  /** Default: found out. What is no {@link Wire} is left out with a warning. */
  wire?: string;
};

/** A server that is known by its host, and by how its path begins. */
export type KnownEndpoint = { host: string; path?: string; provider: string; wire: Wire };

/** The servers whose provider and wire are known by their address. */
export const knownEndpoints: readonly KnownEndpoint[] = [
  { host: 'api.openai.com', provider: 'openai', wire: 'chat' },
  { host: 'chatgpt.com', path: '/backend-api/codex', provider: 'openai-codex', wire: 'responses' },
  { host: 'api.anthropic.com', provider: 'anthropic', wire: 'messages' },
  { host: 'api.kimi.com', path: '/coding', provider: 'kimi-coding', wire: 'messages' },
];

const withoutSlashes = (path: string): string => path.replace(/\/+$/, '');

/** @throws FaultError `delegate.endpoint_invalid` */
const parsed = (baseURL: string): URL => {
  if (!URL.canParse(baseURL))
    throw new FaultError(
      'delegate.endpoint_invalid',
      `The baseURL "${baseURL}" is no URL. Give a whole one, such as http://localhost:11434/v1.`,
    );
  return new URL(baseURL);
};

/**
 * What an endpoint is known by: of a server its scheme, host, port and path, in one spelling and without credentials and query;
 * else the provider's name. Credentials are shared between endpoints of one id only.
 *
 * @throws FaultError `delegate.endpoint_invalid` when `baseURL` is no URL.
 */
export const endpointId = ({ provider = '', baseURL }: Pick<Endpoint, 'provider' | 'baseURL'>): string => {
  if (!baseURL) return `provider:${provider.trim().toLowerCase()}`;
  const { protocol, host, pathname } = parsed(baseURL);
  return `${protocol}//${host.toLowerCase()}${withoutSlashes(pathname)}`;
};

/** A base URL in one spelling, with all that belongs to it: two that are the same are asked the same way. */
export const addressOf = (baseURL: string): string => withoutSlashes(parsed(baseURL).href);

/** The known server at an address, by whole host names and whole steps of the path. */
export const knownAt = (baseURL: string, known: readonly KnownEndpoint[]): KnownEndpoint | undefined => {
  const { hostname, pathname } = parsed(baseURL);
  return known.find(
    ({ host, path = '' }) => host === hostname.toLowerCase() && `${pathname}/`.startsWith(`${withoutSlashes(path)}/`),
  );
};

/** The wire that an address tells of: compatible servers have Anthropic's under `/anthropic`. */
export const wireOfURL = (baseURL: string): Wire =>
  withoutSlashes(parsed(baseURL).pathname).toLowerCase().endsWith('/anthropic') ? 'messages' : 'chat';
