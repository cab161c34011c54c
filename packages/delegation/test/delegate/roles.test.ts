import type { ModelRequest } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { delegatePolicyOf } from '../../src/delegate/delegate-options.ts';
import { describeDelegation } from '../../src/delegate/describe-delegation.ts';
import { createDelegateTool, createSubworkerTool } from '../../src/index.ts';
import { calling, offeredTo, requestsOf, shownTo, spawn, tool } from '../delegating.ts';
import { delegate, delegatingOnce, entriesIn, openLead, plain, viewAt } from './lead.ts';

const systemOf = (requests: readonly { request: ModelRequest }[]): string =>
  String(requests[0]?.request.messages[0]?.content);

describe('the depth of delegation', () => {
  test('is 1 by default: an orchestrator is a leaf, and has no tool to delegate with [HM-031, HM-032, B-44]', async () => {
    const troupe = delegatingOnce({ goal: 'a', role: 'orchestrator' }, { 'task-1': ['A.'] });
    await troupe.run();
    expect(offeredTo(troupe, 'lead')[0]).toEqual(['delegate_task']);
    expect(offeredTo(troupe, 'task-1')).toEqual([[]]);
    expect(systemOf(requestsOf(troupe, 'task-1'))).not.toContain('ORCHESTRATOR');
  });

  test.each([
    [1, []],
    [2, ['task-1']],
    [3, ['task-1', 'task-2']],
  ])(
    'of %i lets orchestrators delegate down to it, and nobody below [HM-031, HM-032, HM-004]',
    async (max, delegating) => {
      // Every level hands on to an orchestrator. The second level has tasks of its own name, so that the script tells them apart.
      const deeper = (n: number) =>
        calling(delegate({ tasks: Array.from({ length: n }, () => ({ goal: 'go on', role: 'orchestrator' })) }));
      const offered: Record<number, string[]> = {};
      const troupe = openLead(
        (request, { depth }) => {
          offered[depth] = request.tools.map(({ name }) => name);
          const isFirst = request.messages.at(-1)?.role === 'user';
          return isFirst && depth < 4 ? deeper(1) : `done at ${depth}`;
        },
        { options: { maxSpawnDepth: max } },
      );
      const report = await troupe.run();
      expect(report.status).toBe('completed');
      for (const [depth, tools] of Object.entries(offered))
        expect(tools.includes('delegate_task')).toBe(Number(depth) < max);
      expect(Math.max(...Object.keys(offered).map(Number))).toBe(max);
      expect(delegating).toHaveLength(max - 1);
    },
  );

  test('refuses a call at the limit in a sentence with both numbers [HM-004, HM-032]', async () => {
    // A sub-worker may be given any tool: at depth 1 this one is of no use.
    const spawner = createSubworkerTool({ availableTools: [createDelegateTool(plain)] });
    const troupe = openLead(
      {
        lead: [calling(spawn({ tools: ['delegate_task'] })), 'done'],
        helper: [calling(delegate({ goal: 'deeper' })), 'It could not be.'],
      },
      { tools: [spawner] },
    );
    await troupe.run();
    expect(shownTo(troupe, 'helper')[0]).toContain('Delegation depth limit reached (depth=1, max_spawn_depth=1)');
    expect(offeredTo(troupe, 'helper')).toEqual([[], []]);
  });

  test('is switched off for all with orchestrators: false [HM-025, HM-031]', async () => {
    const troupe = delegatingOnce(
      { goal: 'a', role: 'orchestrator' },
      { 'task-1': ['A.'] },
      { options: { maxSpawnDepth: 3, orchestrators: false } },
    );
    await troupe.run();
    expect(offeredTo(troupe, 'task-1')).toEqual([[]]);
  });

  test('gives an orchestrator the tool that its role needs, whatever tools were asked for [HM-033]', async () => {
    const troupe = delegatingOnce(
      { goal: 'a', role: 'orchestrator', toolsets: ['look'] },
      { 'task-1': ['A.'] },
      { options: { maxSpawnDepth: 2, offerToolsets: true }, tools: [tool('look'), tool('write')] },
    );
    await troupe.run();
    expect(offeredTo(troupe, 'task-1')).toEqual([['look', 'delegate_task']]);
  });

  test('tells orchestrators how to delegate, and what their children may be; leaves nothing of the kind [HM-051]', async () => {
    const told = async (maxSpawnDepth: number) => {
      const troupe = delegatingOnce(
        { tasks: [{ goal: 'a', role: 'orchestrator' }, { goal: 'b' }] },
        { 'task-1': ['A.'], 'task-2': ['B.'] },
        { options: { maxSpawnDepth } },
      );
      await troupe.run();
      expect(systemOf(requestsOf(troupe, 'task-2'))).not.toMatch(/orchestrator|delegate_task/i);
      return systemOf(requestsOf(troupe, 'task-1'));
    };
    expect(await told(2)).toContain(
      'You run at level 1 of 2. Your own children are at the last level: they MUST be leaves',
    );
    expect(await told(3)).toContain('You run at level 1 of 3. Your own children may be leaves, or orchestrators');
  });
});

