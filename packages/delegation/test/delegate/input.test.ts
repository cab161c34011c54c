import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tasksIn } from '../../src/delegate/delegate-input.ts';
import { delegatePolicyOf } from '../../src/delegate/delegate-options.ts';
import { createDelegateTool, createManageDelegationsTool } from '../../src/index.ts';
import { calling, eventsOf, tool } from '../delegating.ts';
import { delegate, delegatingOnce, entriesIn, errorIn, openLead, resultIn } from './lead.ts';

const policy = delegatePolicyOf({});
const understood = (input: unknown) => tasksIn(input, policy);
const goals = (input: unknown) => {
  const found = understood(input);
  return 'error' in found ? found.error : found.tasks.map(({ goal }) => goal);
};
const neither = "Provide either 'goal' (single task) or 'tasks' (batch).";

describe('the tasks of a call', () => {
  test.each<[string, unknown, string | string[]]>([
    ['one goal', { goal: ' Count. ' }, ['Count.']],
    ['a list, whatever the goal says [HM-008]', { goal: 'x', tasks: [{ goal: 'a' }, { goal: 'b' }] }, ['a', 'b']],
    ['a list as text [HM-007, B-21]', { tasks: '[{"goal":"a"}]' }, ['a']],
    ['no text for a list, and a goal [B-52]', { goal: 'x', tasks: '' }, ['x']],
    ['an empty list, and a goal [HM-008]', { goal: 'x', tasks: [] }, ['x']],
    ['an empty list as text, and a goal [HM-008]', { goal: 'x', tasks: '[]' }, ['x']],
    ['no list, and a goal', { goal: 'x', tasks: null }, ['x']],
    ['neither [HM-008]', {}, neither],
    ['blank text [HM-007]', { tasks: '  ' }, neither],
    ['an empty list [HM-008]', { tasks: [] }, neither],
    ['a blank goal [HM-008]', { goal: '  ' }, neither],
    ['a goal that is no text [B-51]', { goal: 7 }, neither],
    ['no object at all', 'count', neither],
    ['a list that is an object [HM-007]', { tasks: { goal: 'a' } }, "'tasks' must be an array of objects, got object."],
    ['a list that is a number [HM-007]', { tasks: 3 }, "'tasks' must be an array of objects, got number."],
    [
      'text that is another JSON [HM-007]',
      { tasks: '{"goal":"a"}' },
      "'tasks' must be an array of objects, but parsed object instead.",
    ],
    ['text that is null [HM-007]', { tasks: 'null' }, "'tasks' must be an array of objects, but parsed null instead."],
    ['an element that is text [HM-010]', { tasks: ['a'] }, 'Task 0 must be an object, got string.'],
    ['an element that is a list [HM-010]', { tasks: [{ goal: 'a' }, []] }, 'Task 1 must be an object, got array.'],
    ['an element that is null [HM-010]', { tasks: [null] }, 'Task 0 must be an object, got null.'],
    ['an element without a goal [HM-010]', { tasks: [{ goal: 'a' }, {}] }, "Task 1 is missing a 'goal'."],
    ['an element with a blank goal [HM-010]', { tasks: [{ goal: ' ' }] }, "Task 0 is missing a 'goal'."],
    ['a goal that is a number [B-51]', { tasks: [{ goal: 7 }] }, "Task 0 is missing a 'goal'."],
    ['a goal that is an object [B-51]', { tasks: [{ goal: {} }] }, "Task 0 is missing a 'goal'."],
  ])('are %s', (_what, input, expected) => {
    expect(goals(input)).toEqual(expected);
  });

  test.each<[string, object, object | string]>([
    ['a context that is an object: it is shown as JSON', { context: { a: 1 } }, { context: '{"a":1}' }],
    ['a blank context', { context: ' ' }, { context: undefined }],
    ['bundles as text [HM-041]', { toolsets: 'web, file ,' }, { toolsets: ['web', 'file'] }],
    ['bundles as text that is a list [HM-007]', { toolsets: '["web", "file"]' }, { toolsets: ['web', 'file'] }],
    ['bundles of which some are none [HM-041]', { toolsets: [7, ' web '] }, { toolsets: ['web'] }],
    ['no list of bundles', { toolsets: { web: true } }, "'toolsets' must be a list of names, got object."],
    ['a list of what is no bundle', { toolsets: [{ name: 'web' }] }, "'toolsets' must be a list of names, got none."],
    ['a list of no bundles [HM-043]', { toolsets: [' '] }, { toolsets: undefined }],
    ['no schema [HM-170]', { output_schema: '' }, { outputSchema: undefined }],
    ['one image [HM-173]', { images: ' https://a/b.png ' }, { images: ['https://a/b.png'] }],
    ['a list of no images [HM-173]', { images: [] }, { images: undefined }],
    ['no image [HM-173]', { images: '' }, { images: undefined }],
    ['a blank model [HM-173]', { model: '' }, { model: undefined }],
    ['a model that is no text [HM-173]', { model: 7 }, "unknown 'model'. Known are: fast."],
    [
      'a model of a batch [HM-173]',
      { tasks: [{ goal: 'a' }, { goal: 'b', model: 'no' }] },
      "Task 1: unknown 'model'. Known are: fast.",
    ],
  ])('may have %s', (_what, given, expected) => {
    const found = tasksIn({ goal: 'a', ...given }, delegatePolicyOf({ offerImages: true, models: { fast: 'm' } }));
    if (typeof expected === 'string') expect(found).toEqual({ error: expected });
    else
      expect(
        'tasks' in found && {
          ...Object.fromEntries(Object.keys(expected).map((key) => [key, undefined])),
          ...found.tasks[0],
        },
      ).toMatchObject(expected);
  });

  test('are not parsed from broken text, and the error says so [HM-007, B-21]', () => {
    expect(goals({ tasks: '[{"goal":' })).toMatch(/^'tasks' is text that could not be parsed as JSON: /);
  });

  test.each([2, 3, 4])('may be as many as the limit says, and are never cut off: %i of 3 [HM-009]', (count) => {
    const tasks = Array.from({ length: count }, (_, i) => ({ goal: `g${i}` }));
    expect(goals({ tasks })).toEqual(
      count > 3
        ? 'Too many tasks: 4 provided, but max_concurrent_children is 3. Nothing was started: send fewer, or send the rest later.'
        : tasks.map(({ goal }) => goal),
    );
  });

  test('are counted before they are looked at [HM-009, HM-010]', () => {
    expect(goals({ tasks: [1, 2, 3, 4] })).toMatch(/^Too many tasks: 4/);
  });

  test('take role and toolsets from the call where they have none, and never its context [HM-011]', () => {
    const found = understood({
      role: 'orchestrator',
      context: 'shared',
      toolsets: ['web'],
      tasks: [{ goal: 'a' }, { goal: 'b', role: 'leaf', context: 'own', toolsets: ['file'] }],
    });
    expect(found).toMatchObject({
      isBatch: true,
      tasks: [
        { goal: 'a', role: 'orchestrator', toolsets: ['web'] },
        { goal: 'b', role: 'leaf', context: 'own', toolsets: ['file'] },
      ],
    });
    expect(found).not.toHaveProperty('tasks.0.context');
    expect(understood({ goal: 'a', context: 'shared' })).toMatchObject({ tasks: [{ context: 'shared' }] });
  });

  test.each<[unknown, string, number]>([
    [undefined, 'leaf', 0],
    [null, 'leaf', 0],
    ['leaf', 'leaf', 0],
    [' Orchestrator ', 'orchestrator', 0],
    ['ORCHESTRATOR', 'orchestrator', 0],
    ['boss', 'leaf', 1],
    [7, 'leaf', 1],
  ])('have the role %j as %s [HM-030]', (role, expected, warnings) => {
    const found = understood({ goal: 'a', role });
    expect(found).toMatchObject({ tasks: [{ role: expected }] });
    expect(found).toHaveProperty('warnings.length', warnings);
  });

  test.each<[string, unknown, string | undefined]>([
    ['an object', { type: 'object' }, undefined],
    ['text [HM-170]', '{"type":"object"}', undefined],
    ['nothing', '', undefined],
    ['broken text', '{', "'output_schema' could not be parsed as JSON"],
    ['a number', 7, "'output_schema' must be an object, got number."],
    ['no schema', { type: 'nonsense' }, "'output_schema' is no JSON Schema that can be checked"],
  ])('may bring a schema that is %s [HM-170]', (_what, schema, error) => {
    const found = understood({ goal: 'a', output_schema: schema });
    if (error === undefined) expect(found).not.toHaveProperty('error');
    else expect(found).toMatchObject({ error: expect.stringContaining(error) });
  });

  test('are understood or refused in a sentence, whatever the input is [HM-001]', () => {
    fc.assert(
      fc.property(fc.anything(), (input) => {
        const found = tasksIn(input, policy);
        if ('error' in found) {
          expect(found.error.length).toBeGreaterThan(10);
          return;
        }
        expect(found.tasks.length).toBeGreaterThan(0);
        expect(found.tasks.length).toBeLessThanOrEqual(3);
        for (const { goal } of found.tasks) expect(goal.trim()).not.toBe('');
      }),
    );
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (tasks, goal) => {
        const found = tasksIn({ tasks, goal }, policy);
        if ('error' in found) expect(typeof found.error).toBe('string');
      }),
    );
  });
});

