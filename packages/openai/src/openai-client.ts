import { FaultError, keepSecret, keepSecretsOfUrl } from '@troupe/protocol';
import OpenAI from 'openai';
import type { OpenAIOptions } from './openai-options.ts';

const home = 'https://api.openai.com/v1';
/** The longest time that a timer can hold: the silence watch decides, not the client. */
const never = 2 ** 31 - 1;

/**
 * The official client, without its own retries, timeouts and logs. Its key and the secrets in its headers are kept out of
 * everything that is told.
 *
 * @throws FaultError `model.misconfigured` when baseURL is none that can be asked; `model.unauthorized` when OpenAI itself is asked without a key.
 */
export const openAIClient = (options: OpenAIOptions): OpenAI => {
  const baseURL = options.baseURL?.trim() || fromEnvironment('OPENAI_BASE_URL') || home;
  // As the header takes it: a key that was read from a file ends with its line.
  const apiKey = options.apiKey?.trim() || fromEnvironment('OPENAI_API_KEY');
  checkURL(baseURL);
  if (apiKey === undefined && isOpenAI(baseURL)) {
    throw new FaultError(
      'model.unauthorized',
      `${shownURL(baseURL)} needs an API key, and there is none. Set OPENAI_API_KEY, pass apiKey, or pass the baseURL of a server that needs no key.`,
    );
  }
  if (apiKey !== undefined) keepSecret(apiKey);
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (!/auth|key|token|secret|cookie/i.test(name)) continue;
    // Behind the name of a scheme, whichever that is.
    for (const secret of [value.trim(), value.trim().replace(/^\S+\s+/, '')]) keepSecret(secret);
  }
  return new OpenAI({
    // Servers that need no key still want the header to have a value.
    apiKey: apiKey ?? 'none',
    baseURL,
    organization: options.organization ?? fromEnvironment('OPENAI_ORG_ID') ?? null,
    project: options.project ?? fromEnvironment('OPENAI_PROJECT_ID') ?? null,
    ...(options.headers && { defaultHeaders: options.headers }),
    maxRetries: 0,
    timeout: never,
    logLevel: 'off',
  });
};

const checkURL = (url: string): void => {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new FaultError(
      'model.misconfigured',
      `baseURL is "${url}". Give a whole URL, such as http://localhost:11434/v1.`,
    );
  }
  const { username, password } = new URL(url);
  if (username === '' && password === '') return;
  keepSecretsOfUrl(url);
  throw new FaultError(
    'model.misconfigured',
    `baseURL ${shownURL(url)} was given with a user name or password, which no request takes along. Leave them out, and pass headers: { Authorization: … }.`,
  );
};

/** A URL as it may be shown: without credentials and query. */
export const shownURL = (url: string): string => {
  const { origin, pathname } = new URL(url);
  return origin + pathname.replace(/\/$/, '');
};

const isOpenAI = (url: string): boolean => /(^|\.)openai\.com$/.test(new URL(url).hostname);

const fromEnvironment = (name: string): string | undefined => process.env[name]?.trim() || undefined;
