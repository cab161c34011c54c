import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AnyAgent, RuntimeOptions } from '@troupe/core';
import { FaultError } from '@troupe/protocol';
import { loadModule } from './load-module.ts';
import { misuse } from './problem.ts';

/**
 * What the default export of an agent file may be besides an agent: options of `createRuntime`, with the agent that is given jobs, and
 * `close`, called at the end.
 */
export type AgentFile = RuntimeOptions & {
  /** Who gets the job where `--agent` names nobody. Default: the only one of `agents`. */
  agent?: AnyAgent;
  close?(): unknown;
};

/** An agent file, loaded. */
export type LoadedFile = {
  path: string;
  agents: readonly AnyAgent[];
  /** Who gets jobs where nobody is named. */
  agent: AnyAgent | undefined;
  options: Omit<RuntimeOptions, 'agents'>;
  close(): Promise<void>;
};

const known: Record<keyof AgentFile, true> = {
  agent: true,
  close: true,
  provider: true,
  providers: true,
  model: true,
  agents: true,
  store: true,
  memory: true,
  pricing: true,
  unknownPrice: true,
  budget: true,
  clock: true,
  ids: true,
  hooks: true,
  logger: true,
  inspect: true,
  graceMs: true,
  place: true,
  placement: true,
  onAgentChanged: true,
  recover: true,
  unknownOutcome: true,
  maxWakes: true,
  leaseMs: true,
};

const expected = 'Expected: export default defineAgent({ … }), or { agent, agents, …options of createRuntime }.';

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isAgent = (value: unknown): value is AnyAgent =>
  isObject(value) &&
  typeof value.name === 'string' &&
  typeof value.instructions === 'string' &&
  Array.isArray(value.tools);

/** What a value is, in a word or two. */
const kindOf = (value: unknown): string => {
  if (isObject(value)) return Array.isArray(value) ? 'a list' : `an object with ${Object.keys(value).join(', ')}`;
  return `${typeof value === 'object' ? 'null' : typeof value} "${String(value)}"`;
};

const load = async (path: string, shown: string): Promise<Record<string, unknown>> => {
  if (!existsSync(path))
    throw new FaultError('agent_file.unknown', `There is no agent file "${shown}". Looked for ${path}.`);
  const loaded = await loadModule(path);
  if ('module' in loaded) return loaded.module;
  const { why, cause } = loaded;
  throw new FaultError('agent_file.broken', `Agent file "${shown}" could not be loaded: ${why}`, { cause });
};

/**
 * Loads an agent file: an ES module whose default export is an agent, or an {@link AgentFile}.
 *
 * @throws FaultError `agent_file.unknown`, `agent_file.broken`, `agent_file.invalid`
 */
export const loadAgentFile = async (shown: string, folder: string): Promise<LoadedFile> => {
  const path = resolve(folder, shown);
  const invalid = (what: string): FaultError =>
    new FaultError('agent_file.invalid', `Agent file "${shown}" ${what} ${expected}`);

  const module = await load(path, shown);
  if (!('default' in module)) throw invalid(`has no default export, only ${Object.keys(module).join(', ') || 'none'}.`);
  const { default: given } = module;
  if (isAgent(given)) return { path, agents: [given], agent: given, options: {}, close: async () => {} };
  if (!isObject(given) || Array.isArray(given)) throw invalid(`exports ${kindOf(given)}.`);
  const strange = Object.keys(given).filter((key) => !Object.hasOwn(known, key));
  if (strange.length > 0) throw invalid(`exports the unknown ${strange.map((key) => `"${key}"`).join(', ')}.`);

  const { agent, agents = [], close, ...options } = given as AgentFile;
  if (agent !== undefined && !isAgent(agent)) throw invalid(`exports as its agent ${kindOf(agent)}.`);
  const wrong = Array.isArray(agents) ? agents.find((each) => !isAgent(each)) : agents;
  if (wrong !== undefined) throw invalid(`exports among its agents ${kindOf(wrong)}.`);
  if (close !== undefined && typeof close !== 'function') throw invalid(`exports as close ${kindOf(close)}.`);
  const all = agent && !agents.includes(agent) ? [agent, ...agents] : [...agents];
  if (all.length === 0) throw invalid('exports no agent.');
  return {
    path,
    agents: all,
    agent: agent ?? (all.length === 1 ? all[0] : undefined),
    options,
    close: async () => void (await close?.()),
  };
};

/** The agent that is to get a job. @throws FaultError `cli.usage` when none of the file is meant */
export const agentIn = ({ agents, agent, path }: LoadedFile, name: string | undefined): AnyAgent => {
  const found = name === undefined ? agent : agents.find((each) => each.name === name);
  if (found) return found;
  const names = agents.map((each) => each.name).join(', ');
  throw misuse(
    name === undefined
      ? `Agent file ${path} has several agents: ${names}. Say which one gets the job: --agent NAME.`
      : `Agent file ${path} has no agent "${name}". Expected one of: ${names}.`,
  );
};