describe('delegate_task', () => {
  test('gives results for one task and for several, in the order of the tasks [HM-012, HM-001]', async () => {
    const single = await delegatingOnce({ goal: 'a' }, { 'task-1': ['A.'] }).run();
    expect(resultIn(single)).toMatchObject({
      results: [{ task_index: 0, status: 'completed', summary: 'A.' }],
      total_duration_seconds: 0,
    });
    const slowFirst = { 'task-1': [{ text: 'A.', delayMs: 1_000 }], 'task-2': ['B.'], 'task-3': ['C.'] };
    const troupe = delegatingOnce({ tasks: ['a', 'b', 'c'].map((goal) => ({ goal })) }, slowFirst);
    const running = troupe.run();
    await new Promise<void>((resolve) => setImmediate(resolve));
    troupe.clock.increment(1_000);
    const report = await running;
    expect(entriesIn(report).map(({ task_index, summary }) => [task_index, summary])).toEqual([
      [0, 'A.'],
      [1, 'B.'],
      [2, 'C.'],
    ]);
    expect(resultIn(report).total_duration_seconds).toBe(1);
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ['more tasks than allowed [HM-009]', { tasks: [1, 2, 3, 4].map((n) => ({ goal: `${n}` })) }, /^Too many tasks/],
    ['a task without a goal after good ones [HM-010]', { tasks: [{ goal: 'a' }, { goal: 'b' }, {}] }, /^Task 2/],
    ['tasks that are no JSON [B-21]', { tasks: '[' }, /could not be parsed as JSON/],
  ])('starts nobody for %s', async (_what, args, error) => {
    const troupe = delegatingOnce(args);
    const report = await troupe.run();
    expect(errorIn(report)).toMatch(error);
    expect(eventsOf(troupe, 'child.requested', 'child.refused')).toEqual([]);
    expect(report).toMatchObject({ status: 'completed', text: 'done', children: [] });
  });

  test('does not let a call choose the turns of a child [HM-005]', async () => {
    const loop = { calls: [{ name: 'look', arguments: {} }] };
    const children = { 'task-1': [loop, loop, 'never'] };
    const troupe = delegatingOnce({ goal: 'a', max_iterations: 99 }, children, {
      options: { maxIterations: 2 },
      tools: [tool('look')],
    });
    expect(entriesIn(await troupe.run())).toMatchObject([{ exit_reason: 'max_turns', api_calls: 2 }]);
  });

  test('says what is wrong with the endpoint of children before anything else, and starts nobody [HM-006]', async () => {
    const options = { route: { to: { provider: 'nobody' }, connect: () => ({ takeTurn: () => [] as never }) } };
    const troupe = delegatingOnce({ tasks: 'broken' }, {}, { options });
    expect(errorIn(await troupe.run())).toMatch(/^Cannot resolve delegation provider "nobody"/);
    expect(eventsOf(troupe, 'child.requested')).toEqual([]);
  });

  test('passes on what the options of its endpoint throw [HM-006]', async () => {
    const keepSettings = {
      includes: () => {
        throw new Error('No list.');
      },
    } as never;
    const to = { baseURL: 'http://localhost:9/v1', apiKey: 'k', model: 'm' };
    const route = { to, keepSettings, connect: () => ({ takeTurn: () => [] as never }) };
    const lead = { settings: { region: 'eu' } };
    const troupe = delegatingOnce({ goal: 'a' }, {}, { options: { route }, lead });
    expect((await troupe.run()).calls[0]).toMatchObject({ status: 'error' });
    expect(eventsOf(troupe, 'child.requested')).toEqual([]);
  });

  test('answers calls beyond its limit in one turn with an error each, and runs the others [HM-162, B-59]', async () => {
    const calls = ['a', 'b', 'c'].map((goal) => delegate({ goal }));
    const troupe = openLead(
      { lead: [calling(...calls), 'done'], 'task-1': ['A.', 'B.'] },
      { options: { maxConcurrentChildren: 2 } },
    );
    const report = await troupe.run();
    expect(report.calls.map(({ status }) => status)).toEqual(['ok', 'ok', 'refused']);
    expect(report.calls[2]?.result).toContain('delegate_task');
    expect(report.children).toHaveLength(2);
  });

  test.each([
    [{ maxConcurrentChildren: 0 }, /maxConcurrentChildren is 0\. Expected a whole number of 1 or more/],
    [{ maxAsyncChildren: 1.5 }, /maxAsyncChildren is 1\.5/],
    [{ maxSpawnDepth: -1 }, /maxSpawnDepth is -1/],
    [{ maxIterations: Number.NaN }, /maxIterations is NaN/],
    [{ timeoutMs: 0 }, /timeoutMs is 0/],
    [{ approval: 'ask' as never }, /approval is "ask"\. Expected deny, allow or bubble/],
    [{ background: 'often' as never }, /background is "often"/],
    [{ model: ' ' }, /model is " "/],
    [{ completions: 'none' as never }, /completions is "none"\. Expected "batch" or "each"/],
    [null as never, /^The options of a delegate tool are null\. Expected \{ … \}/],
    ['search' as never, /^The options of a delegate tool are a string\./],
  ])('is not made with %j', (options, error) => {
    expect(() => createDelegateTool(options)).toThrow(error);
  });

  test('requires a run that calls it [HM-002]', async () => {
    const { execute } = createDelegateTool();
    expect(await execute({ goal: 'a' } as never, undefined as never)).toEqual({
      error: expect.stringContaining('requires a parent agent context'),
    });
  });

  test('is one tool, and what manages delegations is another', () => {
    expect([createDelegateTool().name, createManageDelegationsTool().name]).toEqual([
      'delegate_task',
      'manage_delegations',
    ]);
  });
});