describe('paused spawning', () => {
  test('takes the tool away and leaves those at work alone; resuming gives it back [HM-003]', async () => {
    const troupe = openLead({
      lead: [calling(delegate({ goal: 'a' })), calling(delegate({ goal: 'b' })), 'done'],
      'task-1': [{ text: 'A.', delayMs: 100 }],
    });
    const run = troupe.runtime.start(troupe.lead, 'Do it.');
    await new Promise<void>((resolve) => setImmediate(resolve));
    troupe.runtime.pauseSpawning();
    troupe.clock.increment(100);
    const report = await run.report;
    expect(entriesIn(report as never)).toMatchObject([{ status: 'completed', summary: 'A.' }]);
    expect(report.calls[1]?.result).toContain('Delegation spawning is paused');
    expect(offeredTo(troupe, 'lead')).toEqual([['delegate_task'], [], []]);
    troupe.runtime.resumeSpawning();
    const next = delegatingOnce({ goal: 'c' }, { 'task-1': ['C.'] });
    expect(entriesIn(await next.run())).toMatchObject([{ summary: 'C.' }]);
  });
});

describe('what the model is told of the tool', () => {
  const told = (options: Parameters<typeof delegatePolicyOf>[0], view = viewAt()) =>
    describeDelegation(delegatePolicyOf(options), view);

  test('names the limits that hold [HM-160, HM-161]', () => {
    expect(told({ maxConcurrentChildren: 7 })).toContain(
      'up to 7 in a call, and up to 7 calls in one turn. More are refused',
    );
    expect(told({ maxAsyncChildren: 2 })).toContain('At most 2 delegations run in the background at once');
  });

  test('has one clause on nesting: off, switched off, or on with its levels [HM-160]', () => {
    expect(told({})).toContain('Nested delegation is OFF');
    expect(told({ maxSpawnDepth: 2, orchestrators: false })).toContain('Nested delegation is DISABLED');
    expect(told({ maxSpawnDepth: 2 })).toContain(
      'you run at level 0 of 2; your children are at level 1 and may be orchestrators',
    );
    expect(told({ maxSpawnDepth: 2 }, viewAt({ depth: 1 }))).toContain(
      'level 1 of 2; your children are at level 2 and must be leaves',
    );
  });

  test('says whether it waits, and that a batch has one completion, as it is [HM-160, B-56]', () => {
    expect(told({})).toMatch(/BACKGROUND.*When ALL children of the call have ended, ONE message with all results/s);
    expect(told({ background: false })).toContain('You wait until all children have ended');
    expect(told({ maxSpawnDepth: 2 }, viewAt({ depth: 1 }))).toContain('You wait until all children have ended');
  });

  test('names what children never get, that summaries are self-reports, and that no model can be chosen [HM-160]', () => {
    expect(told({ denyTools: ['rm', 'mail'] })).toContain('Children never get: rm, mail.');
    expect(told({})).toContain('Summaries are self-reports');
    expect(told({})).toContain('The model of children cannot be chosen per call.');
    expect(told({ models: { fast: 'm-1' } })).toContain('Models a task may name: fast.');
  });
});
