import { isFaultError, type JSONValue } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { roles } from '../../src/index.ts';
import { rolesOf } from '../../src/subagents/roles.ts';
import {
  type ConfigSources,
  configOf,
  effectiveOf,
  mayDelegate,
  maySpawn,
  readConfig,
  resumedConfig,
  type SubagentRequestConfig,
} from '../../src/subagents/subagent-config.ts';
import { SubagentConfig } from '../../src/subagents/subagent-record.ts';
import { reasoningOf } from '../../src/subagents/thinking.ts';
import { toolProfilesOf } from '../../src/subagents/tool-profiles.ts';

const toolProfiles = toolProfilesOf();
const sources: ConfigSources = {
  roles: rolesOf({ thinker: { ...roles.planner, thinking: 'extended' } }, toolProfiles),
  toolProfiles,
  providers: { big: {}, small: {} },
};

const made = (request: SubagentRequestConfig = {}, more: Partial<ConfigSources> = {}): SubagentConfig =>
  configOf(readConfig(request), { ...sources, ...more });

/** What is said of a request that cannot be understood. */
const faultOf = (request: unknown, use: (given: SubagentRequestConfig) => unknown = made) => {
  try {
    use(request as SubagentRequestConfig);
  } catch (error) {
    if (isFaultError(error)) return { code: error.code, message: error.message, ...error.details };
    throw error;
  }
  return undefined;
};

const defaults: SubagentConfig = {
  toolProfile: 'core',
  keywords: [],
  examples: [],
  maxTurns: 15,
  mode: 'run',
  cleanup: 'keep',
  routing: 'direct',
  allowSubagents: false,
  autoRoute: false,
};

describe('a sub-agent of which nothing is said', () => {
  test('runs once, is kept, works alone with core tools in 15 turns without a time limit, and all else is open [SB-002]', () => {
    expect(made()).toEqual(defaults);
    expect(configOf(readConfig(null), sources)).toEqual(defaults);
    expect(readConfig({ model: null, tools: undefined, thinking: null })).toEqual({});
  });

  test('is stored as it was made [SB-002]', () => {
    expect(SubagentConfig.parse(JSON.parse(JSON.stringify(made({ role: 'backend', tools: ['a'] }))))).toEqual(
      made({ role: 'backend', tools: ['a'] }),
    );
  });

  test('shares no list with another', () => {
    made().keywords.push('mine');
    expect(made().keywords).toEqual([]);
  });
});

