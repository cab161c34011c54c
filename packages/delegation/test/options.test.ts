import type { Tool } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { createSubworkerTool, createSwarmTool } from '../src/index.ts';
import { policyOf, type SubworkerOptions } from '../src/subworker-options.ts';
import {
  calling,
  dataOf,
  eventsOf,
  leadWith,
  offeredTo,
  open,
  requestsOf,
  shownTo,
  spawn,
  tool,
} from './delegating.ts';

const runWith = async (options: SubworkerOptions, ...args: Record<string, unknown>[]) => {
  const helpers = args.map(() => 'Helped.');
  const troupe = open({ lead: [calling(...args.map((arg) => spawn(arg))), 'Done.'], helper: helpers });
  await troupe.runtime.run(leadWith(createSubworkerTool(options)), 'Go.');
  return troupe;
};

const parametersOf = ({ inputJSONSchema }: Tool) =>
  inputJSONSchema as { required: string[]; properties: Record<string, { type?: string; default?: unknown }> };

describe('a sub-worker tool', () => {
  test('has sensible limits, grants nothing and forbids no model unless told otherwise [BG-001]', () => {
    const policy = policyOf('spawn_subworker', {});
    expect(policy).toMatchObject({
      maxSubworkers: 5,
      maxToolsPerSubworker: 8,
      maxIterations: 10,
      maxToolCalls: 10,
      structuredOutputRetries: 1,
      onPaused: 'error',
    });
    expect(policy.tools.size).toBe(0);
    expect([policy.defaultModel, policy.allowedModels]).toEqual([undefined, undefined]);
    expect(createSubworkerTool().name).toBe('spawn_subworker');
  });

  test('without options starts children without tools, on the model of the runtime [BG-001]', async () => {
    const troupe = await runWith({}, {}, { tools: ['search'] });
    expect(requestsOf(troupe, 'helper').map(({ request }) => request.model)).toEqual(['test-model']);
    expect(offeredTo(troupe, 'helper')).toEqual([[]]);
    expect(shownTo(troupe)[1]).toContain('Requested tools are not available: search');
  });

  test.each<[string, unknown, RegExp]>([
    ['none', null, /^The options of the tool "spawn_subworker" are null\. Expected \{ … \}/],
    ['a list of tools', [tool('search')], /are a list\. Expected \{ … \}/],
    [
      'tools by name',
      { availableTools: { search: {} } },
      /option availableTools .* is an object with search\. Expected a list/,
    ],
    ['the name of a tool', { availableTools: ['search'] }, /availableTools .* has at \[0\] a string\. Expected a tool/],
    ['no tool', { availableTools: [tool('search'), undefined] }, /has at \[1\] undefined\. Expected a tool/],
  ])('refuses options that are %s [BG-005] [BG-051]', (_what, options, message) => {
    const refused = { code: 'subworker.invalid', message: expect.stringMatching(message) };
    expect(() => createSubworkerTool(options as never)).toThrow(expect.objectContaining(refused));
  });

  const bounds: [keyof SubworkerOptions, number][] = [
    ['maxSubworkers', 1],
    ['maxToolsPerSubworker', 0],
    ['maxIterations', 1],
    ['maxToolCalls', 1],
    ['structuredOutputRetries', 0],
  ];
  test.each(bounds)('refuses a %s below %i, and takes that very number [BG-002]', (option, least) => {
    const make = (value: number) => () => createSubworkerTool({ [option]: value });
    for (const wrong of [least - 1, -7, least + 0.5, Number.NaN])
      expect(make(wrong)).toThrow(expect.objectContaining({ code: 'subworker.invalid' }));
    expect(make(least - 1)).toThrow(`${option} must be >= ${least}`);
    expect(make(least)).not.toThrow();
  });

  test('is offered as spawn_agent when it is made as a swarm tool, and is the same otherwise [BG-003]', async () => {
    // given a swarm tool
    const swarm = createSwarmTool({ availableTools: [tool('search')], maxSubworkers: 1 });
    expect(swarm.description).toBe(
      createSubworkerTool({ availableTools: [tool('search')], maxSubworkers: 1 }).description,
    );
    const two = [spawn({ tools: ['search'] }, 'spawn_agent'), spawn({}, 'spawn_agent')];
    const troupe = open({ lead: [calling(...two), 'Done.'], helper: ['Helped.'] });
    // when a lead uses it
    const report = await troupe.runtime.run(leadWith(swarm), 'Go.');
    // then it starts children with the same policy
    expect(offeredTo(troupe, 'lead')[0]).toEqual(['spawn_agent']);
    expect(offeredTo(troupe, 'helper')).toEqual([['search']]);
    expect(dataOf(troupe, report)).toMatchObject({ status: 'completed', worker: 'helper' });
    expect(shownTo(troupe)[1]).toContain('Subworker budget exceeded: max_subworkers=1');
    expect(() => createSwarmTool({ maxSubworkers: 0 })).toThrow('maxSubworkers must be >= 1');
  });

  test('reads allowedModels once, from whatever can be iterated [BG-004]', async () => {
    // given a set that its owner changes later
    const allowed = new Set(['small']);
    const spawnTool = createSubworkerTool({ allowedModels: allowed });
    allowed.clear();
    allowed.add('huge');
    // and a generator, which can be read only once
    const once = createSwarmTool({
      allowedModels: (function* () {
        yield 'small';
      })(),
    });
    const troupe = open({
      lead: [
        calling(spawn({ model: 'small' }), spawn({ model: 'huge' })),
        calling(spawn({ model: 'small' }, 'spawn_agent'), spawn({ model: 'small' }, 'spawn_agent')),
        'Done.',
      ],
      helper: ['1', '2', '3'],
    });
    // when children ask for models
    const report = await troupe.runtime.run(leadWith([spawnTool, once]), 'Go.');
    // then what counts is what was allowed first
    expect(report.calls.map(({ status }) => status)).toEqual(['ok', 'error', 'ok', 'ok']);
  });

  test('forbids every model when allowedModels is empty [BG-004]', async () => {
    const troupe = await runWith({ allowedModels: [] }, {}, { model: 'small' });
    expect(shownTo(troupe)).toEqual([
      expect.stringContaining('Model \\"test-model\\" is not allowed for subworkers'),
      expect.stringContaining('Model \\"small\\" is not allowed for subworkers'),
    ]);
    expect(eventsOf(troupe, 'child.requested')).toEqual([]);
  });

  test('refuses two available tools of one name [BG-005]', () => {
    expect(() => createSubworkerTool({ availableTools: [tool('search'), tool('search')] })).toThrow(
      expect.objectContaining({
        code: 'tool.duplicate',
        message: expect.stringContaining('Tool name already registered: search'),
      }),
    );
  });

  test('asks its model for name, instructions and task, and takes tools and a model [BG-006]', () => {
    const { required, properties } = parametersOf(createSubworkerTool());
    expect(Object.keys(properties)).toEqual(['name', 'instructions', 'task', 'tools', 'model']);
    expect(required.toSorted()).toEqual(['instructions', 'name', 'task']);
    expect([properties.tools?.default, properties.model?.default]).toEqual([[], null]);
  });

  test.each(['name', 'instructions', 'task'])(
    'answers a call without %s with what is missing, and no child [BG-006]',
    async (field) => {
      // given room for one child
      const spawnTool = createSubworkerTool({ maxSubworkers: 1 });
      const troupe = open({
        lead: [calling(spawn({ [field]: undefined })), calling(spawn()), 'Done.'],
        helper: ['Helped.'],
      });
      // when a field is missing in the first call
      const report = await troupe.runtime.run(leadWith(spawnTool), 'Go.');
      // then the call says so, nothing started, and the place is still there for the second
      expect(report.calls.map(({ status }) => status)).toEqual(['error', 'ok']);
      expect(shownTo(troupe)[0]).toMatch(new RegExp(`do not fit: ${field}`));
      expect(report.calls[0]).not.toHaveProperty('data');
      expect(eventsOf(troupe, 'child.requested')).toHaveLength(1);
      expect(eventsOf(troupe, 'child.refused')).toEqual([]);
    },
  );

  test('tells its model which tools and models there are, and how many sub-workers', () => {
    const described = tool('search', { description: () => 'Changes from turn to turn.' });
    const bounded = createSubworkerTool({
      availableTools: [tool('grep'), described],
      allowedModels: ['small'],
      maxSubworkers: 2,
    });
    expect(bounded.description).toContain('Tools it can be given: grep (Does grep.); search.');
    expect(bounded.description).toContain('Models: small.');
    expect(bounded.description).toContain('At most 2 sub-workers');
    expect(createSubworkerTool({ allowedModels: [] }).description).toContain('It has no tools. Models: none.');
  });
});
