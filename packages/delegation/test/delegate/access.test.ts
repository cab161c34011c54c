import { defineTool, type Tool } from '@troupe/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { delegatePolicyOf } from '../../src/delegate/delegate-options.ts';
import { toolsFor } from '../../src/delegate/tool-access.ts';
import { createSpawnTool, createSubworkerTool, createSwarmTool, type DelegateOptions } from '../../src/index.ts';
import { offeredTo, tool } from '../delegating.ts';
import { delegatingOnce, resultIn } from './lead.ts';

const served = (name: string, server: string): Tool =>
  defineTool({ name, description: '', inputSchema: z.object({}), server, execute: () => name });
const parent = [
  tool('delegate_task'),
  tool('read'),
  tool('write'),
  tool('search'),
  tool('send_message'),
  tool('execute_code'),
  served('issues', 'tracker'),
];
const granted = (
  requested?: string[],
  options: DelegateOptions = {},
  role: 'leaf' | 'orchestrator' = 'leaf',
  tools: readonly Tool[] = parent,
) =>
  toolsFor(
    'delegate_task',
    new Map(tools.map((one) => [one.name, one])),
    { requested, role },
    delegatePolicyOf(options),
  );

describe('the tools of a child', () => {
  test('are those of its parent but for what is denied, when nobody asks for fewer [HM-043, HM-040]', () => {
    expect(granted()).toEqual(['read', 'write', 'search', 'issues']);
  });

  test('are none that spawn, whatever they are called [HM-040]', () => {
    const nobody = () => null;
    const team = [createSpawnTool(nobody, { name: 'team' }), createSubworkerTool(), createSwarmTool()];
    expect(granted(undefined, {}, 'leaf', [tool('read'), ...team])).toEqual(['read']);
  });

  test('are what was asked for among those of its parent: it never gains one [HM-041]', () => {
    expect(granted(['read', 'rm'], { inheritServerTools: false })).toEqual(['read']);
  });

  test('are never more than what the options allow, whatever a task asks for [HM-041]', () => {
    const options = { tools: ['files'], toolsets: { files: ['read', 'write'] }, inheritServerTools: false };
    expect(granted(['read', 'search'], options)).toEqual(['read']);
    expect(granted(['search'], options)).toEqual([]);
    // those of servers need not be asked for, but allowed
    expect(granted(['read'], { ...options, inheritServerTools: true })).toEqual(['read']);
    const more = { ...options, tools: ['files', 'issues'], inheritServerTools: true };
    expect(granted(['read'], more)).toEqual(['read', 'issues']);
  });

  test('come out of bundles, and of bundles in bundles, also ones that hold each other [HM-041]', () => {
    const toolsets = { files: ['read', 'write'], all: ['files', 'search', 'loop'], loop: ['all', 'rm'] };
    expect(granted(['all'], { toolsets, inheritServerTools: false })).toEqual(['read', 'write', 'search']);
    expect(granted(undefined, { tools: ['files'], toolsets, inheritServerTools: false })).toEqual(['read', 'write']);
  });

  test('keep those of external servers through a narrower request, unless that is off [HM-042]', () => {
    expect(granted(['read'])).toEqual(['read', 'issues']);
    expect(granted(['read'], { inheritServerTools: false })).toEqual(['read']);
  });

  test('lose what is denied by its name, whatever bundle it is in [HM-045, B-61]', () => {
    const toolsets = { messaging: ['send_message', 'search'] };
    expect(granted(['messaging'], { toolsets, inheritServerTools: false })).toEqual(['search']);
    expect(granted(undefined, { denyTools: ['write', 'issues'] })).toEqual([
      'read',
      'search',
      'send_message',
      'execute_code',
    ]);
  });

  test('of an orchestrator are those and the tool that it delegates with, and nothing else that is denied [HM-040, HM-033]', () => {
    expect(granted(['read'], { inheritServerTools: false }, 'orchestrator')).toEqual(['read', 'delegate_task']);
  });

  test('are never one that the parent lacks or that is denied, whatever is asked for [HM-041, B-61]', () => {
    const names = fc.constantFrom('read', 'write', 'search', 'send_message', 'rm', 'a', 'b', 'delegate_task');
    fc.assert(
      fc.property(
        fc.option(fc.array(names), { nil: undefined }),
        fc.dictionary(fc.constantFrom('a', 'b', 'read'), fc.array(names)),
        fc.array(names),
        (requested, toolsets, denyTools) => {
          const has = new Set(parent.map(({ name }) => name));
          for (const name of granted(requested, { toolsets, denyTools })) {
            expect(has.has(name)).toBe(true);
            expect(denyTools).not.toContain(name);
            expect(name).not.toBe('delegate_task');
          }
        },
      ),
    );
  });

  test('leave those of the parent as they are, also when a child cannot be made [HM-044, B-23]', async () => {
    const broken = {
      connect: () => {
        throw new Error('no socket');
      },
      to: { baseURL: 'http://localhost:1' },
    };
    const troupe = delegatingOnce({ goal: 'a' }, {}, { tools: [tool('look')], options: { route: broken } });
    const report = await troupe.run();
    expect(report.calls[0]).toMatchObject({ status: 'error' });
    expect(offeredTo(troupe, 'lead')).toEqual([
      ['delegate_task', 'look'],
      ['delegate_task', 'look'],
    ]);
  });

  test('that were asked for and not granted are named in the result, with the reason [HM-041]', async () => {
    const troupe = delegatingOnce(
      { goal: 'a', toolsets: ['look', 'rm', 'send_message', 'write'] },
      { 'task-1': ['A.'] },
      {
        tools: [tool('look'), tool('send_message'), tool('write')],
        options: { offerToolsets: true, tools: ['look', 'send_message'] },
      },
    );
    const report = await troupe.run();
    expect(resultIn(report).warnings).toEqual([
      'Not granted, for you do not have them: rm.',
      'Not granted, for children may not have them here: send_message, write.',
    ]);
    expect(offeredTo(troupe, 'task-1')).toEqual([['look']]);
  });
});

describe('the input schema', () => {
  const properties = (options: DelegateOptions) => {
    const troupe = delegatingOnce({ goal: 'a' }, { 'task-1': ['A.'] }, { options });
    return troupe.run().then(() => {
      const schema = troupe.provider.requests[0]?.request.tools[0]?.inputSchema as {
        properties: Record<string, { description: string; maxItems?: number; enum?: string[] }>;
      };
      return schema.properties;
    });
  };

  test('says how many tasks there may be and has no maximum, so that too many are answered with a sentence [HM-161]', async () => {
    const { tasks } = await properties({ maxConcurrentChildren: 4 });
    expect(tasks?.description).toContain('up to 4');
    expect(tasks).not.toHaveProperty('maxItems');
  });

  test('offers the roles with what they mean here, and neither turns nor, by default, bundles and servers [HM-161, HM-005]', async () => {
    const flat = await properties({});
    expect(flat.role).toMatchObject({
      enum: ['leaf', 'orchestrator'],
      description: expect.stringContaining('one level deep'),
    });
    expect((await properties({ maxSpawnDepth: 3 })).role?.description).toContain('down to level 3');
    expect((await properties({ orchestrators: false })).role?.description).toContain('switched off');
    expect(Object.keys(flat)).toEqual(['goal', 'context', 'role', 'output_schema', 'tasks', 'background']);
    expect(Object.keys(await properties({ offerToolsets: true, toolsets: { web: [] } }))).toContain('toolsets');
  });
});