describe('what is said of a sub-agent', () => {
  test('is taken as it is, blanks around texts and what is said twice aside [SB-001, SB-002]', () => {
    const request: SubagentRequestConfig = {
      model: ' m1 ',
      provider: 'big',
      toolProfile: 'full',
      tools: ['read_file', ' shell', 'shell'],
      instructions: ' Be brief. ',
      specialization: 'Law.',
      keywords: ['law'],
      examples: ['Is this legal?'],
      maxTurns: 500,
      timeoutMs: 10_000,
      mode: 'session',
      cleanup: 'delete',
      routing: 'orchestrated',
      allowSubagents: true,
      autoRoute: true,
      thinking: 'deep',
      skills: false,
    };
    expect(made(request)).toEqual({
      ...request,
      model: 'm1',
      tools: ['read_file', 'shell'],
      instructions: 'Be brief.',
      thinking: 'extended',
    });
    expect(made({ tools: [] }).tools).toEqual([]);
  });

  const wrong: [field: string, values: unknown[], expected: string][] = [
    ['maxTurns', [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '15', true], 'a whole number of 1 or more'],
    ['timeoutMs', [9_999, 3_600_001, 10_000.5, '60'], '10000 to 3600000'],
    ['mode', ['once', '', 1, 'Session'], '"run" or "session"'],
    ['cleanup', ['drop'], '"keep" or "delete"'],
    ['routing', ['auto'], '"direct" or "orchestrated"'],
    ['thinking', ['a lot', '', 1, {}, 'toString'], '"off", "basic" or "extended"'],
    ['keywords', ['law', [1], [''], { 0: 'law' }], 'a list of texts'],
    ['examples', ['Is this legal?', [null]], 'a list of texts'],
    ['tools', ['shell', [['shell']]], 'a list of texts'],
    ['allowSubagents', ['yes', 1], 'true or false'],
    ['autoRoute', ['true'], 'true or false'],
    ['skills', ['inherit'], 'true or false'],
    ['model', ['', ' ', 7], 'text that is not blank'],
    ['provider', ['huge', '__proto__'], 'one of big, small'],
    ['toolProfile', ['everything'], 'one of core, automation, coding, research, group_safe, chat_safe, full'],
  ];
  test.each(wrong)(
    'that is out of range is refused, %s by its name and what it may be [SB-002, SB-003]',
    (field, values, expected) => {
      for (const value of values) {
        const fault = faultOf({ [field]: value });
        expect([value, fault]).toEqual([value, expect.objectContaining({ code: 'subagent.invalid', field })]);
        expect(
          fault?.message.startsWith(
            `${field} is ${typeof value === 'number' ? value : JSON.stringify(value)}. Expected`,
          ),
        ).toBe(true);
        expect(fault?.message).toContain(expected);
      }
    },
  );

  test('has floors and no ceiling where only turns are counted, and both ends of a timeout are allowed [SB-002]', () => {
    expect([1, 51, 100_000].map((maxTurns) => made({ maxTurns }).maxTurns)).toEqual([1, 51, 100_000]);
    expect([10_000, 3_600_000].map((timeoutMs) => made({ timeoutMs }).timeoutMs)).toEqual([10_000, 3_600_000]);
  });

  test('names no provider where the manager has none', () => {
    const fault = faultOf({ provider: 'big' }, (request) => made(request, { providers: undefined }));
    expect(fault?.message).toBe('provider is "big". Expected one of none: the manager was given no providers.');
  });

  test.each([
    'apiKey',
    'api_key',
    'API_KEY',
    'key',
    'token',
    'accessToken',
    'client_secret',
    'password',
    'baseUrl',
    'baseURL',
    'base_url',
  ])('is never %s: a provider holds keys and addresses, and what was given is not repeated [B-40]', (field) => {
    const fault = faultOf({ [field]: 'hunter2-hunter2' });
    expect(fault).toMatchObject({ code: 'subagent.invalid', field });
    expect(fault?.message).toContain(`takes no ${field}: a provider holds keys and addresses`);
    expect(JSON.stringify(fault)).not.toContain('hunter2');
  });

  test('keeps nothing that looks like a key, wherever it stands [B-40]', () => {
    const given = readConfig({ instructions: 'Use sk-abcdefgh12345678.', keywords: ['sk-abcdefgh12345678'] });
    expect(given).toEqual({ instructions: 'Use [redacted].', keywords: ['[redacted]'] });
  });

  test.each(['max_turns', 'keyword', 'name', 'constructor'])(
    'is no %s, which nobody knows: known fields are listed',
    (field) => {
      const fault = faultOf({ [field]: 1 });
      expect(fault).toMatchObject({ field });
      expect(fault?.message).toMatch(`no field "${field}". Known are role, model, provider,`);
    },
  );

  test.each(['backend', 7, ['backend']])('is an object, not %j', (request) => {
    expect(faultOf(request)?.message).toBe(
      `The configuration of a sub-agent is ${JSON.stringify(request)}. Expected an object.`,
    );
  });
});

test('an error shows what cannot be written as JSON by its kind', () => {
  expect(faultOf({ maxTurns: 5n })?.message).toContain('maxTurns is bigint.');
});

