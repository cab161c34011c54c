import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toolProfilesOf, toolsFor } from '../../src/subagents/tool-profiles.ts';
import { tool } from '../delegating.ts';

const names = [
  'spawn',
  'list_dir',
  'shell',
  'read_file',
  'write_file',
  'edit_file',
  'web_search',
  'web_fetch',
  'cronjob',
  'other',
];
const available = names.map((name) => tool(name));
const profiles = toolProfilesOf();

const grant = (
  config: { tools?: string[]; toolProfile?: string },
  more: Partial<Parameters<typeof toolsFor>[1]> = {},
): { names: string[]; missing: string[] } => {
  const { tools, missing } = toolsFor(
    { toolProfile: 'core', ...config },
    { profiles, available, spawnToolName: 'spawn', maySpawn: false, ...more },
  );
  return { names: tools.map(({ name }) => name), missing };
};

const files = ['list_dir', 'shell', 'read_file', 'write_file', 'edit_file'];

describe('a tool profile', () => {
  test.each([
    ['core', files],
    ['automation', [...files, 'web_fetch', 'cronjob']],
    ['coding', [...files, 'web_search', 'web_fetch']],
    ['research', ['list_dir', 'read_file', 'web_search', 'web_fetch']],
    ['group_safe', ['web_search']],
    ['chat_safe', ['web_search', 'web_fetch']],
    ['full', names.slice(1)],
  ])('%s holds %j [SB-013]', (toolProfile, expected) => {
    expect(grant({ toolProfile })).toEqual({ names: expected, missing: [] });
    expect(grant({ toolProfile }, { maySpawn: true })).toEqual({ names: ['spawn', ...expected], missing: [] });
  });

  test('is added, replaced or taken away by a program [SB-013]', () => {
    const own = toolProfilesOf({ legal: ['other'], core: 'all', full: null, unheard: null });
    expect([...own.keys()]).toEqual(['core', 'automation', 'coding', 'research', 'group_safe', 'chat_safe', 'legal']);
    expect(grant({ toolProfile: 'legal' }, { profiles: own }).names).toEqual(['other']);
    expect(grant({ toolProfile: 'core' }, { profiles: own }).names).toEqual(names.slice(1));
  });

  test.each(['some', [1], ['a', ' b'], [''], {}, undefined])('is a list of names, not %j', (profile) => {
    expect(() => toolProfilesOf({ legal: profile as never })).toThrow(
      'Expected a list of names of tools, "all", or null.',
    );
  });

  test.each(['legal', '__proto__'])(
    'that there is not is an error that lists those that there are: %s',
    (toolProfile) => {
      expect(() => grant({ toolProfile })).toThrow(
        `toolProfile is "${toolProfile}". Expected one of core, automation,`,
      );
      expect(() => grant({ toolProfile }, { profiles: new Map() })).toThrow('none: there are no profiles');
    },
  );
});

describe('a list of tools', () => {
  test('comes in place of the profile, whatever that is; an empty one is none [SB-014]', () => {
    expect(grant({ tools: ['web_fetch', 'other'], toolProfile: 'full' }).names).toEqual(['web_fetch', 'other']);
    expect(grant({ tools: [], toolProfile: 'gone' })).toEqual({ names: [], missing: [] });
  });

  test('leaves out what is not there, and says so [SB-013, SB-014]', () => {
    expect(grant({ tools: ['shell', 'teleport', 'toString'] })).toEqual({
      names: ['shell'],
      missing: ['teleport', 'toString'],
    });
    expect(grant({ toolProfile: 'research' }, { available: [tool('read_file')] })).toEqual({
      names: ['read_file'],
      missing: ['web_search', 'web_fetch', 'list_dir'],
    });
    expect(grant({}, { available: [], maySpawn: true }).missing).toContain('spawn');
  });
});

describe('the tool that spawns', () => {
  test('is there exactly where spawning would be allowed, whatever list, profile and skills say [SB-014, B-44]', () => {
    const lists = fc.option(fc.subarray([...names, 'teleport']), { nil: undefined });
    const anyProfile = fc.constantFrom(...profiles.keys());
    const anyTools = fc.subarray(available);
    fc.assert(
      fc.property(lists, anyProfile, anyTools, fc.boolean(), (tools, toolProfile, skills, maySpawn) => {
        const granted = grant({ ...(tools && { tools }), toolProfile }, { skills, maySpawn }).names;
        expect(granted.includes('spawn')).toBe(maySpawn);
        expect(new Set(granted).size).toBe(granted.length);
        for (const { name } of skills) if (name !== 'spawn') expect(granted).toContain(name);
        for (const name of tools ?? []) if (name !== 'spawn' && name !== 'teleport') expect(granted).toContain(name);
      }),
    );
  });
});

describe('skills', () => {
  test('come on top, once, and are not missing where they were asked for [SB-015]', () => {
    const skills = [tool('shell'), tool('juggle')];
    expect(grant({ tools: ['shell', 'juggle'] }, { skills })).toEqual({ names: ['shell', 'juggle'], missing: [] });
    expect(grant({ toolProfile: 'group_safe' }, { skills }).names).toEqual(['web_search', 'shell', 'juggle']);
  });
});
