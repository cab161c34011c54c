/**
 * How a sub-agent is made, from four sides: what whoever asks for it says, else its role, else the manager, else the library. What was said
 * stays apart from what was filled in, so that a default never comes before something that was meant, be it the very same value.
 */
import { FaultError, redact } from '@troupe/protocol';
import { invalidSubagent } from './invalid-subagent.ts';
import { findRole, type Role, type Roles } from './roles.ts';
import type { SubagentConfig } from './subagent-record.ts';
import { type Thinking, thinkingChoices, thinkingIn } from './thinking.ts';
import { profileNamed, type ToolProfiles } from './tool-profiles.ts';

/** What may be said of a sub-agent. A field that is absent or `null` was not said: a role, the manager or a default fills it in. */
export type SubagentRequestConfig = {
  /** Brings instructions, tools, turns and thinking, each of which may be said besides and then comes first. */
  readonly role?: string | null | undefined;
  /** A model id. Default: the manager's `defaultModel`, else that of its parent. */
  readonly model?: string | null | undefined;
  /** One of the manager's `providers`, which holds key and address. Default: its parent's. */
  readonly provider?: string | null | undefined;
  /** Default: the manager's `defaultToolProfile`, else `core`. */
  readonly toolProfile?: string | null | undefined;
  /** Names of tools, in place of a profile. An empty list: none. */
  readonly tools?: readonly string[] | null | undefined;
  /** What stands first in its system prompt. */
  readonly instructions?: string | null | undefined;
  /** What it is good at: told to it, and used to find it. */
  readonly specialization?: string | null | undefined;
  /** What a text that is meant for it holds. See {@link matchAgent}. Default: none. */
  readonly keywords?: readonly string[] | null | undefined;
  /** Texts that are meant for it. See {@link matchAgent}. Default: none. */
  readonly examples?: readonly string[] | null | undefined;
  /** Model answers for each run, 1 or more. Default 15. */
  readonly maxTurns?: number | null | undefined;
  /** Milliseconds of wall clock for each run, 10,000 to 3,600,000. Default: no limit. */
  readonly timeoutMs?: number | null | undefined;
  /** `run` (default): for one task. `session`: named, goes on for as long as its profile. */
  readonly mode?: 'run' | 'session' | null | undefined;
  /** `keep` (default), or `delete`: nothing is left of it once its result was delivered and nothing more will come of it. */
  readonly cleanup?: 'keep' | 'delete' | null | undefined;
  /** `direct` (default), or `orchestrated`: it owns what it is asked, and may have sub-agents of its own. */
  readonly routing?: 'direct' | 'orchestrated' | null | undefined;
  /** Whether it may have sub-agents of its own. Default false. */
  readonly allowSubagents?: boolean | null | undefined;
  /** Whether a program may route to it. See {@link matchAgent}. Default false. */
  readonly autoRoute?: boolean | null | undefined;
  /**
   * How much its model thinks. `false`, `none` and `disabled` are `off`; `true`, `on`, `default` and `standard` are `basic`; `deep` is
   * `extended`. Default: what the provider does by itself.
   */
  readonly thinking?:
    | Thinking
    | boolean
    | 'false'
    | 'none'
    | 'disabled'
    | 'on'
    | 'true'
    | 'default'
    | 'standard'
    | 'deep'
    | null
    | undefined;
  /** Whether it has the manager's skills. Default: as its parent. */
  readonly skills?: boolean | null | undefined;
};

type Field = keyof SubagentConfig;
/** What was said, checked: only fields that were. */
export type GivenConfig = { [F in Field]?: NonNullable<SubagentConfig[F]> };

type Reader<T> = { expected: string; read(value: unknown): T | undefined };

const text: Reader<string> = {
  expected: 'text that is not blank; leave it out to say nothing',
  read: (value) => (typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined),
};

