import type { Usage } from '@troupe/protocol';
import type { Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { createSubworkerTool } from '../src/index.ts';
import {
  calling,
  dataOf,
  errorIn,
  eventsOf,
  leadWith,
  offeredTo,
  open,
  requestsOf,
  settle,
  shownTo,
  spawn,
  tool,
} from './delegating.ts';

/** A turn that costs this much. */
const paid = (costUsd: number, turn: Exclude<Turn, string> = { text: 'Helped.' }): Turn => ({
  ...turn,
  usage: { costUsd },
});
const grep = { name: 'grep', arguments: {} };
const availableTools = [tool('grep')];
const withGrep = () => createSubworkerTool({ availableTools });

describe('the cost of sub-workers', () => {
  test('counts into the usage of their parent, by model [BG-024, B-71]', async () => {
    const troupe = open({
      lead: [
        paid(0.25, calling(spawn({ model: 'small' }), spawn({ name: 'other', model: 'large' }))),
        paid(0.25, { text: 'Done.' }),
      ],
      helper: [paid(0.125)],
      other: [paid(1)],
    });
    const report = await troupe.runtime.run(leadWith(createSubworkerTool()), 'Go.');
    const costs = (usages: Record<string, Usage>) =>
      Object.fromEntries(Object.entries(usages).map(([name, { costUsd }]) => [name, costUsd]));
    expect(report.usage).toMatchObject({
      own: { costUsd: 0.5 },
      total: { costUsd: 1.625, inputTokens: 40, outputTokens: 20 },
    });
    expect(costs(report.usage.byModel)).toEqual({ 'test-model': 0.5, small: 0.125, large: 1 });
    expect(report.children.map(({ usage }) => usage.costUsd)).toEqual([0.125, 1]);
  });

  test('is rolled up through every level [BG-024]', async () => {
    const outer = createSubworkerTool({ availableTools: [createSubworkerTool()] });
    const troupe = open({
      lead: [paid(1, calling(spawn({ name: 'middle', tools: ['spawn_subworker'] }))), paid(1, { text: 'Done.' })],
      middle: [paid(2, calling(spawn())), paid(2, { text: 'Middle.' })],
      helper: [paid(4)],
    });
    const report = await troupe.runtime.run(leadWith(outer), 'Go.');
    expect(report.usage).toMatchObject({ own: { costUsd: 2 }, total: { costUsd: 10 } });
    expect(report.children).toMatchObject([{ usage: { costUsd: 8 } }]);
  });

  test('is worked out by the pricing of the runtime [BG-024]', async () => {
    const pricing = {
      price: (model: string, { outputTokens }: Usage) => (model === 'small' ? outputTokens * 2 : null),
    };
    const troupe = open({ lead: [calling(spawn({ model: 'small' })), 'Done.'], helper: ['Helped.'] }, { pricing });
    const report = await troupe.runtime.run(leadWith(createSubworkerTool()), 'Go.');
    expect(report.usage.byModel.small).toMatchObject({ costUsd: 10 });
  });

  test('is bounded by what their parent has left: a failure, exit reason budget [BG-024, F-07, F-08]', async () => {
    // given a dollar, of which the first turn takes a quarter, and a tenth is kept to answer
    const troupe = open({
      lead: [paid(0.25, calling(spawn({ tools: ['grep'] }))), paid(0.01, { text: 'Done without.' })],
      helper: [paid(0.5, calling(grep)), paid(0.2, { text: 'Almost.', calls: [grep] }), paid(0.1)],
    });
    const run = troupe.runtime.start(leadWith(withGrep(), { budget: { costUsd: 1, turns: 5 } }), 'Go.');
    let closed = false;
    run.events$.subscribe({ complete: () => (closed = true) });
    const report = await run.report;
    // then the child may spend 65 cents, and takes no third turn
    expect(eventsOf(troupe, 'child.requested')).toMatchObject([{ grant: { costUsd: 0.65 } }]);
    expect(requestsOf(troupe, 'helper')).toHaveLength(2);
    // its parent is told a failure, ends, and the stream closes
    expect(dataOf(troupe, report)).toMatchObject({ status: 'failed', exit_reason: 'budget' });
    expect(JSON.parse(shownTo(troupe)[0] ?? '')).toMatchObject({ partial: 'Almost.' });
    expect(report).toMatchObject({ status: 'completed', text: 'Done without.' });
    expect(report.usage.total.costUsd).toBeCloseTo(0.96);
    expect(closed).toBe(true);
  });

  test('ends the parent, too, when a child overshoots what both had [F-07]', async () => {
    const troupe = open({ lead: [paid(0.25, calling(spawn()))], helper: [paid(2)] });
    const report = await troupe.runtime.run(leadWith(createSubworkerTool(), { budget: { costUsd: 1 } }), 'Go.');
    expect(report).toMatchObject({
      status: 'failed',
      exitReason: 'budget',
      fault: { details: { kind: 'costUsd', spent: 2.25, limit: 1 } },
    });
    expect(troupe.types(report.runId).at(-1)).toBe('run.failed');
  });

  test('is refused before anything is paid, when nothing is left to give [F-11]', async () => {
    const troupe = open({ lead: [paid(0.95, calling(spawn())), paid(0, { text: 'Done.' })] });
    const report = await troupe.runtime.run(leadWith(createSubworkerTool(), { budget: { costUsd: 1 } }), 'Go.');
    expect(eventsOf(troupe, 'child.refused')).toMatchObject([{ code: 'spawn.refused', limit: 1 }]);
    expect(errorIn(shownTo(troupe)[0])).toContain('costUsd');
    expect(report.calls[0]).not.toHaveProperty('data');
    expect(troupe.provider.requests.map(({ context }) => context.agent)).toEqual(['lead', 'lead']);
    // and the tool goes out of sight
    expect(offeredTo(troupe, 'lead')).toEqual([['spawn_subworker'], []]);
  });

  test('is shared by siblings: together they are granted no more than is left [F-11, BG-024]', async () => {
    const three = calling(spawn(), spawn(), spawn());
    const troupe = open({
      lead: [paid(0.1, three), paid(0, { text: 'Done.' })],
      helper: [paid(0.1), paid(0.1), paid(0.1)],
    });
    await troupe.runtime.run(leadWith(createSubworkerTool(), { budget: { costUsd: 1 } }), 'Go.');
    const grants = eventsOf(troupe, 'child.requested').map(({ grant }) => grant.costUsd ?? Number.NaN);
    expect(grants).toEqual([expect.closeTo(0.8 / 3), expect.closeTo(0.8 / 3), expect.closeTo(0.8 / 3)]);
  });
});

describe('the limits of sub-workers', () => {
  const limitsOf = (troupe: ReturnType<typeof open>, agent: string) =>
    eventsOf(troupe, 'run.started').find((event) => event.agent === agent)?.budget;

  test('are those of the tool where nobody set tighter ones [F-10]', async () => {
    const troupe = open({ lead: [calling(spawn()), 'Done.'], helper: ['Helped.'] });
    await troupe.runtime.run(leadWith(createSubworkerTool({ maxIterations: 7, maxToolCalls: 9 })), 'Go.');
    expect(limitsOf(troupe, 'helper')).toMatchObject({ turns: 7, toolCalls: 9 });
    expect(limitsOf(troupe, 'helper')).not.toHaveProperty('tokens');
  });

  test('are those that an ancestor set on purpose, where they are tighter; no default widens them [F-10]', async () => {
    const budget = { turns: 4, toolCalls: 3, activeMs: 60_000 };
    const outer = createSubworkerTool({
      availableTools: [createSubworkerTool({ maxIterations: 50 })],
      maxIterations: 3,
    });
    const troupe = open({
      lead: [calling(spawn({ name: 'middle', tools: ['spawn_subworker'] })), 'Done.'],
      middle: [calling(spawn()), 'Middle.'],
      helper: ['Helped.'],
    });
    await troupe.runtime.run(leadWith(outer, { budget }), 'Go.');
    expect(limitsOf(troupe, 'middle')).toMatchObject({ turns: 3, toolCalls: 3, activeMs: 60_000 });
    expect(limitsOf(troupe, 'helper')).toMatchObject({ turns: 3, toolCalls: 3, activeMs: 60_000 });
  });

  test('are not the defaults that bind their parent [F-10]', async () => {
    const troupe = open({ lead: [calling(spawn()), 'Done.'], helper: ['Helped.'] });
    await troupe.runtime.run(leadWith(createSubworkerTool({ maxIterations: 60, maxToolCalls: 70 })), 'Go.');
    expect(limitsOf(troupe, 'lead')).toMatchObject({ turns: 10, toolCalls: 20 });
    expect(limitsOf(troupe, 'helper')).toMatchObject({ turns: 60, toolCalls: 70 });
  });

  test('let one of two that race for the last child have it [F-11]', async () => {
    const troupe = open({
      lead: [calling(spawn({ name: 'first' }), spawn({ name: 'second' })), 'Done.'],
      first: ['1'],
      second: ['2'],
    });
    const report = await troupe.runtime.run(leadWith(createSubworkerTool(), { budget: { children: 1 } }), 'Go.');
    expect(report.children).toHaveLength(1);
    expect(report.calls.map(({ status }) => status).toSorted()).toEqual(['error', 'ok']);
    expect(troupe.provider.requests).toHaveLength(3);
  });

  test('bound the descendants of a whole tree, however children fan out [F-19]', async () => {
    // given a model that starts three more wherever it can, four levels deep
    const level = (deep: number): ReturnType<typeof createSubworkerTool> =>
      createSubworkerTool({ maxSubworkers: 100, availableTools: deep > 0 ? [level(deep - 1)] : [] });
    const troupe = open(({ tools, messages }) => {
      const first = messages.every(({ role }) => role !== 'tool');
      const args = tools.some(({ description }) => description.includes('Tools it can be given'))
        ? { tools: ['spawn_subworker'] }
        : {};
      return tools.length > 0 && first ? calling(spawn(args), spawn(args), spawn(args)) : 'Done.';
    });
    // when the root may have ten runs below it
    const report = await troupe.runtime.run(leadWith(level(3), { budget: { descendants: 10 } }), 'Go.');
    // then there are ten, and those at the end of their grant are not even shown the tool
    expect(await troupe.runtime.runs.list({ rootId: report.runId })).toHaveLength(11);
    expect(report.status).toBe('completed');
    for (const { agent, budget, runId } of eventsOf(troupe, 'run.started')) {
      if (budget.descendants !== 0) continue;
      const [asked] = requestsOf(troupe, agent).filter(({ context }) => context.runId === runId);
      expect(asked?.request.tools).toEqual([]);
    }
  });

  test('make children wait their turn only by concurrency; waiting is told, and not worked [F-10]', async () => {
    const slow: Turn = { text: 'Helped.', delayMs: 1_000 };
    const troupe = open({ lead: [calling(spawn(), spawn()), 'Done.'], helper: [slow, slow] });
    const run = troupe.runtime.start(leadWith(createSubworkerTool(), { budget: { concurrency: 1 } }), 'Go.');
    await settle();
    expect(requestsOf(troupe, 'helper')).toHaveLength(1);
    expect(eventsOf(troupe, 'run.queued')).toHaveLength(1);
    troupe.clock.increment(1_000);
    await settle();
    troupe.clock.increment(1_000);
    const report = await run.report;
    expect(report.calls.map(({ status }) => status)).toEqual(['ok', 'ok']);
    expect(eventsOf(troupe, 'run.completed').map(({ usage }) => usage.activeMs)).toEqual([1_000, 1_000, 2_000]);
  });
});
