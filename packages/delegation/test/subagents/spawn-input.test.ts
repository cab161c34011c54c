import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { configIn, readSpawnInput, spawnActions, spawnSchema } from '../../src/subagents/spawn-input.ts';

const errorOf = (given: Record<string, unknown>): string => {
  const read = readSpawnInput(given);
  return 'error' in read ? read.error : 'nothing is wrong';
};

describe('what a model hands to spawn', () => {
  test('is understood as far as it was given: what is null or blank was not [SB-130]', () => {
    expect(readSpawnInput({})).toEqual({});
    expect(readSpawnInput({ action: 'info', agent_id: ' sub_1 ', label: '', role: '  ', task: null })).toEqual({
      action: 'info',
      agent_id: 'sub_1',
    });
  });

  test('is refused with what was found and what there is to choose from [SB-131]', () => {
    expect(errorOf({ action: 'fork' })).toBe(`Unknown action "fork": choose one of ${spawnActions.join(', ')}.`);
    expect(errorOf({ spawn_mode: 'once' })).toBe('Invalid spawn_mode "once": choose one of run, session.');
    expect(errorOf({ cleanup: 7 })).toBe('Invalid cleanup 7: choose one of keep, delete.');
    expect(errorOf({ routing_mode: 'x' })).toBe('Invalid routing_mode "x": choose one of direct, orchestrated.');
    expect(errorOf({ thinking: 3 })).toBe('Invalid thinking 3: choose one of off, basic, extended.');
    expect(errorOf({ thinking: 'a lot' })).toBe('Invalid thinking "a lot": choose one of off, basic, extended.');
    expect(errorOf({ match_keywords: 'tests, bugs' })).toBe(
      'Invalid match_keywords "tests, bugs": expected a list of texts.',
    );
    expect(errorOf({ match_examples: ['a', 1] })).toBe('Invalid match_examples ["a",1]: expected a list of texts.');
    expect(errorOf({ timeout: 'soon' })).toBe('Invalid timeout "soon": expected a number of seconds.');
    expect(errorOf({ timeout: -1 })).toBe('Invalid timeout -1: expected 0 seconds or more.');
    expect(errorOf({ timeout_seconds: 9 })).toBe('Invalid timeout_seconds 9: expected 10 to 3600 seconds.');
    expect(errorOf({ timeout_seconds: 3_601 })).toBe('Invalid timeout_seconds 3601: expected 10 to 3600 seconds.');
    expect(errorOf({ allow_subagents: 'maybe' })).toBe('Invalid allow_subagents "maybe": expected true or false.');
    expect(errorOf({ task: { goal: 'x' } })).toBe('Invalid task {"goal":"x"}: expected text.');
    expect(errorOf({ keywords: ['a'], action: 'x' })).toMatch(
      /^Unknown action "x": .* Unknown field "keywords"\. Fields are: action, task, .*match_keywords/,
    );
    expect(errorOf({ cleanup: 'x'.repeat(500) }).length).toBeLessThan(200);
  });

  test('never throws, whatever it is [SB-130]', () => {
    const fields = fc.constantFrom(...Object.keys(propertiesOf()), 'other');
    fc.assert(
      fc.property(fc.dictionary(fields, fc.jsonValue()), (given) => {
        const read = readSpawnInput(given);
        if ('error' in read) expect(read.error).toMatch(/^(Invalid|Unknown) .*\.$/s);
        else configIn(read);
      }),
    );
  });

  test('has one schema for every manager: what it lets through is read by the tool, not by the runtime', () => {
    const anything = { action: 'fork', x: 1 };
    expect(spawnSchema['~standard'].validate(anything)).toEqual({ value: anything });
    expect(propertiesOf()).toMatchObject({
      action: { enum: [...spawnActions] },
      spawn_mode: { enum: ['run', 'session'] },
      match_keywords: { type: 'array' },
    });
    for (const { description } of Object.values(propertiesOf())) expect(description).toMatch(/\.$/);
  });
});

const propertiesOf = () =>
  spawnSchema['~standard'].jsonSchema.input({ target: 'draft-2020-12' }).properties as Record<
    string,
    { description?: string }
  >;

describe('the config that a call of spawn asks for', () => {
  test('holds what was said and nothing else; nothing at all when nothing was [SB-131]', () => {
    expect(configIn({ action: 'spawn', task: 'Do it.', label: 'it', timeout: 5 })).toBeUndefined();
    expect(configIn({ allow_subagents: false, enable_skills: false })).toEqual({
      allowSubagents: false,
      skills: false,
    });
    expect(
      configIn({
        role: 'tester',
        model: 'small',
        tool_profile: 'coding',
        thinking: 'deep',
        enable_skills: true,
        timeout_seconds: 60,
        spawn_mode: 'session',
        cleanup: 'keep',
        routing_mode: 'orchestrated',
        allow_subagents: true,
        specialization: 'tests',
        match_keywords: ['test'],
        match_examples: ['Test it.'],
        auto_route: true,
      }),
    ).toEqual({
      role: 'tester',
      model: 'small',
      toolProfile: 'coding',
      thinking: 'extended',
      skills: true,
      timeoutMs: 60_000,
      mode: 'session',
      cleanup: 'keep',
      routing: 'orchestrated',
      allowSubagents: true,
      specialization: 'tests',
      keywords: ['test'],
      examples: ['Test it.'],
      autoRoute: true,
    });
  });
});