describe('thinking', () => {
  test.each([
    ['off', 'off', ['off', 'false', 'none', 'disabled', false, ' OFF ']],
    ['basic', 'medium', ['basic', 'on', 'true', 'default', 'standard', true, 'On']],
    ['extended', 'high', ['extended', 'deep', 'Deep']],
  ] as const)('is %s, a reasoning of %s, by all of its words [SB-003, SB-043]', (level, reasoning, words) => {
    for (const thinking of words)
      expect([thinking, made({ thinking: thinking as never }).thinking]).toEqual([thinking, level]);
    expect(reasoningOf(level)).toBe(reasoning);
  });
});

describe('what was not said', () => {
  const manager = { defaultModel: 'm-default', defaultToolProfile: 'research' };

  test('is filled in by the manager, unless it was said, be it the very default [SB-020]', () => {
    expect(made({}, manager)).toEqual({ ...defaults, model: 'm-default', toolProfile: 'research' });
    expect(made({ model: 'mine', toolProfile: 'core' }, manager)).toEqual({ ...defaults, model: 'mine' });
  });

  test('is filled in by the role before the manager, and what was said comes before both [SB-011, SB-020]', () => {
    const { instructions } = roles.backend;
    const brought = { role: 'backend', instructions, toolProfile: 'coding', maxTurns: 25 };
    expect(made({ role: 'backend' }, manager)).toEqual({ ...defaults, ...brought, model: 'm-default' });
    const said = { toolProfile: 'core', maxTurns: 15, instructions: 'Mine.', thinking: 'off' } as const;
    expect(made({ role: 'thinker', ...said }, manager)).toEqual({
      ...defaults,
      ...said,
      role: 'thinker',
      model: 'm-default',
    });
    expect(made({ role: 'thinker' }).thinking).toBe('extended');
    expect(made({ role: 'backend' })).not.toHaveProperty('thinking');
  });

  test('comes from a role by its name, whatever its case; there is an error that lists all where there is none [SB-011, SB-012]', () => {
    expect(made({ role: ' Backend ' })).toMatchObject({ role: 'backend', maxTurns: 25 });
    expect(faultOf({ role: 'astrologer' })).toEqual({
      code: 'subagent.invalid',
      field: 'role',
      message:
        'Unknown role "astrologer". Available roles: planner, backend, frontend, researcher, reviewer, devops, tester, thinker.',
    });
  });

  test('never comes before what was said, and what was said never before its check: role, manager, library, in this order [SB-011, SB-020]', () => {
    const profile = fc.constantFrom('core', 'coding', 'research', 'full');
    fc.assert(
      fc.property(
        fc.record(
          {
            role: fc.constantFrom(...Object.keys(roles)),
            toolProfile: profile,
            maxTurns: fc.integer({ min: 1 }),
            model: fc.constantFrom('a', 'b'),
          },
          { requiredKeys: [] },
        ),
        fc.record({ defaultModel: fc.constantFrom('a', 'c'), defaultToolProfile: profile }, { requiredKeys: [] }),
        (said, ofManager) => {
          const role = said.role === undefined ? undefined : roles[said.role as keyof typeof roles];
          expect(made(said, ofManager)).toMatchObject({
            toolProfile: said.toolProfile ?? role?.toolProfile ?? ofManager.defaultToolProfile ?? 'core',
            maxTurns: said.maxTurns ?? role?.maxTurns ?? 15,
          });
          expect(made(said, ofManager).model).toBe(said.model ?? ofManager.defaultModel);
        },
      ),
    );
  });
});