const texts: Reader<string[]> = {
  expected: 'a list of texts, none of them blank',
  read: (value) => {
    if (!Array.isArray(value)) return undefined;
    const found = value.flatMap((each: unknown) => text.read(each) ?? []);
    return found.length === value.length ? [...new Set(found)] : undefined;
  },
};

const flag: Reader<boolean> = {
  expected: 'true or false',
  read: (value) => (typeof value === 'boolean' ? value : undefined),
};

const whole = (least: number, most: number, expected: string): Reader<number> => ({
  expected,
  read: (value) =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most ? Number(value) : undefined,
});

const oneOf = <const T extends string>(...choices: T[]): Reader<T> => ({
  expected: choices.map((choice) => `"${choice}"`).join(' or '),
  read: (value) => choices.find((choice) => choice === value),
});

const readers: { [F in Field]-?: Reader<NonNullable<SubagentConfig[F]>> } = {
  role: text,
  model: text,
  provider: text,
  toolProfile: text,
  tools: texts,
  instructions: text,
  specialization: text,
  keywords: texts,
  examples: texts,
  maxTurns: whole(1, Number.MAX_SAFE_INTEGER, 'a whole number of 1 or more'),
  timeoutMs: whole(10_000, 3_600_000, 'a whole number of milliseconds, 10000 to 3600000 (10 s to an hour)'),
  mode: oneOf('run', 'session'),
  cleanup: oneOf('keep', 'delete'),
  routing: oneOf('direct', 'orchestrated'),
  allowSubagents: flag,
  autoRoute: flag,
  thinking: { expected: thinkingChoices, read: thinkingIn },
  skills: flag,
};

const isField = (name: string): name is Field => Object.hasOwn(readers, name);

/** Names of what is a provider's: keys, and where they are for. */
const isProviders = (name: string): boolean =>
  /keys?$|api_?key|token|secret|passw|credential|authorization|base_?url|endpoint/i.test(name);

/** What is said of a field that there is not; its value, which may be a key, is not shown. */
const unknownField = (name: string): FaultError =>
  new FaultError(
    'subagent.invalid',
    isProviders(name)
      ? `A sub-agent takes no ${name}: a provider holds keys and addresses. Give the manager that provider in "providers", and name it here as "provider".`
      : `A sub-agent has no field "${name}". Known are ${Object.keys(readers).join(', ')}.`,
    { details: { field: name } },
  );

/**
 * What was said of a sub-agent, checked: fields that were not said are absent. What looks like a key in a text is not kept.
 *
 * @throws FaultError `subagent.invalid` with the field in `details`, for values out of range, fields that there are not, and keys
 */
export const readConfig = (request: SubagentRequestConfig | null | undefined): GivenConfig => {
  if (request === null || request === undefined) return {};
  if (typeof request !== 'object' || Array.isArray(request))
    throw invalidSubagent('The configuration of a sub-agent', request, 'an object');
  const given: Partial<Record<Field, unknown>> = {};
  for (const [name, value] of Object.entries(request) as [string, unknown][]) {
    if (!isField(name)) throw unknownField(name);
    if (value === null || value === undefined) continue;
    const { read, expected } = readers[name];
    const found = read(value);
    if (found === undefined) throw invalidSubagent(name, value, expected);
    given[name] = redact(found);
  }
  return given as GivenConfig;
};

/** What fills in what was not said, and what there is to choose from. */
export type ConfigSources = {
  roles: Roles;
  toolProfiles: ToolProfiles;
  /** Default: none, and none can be named. */
  providers?: Readonly<Record<string, unknown>> | undefined;
  /** The model of sub-agents that name none. Default: that of their parent. */
  defaultModel?: string | undefined;
  /** The profile of sub-agents that name none, and whose role does not either. Default `core`. */
  defaultToolProfile?: string | undefined;
};

/** A whole configuration of nothing that was said. */
const defaults = {
  toolProfile: 'core',
  maxTurns: 15,
  mode: 'run',
  cleanup: 'keep',
  routing: 'direct',
  allowSubagents: false,
  autoRoute: false,
} as const satisfies Partial<Record<Field, unknown>>;

