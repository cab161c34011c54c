import type { Tool } from '@troupe/core';
import { invalidSubagent } from './invalid-subagent.ts';
import type { SubagentConfig } from './subagent-record.ts';

/** Names of tools, or `all`: every tool that there is. */
export type ToolProfile = readonly string[] | 'all';

/** Profiles by name. */
export type ToolProfiles = ReadonlyMap<string, ToolProfile>;

const files = ['read_file', 'write_file', 'edit_file', 'list_dir'] as const;

/**
 * Which tools a sub-agent has, by name; the tools themselves come from the program, and should have these names to be found.
 *
 * - `core`: `shell`, and files: `read_file`, `write_file`, `edit_file`, `list_dir`.
 * - `automation`: the same, `web_fetch`, and `cronjob`, which plans work for later.
 * - `coding`: `core`, `web_search` and `web_fetch`.
 * - `research`: `web_search`, `web_fetch`, `read_file`, `list_dir`. Changes nothing.
 * - `chat_safe`: `web_search` and `web_fetch`. Sees nothing of the machine: for work on behalf of somebody in a chat.
 * - `group_safe`: `web_search`. Opens no address that it is given either: for chats of several people, who need not mean well.
 * - `full`: all there is.
 *
 * The tool that spawns sub-agents is in none of them: who may spawn has it, whatever the profile.
 */
const builtIn = {
  core: ['shell', ...files],
  automation: ['shell', ...files, 'web_fetch', 'cronjob'],
  coding: ['shell', ...files, 'web_search', 'web_fetch'],
  research: ['web_search', 'web_fetch', 'read_file', 'list_dir'],
  group_safe: ['web_search'],
  chat_safe: ['web_search', 'web_fetch'],
  full: 'all',
} as const satisfies Record<string, ToolProfile>;

const isProfile = (value: unknown): value is ToolProfile =>
  value === 'all' ||
  (Array.isArray(value) && value.every((name) => typeof name === 'string' && name.trim() === name && name !== ''));

/**
 * The profiles of the library with those of a program: names or `all` add a profile or replace the one of that name, `null` takes it away.
 *
 * @throws FaultError `subagent.invalid`
 */
export const toolProfilesOf = (own: Readonly<Record<string, ToolProfile | null>> = {}): ToolProfiles => {
  const all = new Map<string, ToolProfile>(Object.entries(builtIn));
  for (const [name, profile] of Object.entries(own)) {
    if (profile === null) all.delete(name);
    else if (isProfile(profile)) all.set(name, profile === 'all' ? profile : [...profile]);
    else throw invalidSubagent(`The tool profile "${name}"`, profile, 'a list of names of tools, "all", or null');
  }
  return all;
};

/** Names of the tools of a profile. @throws FaultError `subagent.invalid` when there is none of that name. */
export const profileNamed = (name: string, profiles: ToolProfiles): ToolProfile => {
  const profile = profiles.get(name);
  if (profile) return profile;
  throw invalidSubagent(
    'toolProfile',
    name,
    `one of ${[...profiles.keys()].join(', ') || 'none: there are no profiles'}`,
  );
};

type Grant = {
  profiles: ToolProfiles;
  /** Every tool that the program gives to sub-agents, the one that spawns among them where there is one. */
  available: readonly Tool[];
  /** More tools, whatever was asked for. Default: none. */
  skills?: readonly Tool[];
  spawnToolName: string;
  /** Whether spawning would be allowed now. See `maySpawn`. */
  maySpawn: boolean;
};

/**
 * The tools of a sub-agent, in the order in which they are available: those of its list, else of its profile, and its skills. The tool that
 * spawns is among them exactly where `maySpawn` says so, whatever list, profile or skills say.
 *
 * `missing` names what was asked for and is not there.
 *
 * @throws FaultError `subagent.invalid` for a profile that there is not
 */
export const toolsFor = (
  { tools, toolProfile }: Pick<SubagentConfig, 'tools' | 'toolProfile'>,
  { profiles, available, skills = [], spawnToolName, maySpawn }: Grant,
): { tools: Tool[]; missing: string[] } => {
  const asked = tools ?? profileNamed(toolProfile, profiles);
  const names = new Set(asked === 'all' ? available.map(({ name }) => name) : asked);
  names.delete(spawnToolName);
  if (maySpawn) names.add(spawnToolName);
  const granted = new Map<string, Tool>();
  for (const tool of available) if (names.has(tool.name) && !granted.has(tool.name)) granted.set(tool.name, tool);
  for (const tool of skills) if (tool.name !== spawnToolName && !granted.has(tool.name)) granted.set(tool.name, tool);
  return { tools: [...granted.values()], missing: [...names].filter((name) => !granted.has(name)) };
};
