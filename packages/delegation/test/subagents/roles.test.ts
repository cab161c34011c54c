import { describe, expect, test } from 'vitest';
import { type Role, roles } from '../../src/index.ts';
import { roleCatalogue, rolesOf, unknownRoleText } from '../../src/subagents/roles.ts';
import { toolProfilesOf } from '../../src/subagents/tool-profiles.ts';

const profiles = toolProfilesOf();
const lawyer: Role = {
  description: 'Reads contracts.',
  toolProfile: 'research',
  maxTurns: 8,
  instructions: 'You read.',
};

describe('the roles', () => {
  test.each([
    ['planner', 'research', 12],
    ['backend', 'coding', 25],
    ['frontend', 'coding', 25],
    ['researcher', 'research', 15],
    ['reviewer', 'coding', 12],
    ['devops', 'coding', 20],
    ['tester', 'coding', 20],
  ] as const)(
    'hold %s, with %s tools, %i turns and instructions of its own [SB-010]',
    (name, toolProfile, maxTurns) => {
      expect(roles[name]).toMatchObject({ toolProfile, maxTurns });
      expect(Object.keys(roles)).toHaveLength(7);
      const others = Object.entries(roles).filter(([other]) => other !== name);
      expect(others.map(([, { instructions }]) => instructions)).not.toContain(roles[name].instructions);
      expect(roles[name].instructions.length).toBeGreaterThan(300);
      expect(roles[name].description).toMatch(/^[A-Z].*\.$/);
    },
  );

  test('cannot be changed in place', () => {
    expect(() => Object.assign(roles, { lawyer })).toThrow(TypeError);
    expect(() => Object.assign(roles.backend, { maxTurns: 1 })).toThrow(TypeError);
  });

  test('are added to, replaced, or taken away by a program [SB-010]', () => {
    const own = rolesOf(
      { lawyer, planner: { ...lawyer, thinking: 'deep' as never }, devops: null, unheard: null },
      profiles,
    );
    expect([...own.keys()]).toEqual(['planner', 'backend', 'frontend', 'researcher', 'reviewer', 'tester', 'lawyer']);
    expect(own.get('lawyer')).toEqual(lawyer);
    expect(own.get('planner')).toEqual({ ...lawyer, thinking: 'extended' });
    expect([...rolesOf(undefined, profiles)]).toEqual(Object.entries(roles));
  });

  test.each([
    [{ lawyer: { ...lawyer, maxTurns: 0 } }, 'The role "lawyer": maxTurns is 0. Expected a whole number of 1 or more.'],
    [
      { lawyer: { ...lawyer, toolProfile: 'legal' } },
      'The role "lawyer": toolProfile is "legal". Expected one of core,',
    ],
    [{ lawyer: { ...lawyer, instructions: ' ' } }, 'The role "lawyer": instructions is " ". Expected text'],
    [{ lawyer: { ...lawyer, description: undefined } }, 'The role "lawyer": description is undefined. Expected text'],
    [{ lawyer: { ...lawyer, thinking: 'hard' } }, 'The role "lawyer": thinking is "hard". Expected "off",'],
    [{ lawyer: 'reads' }, 'The role "lawyer": it is "reads". Expected a role, or null'],
    [{ ' lawyer': lawyer }, 'The name of a role is " lawyer". Expected a name without blanks'],
    [{ '': lawyer }, 'The name of a role is "".'],
  ])('say what is wrong with one of a program: %j', (own, message) => {
    expect(() => rolesOf(own as never, profiles)).toThrow(message);
  });

  test('do not stay where their tools were taken away', () => {
    expect(() => rolesOf({}, toolProfilesOf({ research: null }))).toThrow(
      'The role "planner": toolProfile is "research".',
    );
  });

  test('are all listed where one is not known [SB-012]', () => {
    expect(unknownRoleText('x', rolesOf({}, profiles))).toBe(
      'Unknown role "x". Available roles: planner, backend, frontend, researcher, reviewer, devops, tester.',
    );
    expect(unknownRoleText('x', new Map())).toContain('There are no roles here');
  });

  test('are told to a model with what each is for, its tools and its turns [SB-140]', () => {
    const text = roleCatalogue(rolesOf({ lawyer: { ...lawyer, thinking: 'basic' } }, profiles));
    for (const [name, { description, toolProfile, maxTurns }] of Object.entries(roles))
      expect(text).toContain(`\n- ${name}: ${description} (tools: ${toolProfile}, turns: ${maxTurns})`);
    expect(text).toContain('\n- lawyer: Reads contracts. (tools: research, turns: 8, thinking: basic)');
    expect(roleCatalogue(new Map())).toContain('There are no roles');
  });
});
