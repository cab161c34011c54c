/** How to reach a model server that speaks the OpenAI wire. */
export type Connection = { apiKey: string; baseURL?: string };

/** Which model was found, and where. `server` is a name for people. */
export type FoundModel =
  | { kind: 'env' | 'local'; name: string; server: string; connection: Connection }
  | { kind: 'rehearsal'; name: 'rehearsal' };

/** A model server that people run on their own machine. Always asked on the loopback address. */
export type LocalServer = {
  name: string;
  port: number;
  /** Where its OpenAI wire begins. */
  path: string;
  /** A path that only this kind of server answers; without an answer the name is told as a guess. */
  identity?: string;
};

/** The usual ports of the usual servers. The first that answers with a chat model is taken. */
export const localServers: readonly LocalServer[] = [
  { name: 'Ollama', port: 11434, path: '/v1', identity: '/api/version' },
  { name: 'LM Studio', port: 1234, path: '/v1', identity: '/api/v0/models' },
  { name: 'llama.cpp', port: 8080, path: '/v1', identity: '/props' },
  { name: 'vLLM', port: 8000, path: '/v1', identity: '/version' },
  { name: 'Docker Model Runner', port: 12434, path: '/engines/v1' },
  { name: 'Jan', port: 1337, path: '/v1' },
  { name: 'SGLang', port: 30000, path: '/v1', identity: '/get_server_info' },
  { name: 'text-generation-webui', port: 5000, path: '/v1' },
  { name: 'KoboldCpp', port: 5001, path: '/v1', identity: '/api/extra/version' },
  { name: 'GPT4All', port: 4891, path: '/v1' },
  { name: 'LiteLLM', port: 4000, path: '/v1' },
];

const loopback = '127.0.0.1';
const openaiModel = 'gpt-5-mini';
/** Models that servers list beside those one can talk to. */
const notForChat = /embed|rerank|whisper|tts|speech|transcri|dall-e|image|moderation|clip|(^|[-_/])(bge|e5|gte)[-_]/i;

/** Where {@link findModel} looks, and how long. */
export type FindOptions = {
  env?: Readonly<Record<string, string | undefined>>;
  servers?: readonly LocalServer[];
  /** What one server may take to answer. Default 400. */
  withinMs?: number;
  /** What the server named by `OPENAI_BASE_URL` may take to list its models. Default 3 000. */
  listWithinMs?: number;
};

/**
 * Finds a model to work with, in this order: the environment (`OPENAI_BASE_URL`, `OPENAI_API_KEY`), a model server on this
 * machine, the rehearsal model. `TROUPE_MODEL` names the model; otherwise it is the first chat model that the server lists.
 * `TROUPE_MODEL=rehearsal` asks for the rehearsal model, whatever else is there.
 *
 * Nothing is sent to another machine unless the environment names it. Never rejects: a server that cannot be reached is
 * found out by the first turn, which says so better.
 */
export const findModel = async ({
  env = process.env,
  servers = localServers,
  withinMs = 400,
  listWithinMs = 3_000,
}: FindOptions = {}): Promise<FoundModel> => {
  const { OPENAI_API_KEY: apiKey, OPENAI_BASE_URL: baseURL, TROUPE_MODEL: model } = env;
  if (model === 'rehearsal') return { kind: 'rehearsal', name: 'rehearsal' };
  if (baseURL) {
    const headers = apiKey ? { authorization: `Bearer ${apiKey}` } : undefined;
    const name = model || (isOpenAI(baseURL) ? openaiModel : (await chatModels(baseURL, listWithinMs, headers))[0]);
    return {
      kind: 'env',
      name: name ?? openaiModel,
      server: shownURL(baseURL),
      connection: { apiKey: apiKey || 'none', baseURL },
    };
  }
  if (apiKey) return { kind: 'env', name: model || openaiModel, server: 'OpenAI', connection: { apiKey } };

  const found = await Promise.all(ollamaFirst(servers, env.OLLAMA_HOST).map((server) => ask(server, withinMs)));
  const local = found.find((answer) => answer !== null);
  if (!local) return { kind: 'rehearsal', name: 'rehearsal' };
  return { kind: 'local', ...local, name: model || local.name };
};

