import { FaultError } from '@troupe/protocol';
import { invalidSubagent } from './invalid-subagent.ts';
import { rolePrompts } from './role-prompts.ts';
import { type Thinking, thinkingChoices, thinkingIn } from './thinking.ts';
import type { ToolProfiles } from './tool-profiles.ts';

/** What a sub-agent is for: values that it gets where whoever asks for it says nothing else. */
export type Role = {
  /** One sentence: what a model reads when it chooses. */
  description: string;
  /** The name of a tool profile. */
  toolProfile: string;
  /** Model answers for each run, 1 or more. */
  maxTurns: number;
  /** What stands first in its system prompt. */
  instructions: string;
  /** Default: what the provider does by itself. */
  thinking?: Thinking;
};

/** Roles by name. */
export type Roles = ReadonlyMap<string, Role>;

const builtIn = (
  name: keyof typeof rolePrompts,
  toolProfile: string,
  maxTurns: number,
  description: string,
): Readonly<Role> => Object.freeze({ description, toolProfile, maxTurns, instructions: rolePrompts[name] });

/** The roles that a manager has unless its `roles` add to them, replace them, or take them away with `null`. */
export const roles = Object.freeze({
  planner: builtIn('planner', 'research', 12, 'Breaks a goal into steps that others can carry out; changes nothing.'),
  backend: builtIn('backend', 'coding', 25, 'Writes and changes server code, interfaces and data, with tests.'),
  frontend: builtIn('frontend', 'coding', 25, 'Writes and changes what people see and use.'),
  researcher: builtIn('researcher', 'research', 15, 'Finds things out and reports them with sources; changes nothing.'),
  reviewer: builtIn('reviewer', 'coding', 12, 'Reviews work and reports what is wrong with it; changes nothing.'),
  devops: builtIn('devops', 'coding', 20, 'Works on builds, deployments, configuration and watching.'),
  tester: builtIn('tester', 'coding', 20, 'Writes and runs tests, and reports faults with a way to see them.'),
});

const checkRole = (name: string, role: Role, profiles: ToolProfiles): Role => {
  const whose = `The role "${name}":`;
  if (typeof role !== 'object' || Array.isArray(role))
    throw invalidSubagent(`${whose} it`, role, 'a role, or null to have none of that name');
  const { description, toolProfile, maxTurns, instructions, thinking } = role;
  for (const [field, text] of Object.entries({ description, instructions }))
    if (typeof text !== 'string' || text.trim() === '')
      throw invalidSubagent(`${whose} ${field}`, text, 'text that is not blank');
  if (!profiles.has(toolProfile))
    throw invalidSubagent(`${whose} toolProfile`, toolProfile, `one of ${[...profiles.keys()].join(', ')}`);
  if (!(Number.isInteger(maxTurns) && maxTurns >= 1))
    throw invalidSubagent(`${whose} maxTurns`, maxTurns, 'a whole number of 1 or more');
  const level = thinkingIn(thinking);
  if (thinking !== undefined && !level) throw invalidSubagent(`${whose} thinking`, thinking, thinkingChoices);
  return { description, toolProfile, maxTurns, instructions, ...(level && { thinking: level }) };
};

/**
 * {@link roles} with those of a program: an object adds a role or replaces the one of that name, `null` takes it away.
 *
 * @throws FaultError `subagent.invalid` naming the role and what is wrong with it
 */
export const rolesOf = (own: Readonly<Record<string, Role | null>> | undefined, profiles: ToolProfiles): Roles => {
  const all = new Map<string, Role>(Object.entries(roles));
  for (const [name, role] of Object.entries(own ?? {})) {
    if (name.trim() === '' || name !== name.trim())
      throw invalidSubagent('The name of a role', name, 'a name without blanks around it');
    if (role === null) all.delete(name);
    else all.set(name, role);
  }
  // Those of the library, too: the program may have taken their profile away.
  return new Map([...all].map(([name, role]) => [name, checkRole(name, role, profiles)]));
};

/** What is said where there is no such role. */
export const unknownRoleText = (name: string, all: Roles): string =>
  all.size > 0
    ? `Unknown role "${name}". Available roles: ${[...all.keys()].join(', ')}.`
    : `Unknown role "${name}". There are no roles here: leave it out, and say in instructions what the sub-agent is for.`;

/** A role and its name as it is written here; case does not matter. @throws FaultError `subagent.invalid` when there is none. */
export const findRole = (name: string, all: Roles): { name: string; role: Role } => {
  const isSame = (known: string): boolean => known.toLowerCase() === name.toLowerCase();
  const found = all.has(name) ? name : [...all.keys()].find(isSame);
  const role = found === undefined ? undefined : all.get(found);
  if (found === undefined || !role)
    throw new FaultError('subagent.invalid', unknownRoleText(name, all), { details: { field: 'role' } });
  return { name: found, role };
};

/** The roles as a model is told of them: what each is for, its tools and its turns. */
export const roleCatalogue = (all: Roles): string => {
  if (all.size === 0) return 'There are no roles: say in instructions what a sub-agent is for.';
  const lines = [...all].map(
    ([name, { description, toolProfile, maxTurns, thinking }]) =>
      `- ${name}: ${description} (tools: ${toolProfile}, turns: ${maxTurns}${thinking ? `, thinking: ${thinking}` : ''})`,
  );
  return [
    'Roles, each with instructions, tools and turns of its own; what you say besides comes first:',
    ...lines,
  ].join('\n');
};