const broughtBy = (name: string, { toolProfile, maxTurns, instructions, thinking: level }: Role): GivenConfig => ({
  role: name,
  toolProfile,
  maxTurns,
  instructions,
  ...(level && { thinking: level }),
});

/** The same, having made sure that what it names is there. */
const checked = (config: SubagentConfig, { toolProfiles, providers = {} }: ConfigSources): SubagentConfig => {
  const { toolProfile, provider } = config;
  profileNamed(toolProfile, toolProfiles);
  if (provider !== undefined && !Object.hasOwn(providers, provider))
    throw invalidSubagent(
      'provider',
      provider,
      `one of ${Object.keys(providers).join(', ') || 'none: the manager was given no providers'}`,
    );
  return config;
};

/**
 * The whole configuration of a new sub-agent. What was said comes before its role, that before the manager's defaults, those before the library's.
 *
 * @throws FaultError `subagent.invalid` for a role, a profile or a provider that there is not
 */
export const configOf = (given: GivenConfig, sources: ConfigSources): SubagentConfig => {
  const { roles, defaultModel, defaultToolProfile } = sources;
  const found = given.role === undefined ? undefined : findRole(given.role, roles);
  const brought = found && broughtBy(found.name, found.role);
  return checked(
    {
      ...defaults,
      keywords: [],
      examples: [],
      ...(defaultModel !== undefined && { model: defaultModel }),
      ...(defaultToolProfile !== undefined && { toolProfile: defaultToolProfile }),
      ...brought,
      ...given,
      ...(found && { role: found.name }),
    },
    sources,
  );
};

/**
 * The configuration of a sub-agent that goes on: as it is stored, but for what was said now. Another role than it has brings its values again;
 * another profile, by name or by role, takes the place of a stored list of tools.
 *
 * @throws FaultError `subagent.invalid` for a role, a profile or a provider that there is not
 */
export const resumedConfig = (stored: SubagentConfig, given: GivenConfig, sources: ConfigSources): SubagentConfig => {
  const { role: named, ...said } = given;
  const { tools, role, ...rest } = stored;
  const isOther = named !== undefined && named.toLowerCase() !== role?.toLowerCase();
  const found = isOther ? findRole(named, sources.roles) : undefined;
  const keepsTools = tools !== undefined && !found && given.toolProfile === undefined;
  return checked(
    {
      ...rest,
      ...(keepsTools && { tools }),
      ...(role !== undefined && { role }),
      ...(found && broughtBy(found.name, found.role)),
      ...said,
    },
    sources,
  );
};

/** Whether a sub-agent is one that may have sub-agents. */
export const mayDelegate = ({ allowSubagents, routing }: Pick<SubagentConfig, 'allowSubagents' | 'routing'>): boolean =>
  allowSubagents || routing === 'orchestrated';

/** Whether a sub-agent of this depth may have sub-agents now: the one rule, for what it is told, what it sees, and what is let through. */
export const maySpawn = (config: SubagentConfig, { depth, maxDepth }: { depth: number; maxDepth: number }): boolean =>
  mayDelegate(config) && depth < maxDepth;

/** What holds for a sub-agent where its configuration leaves it to its parent. */
export type Effective = {
  /** Absent: the runtime's. */
  model?: string | undefined;
  /** Absent: the runtime's. */
  provider?: string | undefined;
  skills: boolean;
};

/** What holds for a sub-agent: its own, else its parent's; `skills` at last as the manager says. @param parent `null`: the program itself. */
export const effectiveOf = (
  { model, provider, skills }: SubagentConfig,
  parent: Partial<Effective> | null,
  skillsByDefault = false,
): Effective => {
  const [ownModel, ownProvider] = [model ?? parent?.model, provider ?? parent?.provider];
  return {
    ...(ownModel !== undefined && { model: ownModel }),
    ...(ownProvider !== undefined && { provider: ownProvider }),
    skills: skills ?? parent?.skills ?? skillsByDefault,
  };
};