/** Every model server that answers on this machine, with the first chat model that it lists. */
export const foundServers = async ({
  servers = localServers,
  withinMs = 400,
}: Pick<FindOptions, 'servers' | 'withinMs'> = {}): Promise<{ name: string; server: string }[]> => {
  const answers = await Promise.all(servers.map((server) => ask(server, withinMs)));
  return answers.flatMap((answer) => (answer === null ? [] : { name: answer.name, server: answer.server }));
};

const isOpenAI = (baseURL: string): boolean => URL.parse(baseURL)?.hostname === 'api.openai.com';

/** A URL without the credentials it may hold. */
const shownURL = (text: string): string => {
  const url = URL.parse(text);
  return url === null ? text : `${url.origin}${url.pathname}`;
};

/** Ollama may have been told to listen elsewhere; an address on another machine is not followed. */
const ollamaFirst = (servers: readonly LocalServer[], host: string | undefined): readonly LocalServer[] => {
  if (!host) return servers;
  const url = URL.parse(/^\w+:\/\//.test(host) ? host : `http://${host}`);
  const here = url !== null && /^(localhost|127(\.\d+){3}|0\.0\.0\.0|\[::1?\])$/.test(url.hostname);
  const port = Number(url?.port || 11434);
  return here ? [{ name: 'Ollama', port, path: '/v1', identity: '/api/version' }, ...servers] : servers;
};

const ask = async ({ name, port, path, identity }: LocalServer, withinMs: number) => {
  const origin = `http://${loopback}:${port}`;
  const [models, sure] = await Promise.all([
    chatModels(`${origin}${path}`, withinMs),
    identity === undefined ? false : getJSON(`${origin}${identity}`, withinMs).then((answer) => answer !== null),
  ]);
  const model = models[0];
  if (model === undefined) return null;
  const baseURL = `${origin}${path}`;
  return { name: model, server: `${sure ? name : `${name}?`} at ${baseURL}`, connection: { apiKey: 'none', baseURL } };
};

/** The chat models of a server; none when it does not answer, or answers something else. */
const chatModels = async (baseURL: string, withinMs: number, headers?: Record<string, string>): Promise<string[]> => {
  const answer = await getJSON(modelsURL(baseURL), withinMs, headers);
  const data: unknown = typeof answer === 'object' && answer !== null && 'data' in answer ? answer.data : null;
  if (!Array.isArray(data)) return [];
  return data
    .map((item: unknown) => (typeof item === 'object' && item !== null && 'id' in item ? item.id : null))
    .filter((id): id is string => typeof id === 'string' && id !== '' && !notForChat.test(id));
};

/** The HTTP status with which a server answers when it is asked for its models; null when it does not answer. */
export const askModels = async (
  baseURL: string,
  apiKey: string | undefined,
  withinMs = 3_000,
): Promise<number | null> => {
  try {
    const response = await fetch(modelsURL(baseURL), {
      ...(apiKey && { headers: { authorization: `Bearer ${apiKey}` } }),
      redirect: 'error',
      signal: AbortSignal.timeout(withinMs),
    });
    await response.body?.cancel();
    return response.status;
  } catch {
    return null;
  }
};

const modelsURL = (baseURL: string): string => `${baseURL.replace(/\/+$/, '')}/models`;

const getJSON = async (url: string, withinMs: number, headers: Record<string, string> = {}): Promise<unknown> => {
  try {
    const response = await fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(withinMs) });
    if (response.ok) return await response.json();
    await response.body?.cancel();
    return null;
  } catch {
    return null;
  }
};