describe('a sub-agent that goes on', () => {
  const stored = made({
    role: 'backend',
    model: 'm1',
    maxTurns: 99,
    tools: ['shell'],
    thinking: 'basic',
    keywords: ['x'],
  });
  const resumed = (request: SubagentRequestConfig | null, more: Partial<ConfigSources> = {}) =>
    resumedConfig(stored, readConfig(request), { ...sources, ...more });

  test('is as it was, whatever the defaults are now [SB-095, SB-097]', () => {
    const manager = { defaultModel: 'm2', defaultToolProfile: 'research' };
    for (const nothing of [null, {}, { model: null }]) expect(resumed(nothing, manager)).toEqual(stored);
  });

  test('changes in what is said now, and in nothing else [SB-095]', () => {
    expect(resumed({ maxTurns: 3, cleanup: 'delete' })).toEqual({ ...stored, maxTurns: 3, cleanup: 'delete' });
    fc.assert(
      fc.property(
        fc.record(
          { model: fc.constant('m9'), maxTurns: fc.integer({ min: 1 }), allowSubagents: fc.boolean() },
          { requiredKeys: [] },
        ),
        (said) => {
          expect(resumed(said)).toEqual({ ...stored, ...said });
        },
      ),
    );
  });

  test('has the tools of a profile that is named now, not those that it was once given [SB-095]', () => {
    const { tools: _, ...rest } = stored;
    expect(resumed({ toolProfile: 'research' })).toEqual({ ...rest, toolProfile: 'research' });
    expect(resumed({ toolProfile: 'research', tools: ['a'] })).toEqual({
      ...stored,
      toolProfile: 'research',
      tools: ['a'],
    });
  });

  test('takes what another role brings; its own role again changes nothing, be it unknown by now [SB-011, SB-095]', () => {
    const { instructions } = roles.planner;
    expect(resumed({ role: 'planner', maxTurns: 2 })).toEqual({
      ...made({ model: 'm1', thinking: 'basic', keywords: ['x'] }),
      role: 'planner',
      instructions,
      toolProfile: 'research',
      maxTurns: 2,
    });
    expect(resumed({ role: 'BACKEND' }, { roles: new Map() })).toEqual(stored);
    expect(faultOf({ role: 'astrologer' }, resumed)).toMatchObject({ field: 'role' });
    expect(resumedConfig(defaults, readConfig({ role: 'planner' }), sources)).toEqual(made({ role: 'planner' }));
  });

  test('is refused where what it needs is gone, by name, and goes on with another [SB-095]', () => {
    const withoutCoding = { toolProfiles: toolProfilesOf({ coding: null }) };
    expect(faultOf({}, (request) => resumed(request, withoutCoding))).toMatchObject({ field: 'toolProfile' });
    expect(resumed({ toolProfile: 'core' }, withoutCoding).toolProfile).toBe('core');
  });
});

describe('what a sub-agent leaves open', () => {
  test('is as its parent has it, model, provider and skills; the manager says whether those of nobody have skills [SB-015, SB-029, SB-040]', () => {
    const parent = { model: 'm-parent', provider: 'big', skills: true };
    expect(effectiveOf(made(), parent)).toEqual(parent);
    expect(effectiveOf(made({ model: 'mine', provider: 'small', skills: false }), parent)).toEqual({
      model: 'mine',
      provider: 'small',
      skills: false,
    });
    expect(effectiveOf(made({ skills: true }), { skills: false }, false)).toEqual({ skills: true });
    expect(effectiveOf(made(), { skills: false }, true)).toEqual({ skills: false });
    expect(effectiveOf(made(), null)).toEqual({ skills: false });
    expect(effectiveOf(made(), null, true)).toEqual({ skills: true });
  });
});

describe('spawning', () => {
  test.each<[JSONValue, boolean]>([
    [{}, false],
    [{ allowSubagents: true }, true],
    [{ routing: 'orchestrated' }, true],
    [{ allowSubagents: false, routing: 'orchestrated' }, true],
  ])(
    'is for those that may delegate and whose sub-agents would not be too deep: %j, %s [SB-021, SB-022, B-44]',
    (request, may) => {
      const config = made(request as SubagentRequestConfig);
      expect(mayDelegate(config)).toBe(may);
      expect([1, 2, 3].map((depth) => maySpawn(config, { depth, maxDepth: 2 }))).toEqual([may, false, false]);
    },
  );
});
