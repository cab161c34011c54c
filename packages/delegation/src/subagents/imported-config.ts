/** Reads how a sub-agent was made in the older layout: forgiving, and telling what was not taken over. Never a secret. */
import { keepSecret } from '@troupe/protocol';
import type { SubagentConfig } from './subagent-record.ts';
import { thinkingIn } from './thinking.ts';

/** A JSON object of the older layout. */
export type Fields = Readonly<Record<string, unknown>>;
export type Note = (text: string) => void;

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What the older layout allows. */
const turns = { least: 1, most: 50, usual: 15 };
const seconds = { least: 10, most: 3_600 };

/** Keys shorter than this are words that stand for none, like `ollama`, and may stand in any sentence. */
const leastKey = 16;

/** Names what is secret, or leads to a secret, and makes sure that it shows up nowhere, where it was quoted in a conversation neither. */
const leaveSecrets = (fields: Fields, note: Note): void => {
  for (const name of ['api_key', 'base_url']) {
    const value = fields[name];
    if (value === undefined || value === null || value === '') continue;
    if (name === 'api_key' && typeof value === 'string' && value.length >= leastKey) keepSecret(value);
    note(`its ${name} was not brought along: name a provider in its place.`);
  }
};

/**
 * A configuration of the older layout as one of ours.
 *
 * @param mode Where it does not say so itself.
 */
export const configIn = (fields: Fields, note: Note, mode: SubagentConfig['mode']): SubagentConfig => {
  const isSet = (name: string): boolean => fields[name] !== undefined && fields[name] !== null;

  const text = (name: string): string | undefined => {
    const value = fields[name];
    if (typeof value === 'string') return value.trim() === '' ? undefined : value;
    if (isSet(name)) note(`its ${name} is no text, and was left out.`);
    return undefined;
  };

  const number = (name: string, { least, most }: { least: number; most: number }): number | undefined => {
    const value = fields[name];
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      if (isSet(name)) note(`its ${name} is no number: the default holds.`);
      return undefined;
    }
    const allowed = Math.min(Math.max(Math.floor(value), least), most);
    if (allowed !== value) note(`its ${name} is ${value}: ${allowed} holds, of ${least} to ${most}.`);
    return allowed;
  };

  const choice = <T extends string>(name: string, choices: readonly [T, ...T[]], usual: T = choices[0]): T => {
    const found = choices.find((each) => each === fields[name]);
    if (found === undefined && isSet(name)) note(`its ${name} is none of ${choices.join(', ')}: it is ${usual}.`);
    return found ?? usual;
  };

  const flag = (name: string): boolean | undefined => {
    const value = fields[name];
    if (typeof value === 'boolean') return value;
    if (isSet(name)) note(`its ${name} is neither true nor false: the default holds.`);
    return undefined;
  };

  const texts = (name: string): string[] | undefined => {
    const value: unknown = fields[name];
    if (!isSet(name)) return undefined;
    const list: unknown[] = Array.isArray(value) ? value : [value];
    const found = list.flatMap((each) => (typeof each === 'string' && each.trim() !== '' ? each : []));
    if (found.length < list.length || !Array.isArray(value))
      note(`its ${name} should be a list of texts: what is no text was left out.`);
    return found;
  };

  const level = (name: string): SubagentConfig['thinking'] => {
    if (!isSet(name) || fields[name] === '') return undefined;
    const found = thinkingIn(String(fields[name]));
    if (!found) note(`its ${name} is not known, and was left out.`);
    return found;
  };

  leaveSecrets(fields, note);
  if (isSet('context_window')) note('its context_window was left out: that is up to the model.');

  const found = {
    role: text('role'),
    model: text('model'),
    provider: text('provider'),
    tools: texts('enabled_tools'),
    instructions: text('system_prompt'),
    specialization: text('specialization'),
    timeout: number('timeout_seconds', seconds),
    thinking: level('thinking_level'),
    skills: flag('enable_skills'),
  };
  return {
    ...(found.role !== undefined && { role: found.role }),
    ...(found.model !== undefined && { model: found.model }),
    ...(found.provider !== undefined && { provider: found.provider }),
    toolProfile: text('tool_profile') ?? 'core',
    ...(found.tools && { tools: found.tools }),
    ...(found.instructions !== undefined && { instructions: found.instructions }),
    ...(found.specialization !== undefined && { specialization: found.specialization }),
    keywords: texts('match_keywords') ?? [],
    examples: texts('match_examples') ?? [],
    maxTurns: number('max_iterations', turns) ?? turns.usual,
    ...(found.timeout !== undefined && { timeoutMs: found.timeout * 1_000 }),
    mode: choice('spawn_mode', ['run', 'session'], mode),
    cleanup: choice('cleanup', ['keep', 'delete']),
    routing: choice('routing_mode', ['direct', 'orchestrated']),
    allowSubagents: flag('allow_subagents') ?? false,
    autoRoute: flag('auto_route') ?? false,
    ...(found.thinking && { thinking: found.thinking }),
    ...(found.skills !== undefined && { skills: found.skills }),
  };
};
