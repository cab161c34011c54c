import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { delegatePolicyOf, deniedTools } from '../../src/delegate/delegate-options.ts';
import { createDelegateTool, readDelegateConfig } from '../../src/index.ts';

const read = (config: Record<string, unknown> = {}, env: Record<string, string> = {}) =>
  readDelegateConfig(config, env).options;

describe('the defaults of delegate_task', () => {
  test('are 3 children, 3 units, 50 turns, depth 1, no timeouts, orchestrators on, servers inherited, approval denied [HM-020–026]', () => {
    expect(delegatePolicyOf({})).toMatchObject({
      maxConcurrentChildren: 3,
      maxAsyncChildren: 3,
      maxIterations: 50,
      maxToolCalls: 500,
      maxSpawnDepth: 1,
      orchestrators: true,
      inheritServerTools: true,
      approval: 'deny',
      background: 'auto',
      denyTools: new Set(deniedTools),
    });
    for (const option of ['timeoutMs', 'idleTimeoutMs', 'model', 'settings', 'route'])
      expect(delegatePolicyOf({})).not.toHaveProperty(option);
    expect(read()).toEqual({});
  });

  test('count units for each tool, and together for tools of one id [HM-021]', () => {
    const keys = [{}, {}, { id: 'a' }, { id: 'a' }].map((options) => delegatePolicyOf(options).capacityKey);
    expect(new Set(keys).size).toBe(3);
    expect(keys[2]).toBe(keys[3]);
  });
});

describe('a configuration that people wrote', () => {
  test.each([
    ['max_concurrent_children', 'maxConcurrentChildren', 'DELEGATION_MAX_CONCURRENT_CHILDREN'],
    ['max_async_children', 'maxAsyncChildren', 'DELEGATION_MAX_ASYNC_CHILDREN'],
  ] as const)('%s: beats the environment, is 1 at least, has no ceiling [HM-020, HM-021]', (name, option, env) => {
    expect(read({ [name]: 5 }, { [env]: '7' })[option]).toBe(5);
    expect(read({ [name]: '5' }, { [env]: '7' })[option]).toBe(5);
    expect(read({}, { [env]: '7' })[option]).toBe(7);
    for (const [value, expected] of [
      [0, 1],
      [-3, 1],
      [1, 1],
      [2, 2],
      [9_999, 9_999],
      [2.9, 2],
    ])
      expect(read({ [name]: value })[option]).toBe(expected);
    for (const value of ['many', {}, true, Number.NaN]) expect(read({ [name]: value })[option]).toBeUndefined();
  });

  test.each([
    [10, 0],
    [11, 1],
  ])('warns of %i children at once: %i times [HM-020]', (value, times) => {
    expect(readDelegateConfig({ max_concurrent_children: value }).warnings).toHaveLength(times);
  });

  test('has turns, and a depth that is 1 at least [HM-022, HM-024]', () => {
    expect(read({ max_iterations: 250 }).maxIterations).toBe(250);
    expect(read({ max_spawn_depth: 3 }).maxSpawnDepth).toBe(3);
    const { options, warnings } = readDelegateConfig({ max_spawn_depth: 0 });
    expect(options.maxSpawnDepth).toBe(1);
    expect(warnings).toEqual(['max_spawn_depth is 0: 1 is the least, and holds.']);
    expect(read({ max_spawn_depth: 'deep' }).maxSpawnDepth).toBeUndefined();
  });

  test.each<[string, unknown, string | undefined, number | undefined]>([
    ['none', undefined, undefined, undefined],
    ['zero', 0, '60', undefined],
    ['a negative number', -5, undefined, undefined],
    ['less than the least', 29, undefined, 30_000],
    ['the least', 30, undefined, 30_000],
    ['more', '31', undefined, 31_000],
    ['fractions of a millisecond', 64.1, undefined, 64_100],
    ['more than there is', 1e306, undefined, Number.MAX_SAFE_INTEGER],
    ['only the environment', undefined, '45', 45_000],
    ['no number, and the environment', 'soon', '45', 45_000],
    ['no number twice', 'soon', 'later', undefined],
    ['the environment, too little', undefined, '1', 30_000],
  ])('times children out: %s [HM-023]', (_what, value, env, expected) => {
    const config = value === undefined ? {} : { child_timeout_seconds: value };
    const environment = env === undefined ? {} : { DELEGATION_CHILD_TIMEOUT_SECONDS: env };
    expect(read(config, environment).timeoutMs).toBe(expected);
    expect(readDelegateConfig(config, environment).warnings).toHaveLength(value === 'soon' ? 1 : 0);
  });

  test.each<[unknown, boolean]>([
    [true, true],
    [false, false],
    ['true', true],
    ['Yes', true],
    ['ON', true],
    ['1', true],
    ['false', false],
    ['perhaps', false],
    [0, true],
    [[], true],
  ])('switches orchestrators with %j: %s [HM-025]', (value, expected) => {
    expect(read({ orchestrator_enabled: value }).orchestrators).toBe(expected);
  });

  test('inherits servers, approves, names a model and an effort only where it says so [HM-026, HM-056]', () => {
    expect(read({ inherit_mcp_toolsets: 'no' }).inheritServerTools).toBe(false);
    expect(read({ subagent_auto_approve: true }).approval).toBe('allow');
    for (const plain of [false, 0, 'off', '', null])
      expect(read({ subagent_auto_approve: plain }).approval).toBeUndefined();
    for (const said of [1, 'on', 'Yes']) expect(read({ subagent_auto_approve: said }).approval).toBe('allow');
    for (const odd of [[], {}, 7, Number.NaN]) {
      const { options, warnings } = readDelegateConfig({ subagent_auto_approve: odd });
      expect([options.approval, warnings]).toEqual([undefined, [expect.stringContaining('it is off')]]);
    }
    expect(read({ model: ' small ' }).model).toBe('small');
    expect(read({ model: '' }).model).toBeUndefined();
    expect(read({ reasoning_effort: 'none' }).settings).toEqual({ reasoning: 'off' });
    expect(read({ reasoning_effort: 'High' }).settings).toEqual({ reasoning: 'high' });
    const { options, warnings } = readDelegateConfig({ reasoning_effort: 'cosmic' });
    expect(options.settings).toBeUndefined();
    expect(warnings).toEqual(['reasoning_effort is "cosmic", which is not known: that of the parent holds.']);
  });

  test('is the first source that says anything; what is empty or cannot be read falls through [HM-027]', () => {
    const broken = () => {
      throw new Error('no such file');
    };
    const sources = [undefined, {}, broken, () => null, () => ({ max_iterations: 7 }), { max_iterations: 9 }];
    expect(readDelegateConfig(sources).options).toEqual({ maxIterations: 7 });
    expect(readDelegateConfig([broken]).options).toEqual({});
    expect(readDelegateConfig('text' as never).options).toEqual({});
  });

  test('never throws, and always makes a tool [HM-020–027]', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom(
            'max_concurrent_children',
            'max_async_children',
            'max_iterations',
            'max_spawn_depth',
            'child_timeout_seconds',
            'orchestrator_enabled',
            'reasoning_effort',
            'model',
          ),
          fc.anything(),
        ),
        (config) => {
          expect(createDelegateTool(readDelegateConfig(config).options).name).toBe('delegate_task');
        },
      ),
    );
  });
});
