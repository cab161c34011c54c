/** Reads a configuration that people wrote by hand: forgiving, and telling what it did not understand. */
import type { ModelSettings } from '@troupe/protocol';
import type { DelegateOptions } from './delegate-options.ts';

/** A section of a configuration file, in snake_case, whatever it holds. */
export type DelegateConfig = Readonly<Record<string, unknown>>;

/** Where a configuration may be: itself, or how to read it. What is empty or cannot be read falls through to the next. */
export type DelegateConfigSource = DelegateConfig | null | undefined | (() => DelegateConfig | null | undefined);

type Environment = Readonly<Record<string, string | undefined>>;
type Warn = (text: string) => void;

const read = (source: DelegateConfigSource): DelegateConfig | undefined => {
  try {
    const found = typeof source === 'function' ? source() : source;
    return found && typeof found === 'object' && Object.keys(found).length > 0 ? found : undefined;
  } catch {
    return undefined;
  }
};

/** A value as a warning shows it, whatever it is. */
const shown = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? typeof value;
  } catch {
    return typeof value;
  }
};

const numberIn = (value: unknown): number | undefined => {
  if (typeof value !== 'number' && (typeof value !== 'string' || value.trim() === '')) return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
};

/** A limit of 1 or more: the configuration, else the environment, else none. A limit that is no number is none. */
const limitIn = (option: string, value: unknown, env: string | undefined, warn: Warn): number | undefined => {
  const from = value ?? env;
  const number = numberIn(from);
  if (number === undefined) {
    if (from !== undefined && from !== null && from !== '')
      warn(`${option} is ${shown(from)}, which is no number: the default holds.`);
    return undefined;
  }
  const limit = Math.max(1, Math.floor(number));
  if (number < 1) warn(`${option} is ${number}: 1 is the least, and holds.`);
  return limit;
};

/** What is too much to be meant, though it is allowed. */
const many = 10;

/** A limit of what is at work at once. */
const crowdIn = (option: string, value: unknown, env: string | undefined, warn: Warn): number | undefined => {
  const limit = limitIn(option, value, env, warn);
  if ((limit ?? 0) > many) warn(`${option} is ${limit}: many children at once cost much.`);
  return limit;
};

const flagIn = (value: unknown): boolean | undefined => {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return ['true', '1', 'yes', 'on'].includes(value.trim().toLowerCase());
  return typeof value === 'boolean' ? value : true;
};

/** A switch that opens something: whatever is not clearly said leaves it closed. */
const consentIn = (option: string, value: unknown, warn: Warn): boolean => {
  if (value === true || value === 1) return true;
  const isPlain = value === undefined || value === null || value === false || value === 0;
  if (isPlain || typeof value === 'string') return flagIn(value) === true && value !== 0;
  warn(`${option} is ${shown(value)}, which is no yes or no: it is off.`);
  return false;
};

/** The least number of seconds that a timeout may be set to. */
const leastSeconds = 30;

const timeoutIn = (config: unknown, env: unknown, warn: Warn): number | undefined => {
  const own = numberIn(config);
  if (config !== undefined && config !== null && own === undefined)
    warn(`child_timeout_seconds is ${shown(config)}, which is no number: the environment is asked.`);
  const seconds = own ?? numberIn(env);
  if (seconds === undefined || seconds <= 0) return undefined;
  return Math.min(Math.round(Math.max(seconds, leastSeconds) * 1_000), Number.MAX_SAFE_INTEGER);
};

const efforts: Readonly<Record<string, ModelSettings['reasoning'] | undefined>> = {
  __proto__: null as never,
  none: 'off',
  off: 'off',
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
};

const reasoningIn = (value: unknown, warn: Warn): ModelSettings['reasoning'] => {
  if (value === undefined || value === null || value === '') return undefined;
  const effort = typeof value === 'string' ? efforts[value.trim().toLowerCase()] : undefined;
  if (!effort) warn(`reasoning_effort is ${shown(value)}, which is not known: that of the parent holds.`);
  return effort;
};

const textIn = (value: unknown): string | undefined =>
  typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;

/**
 * Options for {@link createDelegateTool} from a configuration section (`max_concurrent_children`, `child_timeout_seconds`, …) and the
 * environment (`DELEGATION_MAX_CONCURRENT_CHILDREN`, `DELEGATION_MAX_ASYNC_CHILDREN`, `DELEGATION_CHILD_TIMEOUT_SECONDS`,
 * `TERMINAL_CWD`). The first source that says anything counts. Nothing throws: what cannot be used is left at its default, with a warning.
 */
export const readDelegateConfig = (
  sources: DelegateConfigSource | readonly DelegateConfigSource[],
  env: Environment = {},
): { options: DelegateOptions; warnings: string[] } => {
  const warnings: string[] = [];
  const warn: Warn = (text) => void warnings.push(text);
  const list = (Array.isArray(sources) ? sources : [sources]) as readonly DelegateConfigSource[];
  let config: DelegateConfig = {};
  for (const source of list) {
    const found = read(source);
    if (!found) continue;
    config = found;
    break;
  }
  const concurrent = crowdIn(
    'max_concurrent_children',
    config.max_concurrent_children,
    env.DELEGATION_MAX_CONCURRENT_CHILDREN,
    warn,
  );
  const asynchronous = crowdIn(
    'max_async_children',
    config.max_async_children,
    env.DELEGATION_MAX_ASYNC_CHILDREN,
    warn,
  );
  const depth = limitIn('max_spawn_depth', config.max_spawn_depth, undefined, warn);
  const iterations = limitIn('max_iterations', config.max_iterations, undefined, warn);
  const timeoutMs = timeoutIn(config.child_timeout_seconds, env.DELEGATION_CHILD_TIMEOUT_SECONDS, warn);
  const orchestrators = flagIn(config.orchestrator_enabled);
  const inherit = flagIn(config.inherit_mcp_toolsets);
  const reasoning = reasoningIn(config.reasoning_effort, warn);
  const model = textIn(config.model);
  const workspace = textIn(env.TERMINAL_CWD);
  const options: DelegateOptions = {
    ...(concurrent !== undefined && { maxConcurrentChildren: concurrent }),
    ...(asynchronous !== undefined && { maxAsyncChildren: asynchronous }),
    ...(depth !== undefined && { maxSpawnDepth: depth }),
    ...(iterations !== undefined && { maxIterations: iterations }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(orchestrators !== undefined && { orchestrators }),
    ...(inherit !== undefined && { inheritServerTools: inherit }),
    ...(consentIn('subagent_auto_approve', config.subagent_auto_approve, warn) && { approval: 'allow' as const }),
    ...(reasoning && { settings: { reasoning } }),
    ...(model && { model }),
    ...(workspace && { workspace }),
  };
  return { options, warnings };
};
