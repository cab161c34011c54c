import { describe, expect, test } from 'vitest';
import { createSubworkerTool } from '../src/index.ts';
import { calling, dataOf, errorIn, eventsOf, leadWith, offeredTo, open, settle, shownTo, spawn } from './delegating.ts';

/** Spawn tools that may be handed down, `levels` of them; each level's sub-worker may have the next one. */
const nested = (levels: number) => {
  let tool = createSubworkerTool();
  for (let level = 1; level < levels; level++) tool = createSubworkerTool({ availableTools: [tool] });
  return tool;
};

const deeper = (name: string) => calling(spawn({ name, tools: ['spawn_subworker'] }));

describe('sub-workers of sub-workers', () => {
  test('are possible when the tool is handed down', async () => {
    const troupe = open({
      lead: [deeper('one'), 'Done.'],
      one: [calling(spawn({ name: 'two' })), 'One.'],
      two: ['Two.'],
    });
    const report = await troupe.runtime.run(leadWith(nested(2)), 'Go.', { runId: 'root' });
    expect(dataOf(troupe, report)).toMatchObject({ status: 'completed', worker: 'one' });
    expect(shownTo(troupe, 'one')[0]).toMatch(/^Two\./);
    expect(await troupe.runtime.runs.get('root/1-0/0/1-0/0')).toMatchObject({
      parentId: 'root/1-0/0',
      rootId: 'root',
      depth: 2,
    });
  });

  test.each([1, 2, 3])(
    'end at depth %i, where the tool is out of sight whatever was granted [BG-029, B-71]',
    async (depth) => {
      // given a chain that would go one level deeper than it may
      const names = ['lead', 'one', 'two', 'three'].slice(0, depth + 1);
      const script = Object.fromEntries(
        names.map((name, level) => [
          name,
          level < depth ? [deeper(names[level + 1] ?? ''), 'Done.'] : [deeper('too-deep'), 'I did it myself.'],
        ]),
      );
      const troupe = open(script);
      // when it runs
      const report = await troupe.runtime.run(leadWith(nested(5), { budget: { depth } }), 'Go.');
      // then every level but the last is offered the tool
      for (const name of names.slice(0, depth)) expect(offeredTo(troupe, name)[0]).toEqual(['spawn_subworker']);
      expect(offeredTo(troupe, names[depth] ?? '')).toEqual([[], []]);
      // and calling it all the same starts nothing
      expect(errorIn(shownTo(troupe, names[depth])[0])).toContain('not available');
      expect(await troupe.runtime.runs.list({ rootId: report.runId })).toHaveLength(depth + 1);
      expect(report.status).toBe('completed');
    },
  );

  test('end at depth 5 when nobody says how deep they may go [BG-029]', async () => {
    const troupe = open(({ tools }) => (tools.length > 0 ? deeper('helper') : 'Bottom.'), { budget: { turns: 2 } });
    await troupe.runtime.run(leadWith(nested(9)), 'Go.');
    expect(Math.max(...troupe.events.map(({ depth }) => depth))).toBe(5);
  });

  test('may be bounded by an agent, a job or the runtime; the lowest counts [F-10]', async () => {
    const lead = leadWith(nested(3), { budget: { depth: 4 } });
    const troupe = open({ lead: ['Done.'] }, { budget: { depth: 2 } });
    await troupe.runtime.run(lead, { input: 'Go.', budget: { depth: 0 } });
    expect(offeredTo(troupe, 'lead')).toEqual([[]]);
  });
});

describe('the spawn tool', () => {
  const budgets = [
    ['no children', { children: 0 }],
    ['no descendants', { descendants: 0 }],
    ['no depth', { depth: 0 }],
    ['a token that it needs itself', { tokens: 1 }],
    ['money that it keeps to answer', { costUsd: 1, keep: 1 }],
  ] as const;
  test.each(budgets)('is out of sight of a run that has %s [BG-029]', async (_what, budget) => {
    const troupe = open({ lead: [calling(spawn()), 'Done.'] });
    await troupe.runtime.run(leadWith(createSubworkerTool(), { budget: { keep: 0.1, ...budget } }), 'Go.');
    expect(offeredTo(troupe, 'lead')[0]).toEqual([]);
    expect(eventsOf(troupe, 'child.requested', 'child.refused')).toEqual([]);
  });

  test('goes out of sight when the children are used up', async () => {
    const troupe = open({ lead: [calling(spawn()), 'Done.'], helper: ['Helped.'] });
    await troupe.runtime.run(leadWith(createSubworkerTool(), { budget: { children: 1 } }), 'Go.');
    expect(offeredTo(troupe, 'lead')).toEqual([['spawn_subworker'], []]);
  });

  test('is out of sight while spawning is paused, and children that run go on', async () => {
    // given a child that works
    const troupe = open({
      lead: [calling(spawn()), calling(spawn()), calling(spawn()), 'Done.'],
      helper: [{ text: '1', delayMs: 1_000 }, '2'],
    });
    const run = troupe.runtime.start(leadWith(createSubworkerTool()), 'Go.');
    await settle();
    // when spawning is paused until the second call was answered
    troupe.runtime.pauseSpawning();
    troupe.runtime.events$.subscribe((event) => {
      if (event.type === 'call.failed') troupe.runtime.resumeSpawning();
    });
    troupe.clock.increment(1_000);
    const report = await run.report;
    // then the child completed, the second call was refused, and the third was not
    expect(report.calls.map(({ status }) => status)).toEqual(['ok', 'error', 'ok']);
    expect(offeredTo(troupe, 'lead')).toEqual([['spawn_subworker'], [], ['spawn_subworker'], ['spawn_subworker']]);
  });

  test('is refused when spawning is paused between the answer of the model and the call', async () => {
    const troupe = open({ lead: [calling(spawn()), 'Done.'], helper: ['Helped.'] });
    troupe.runtime.events$.subscribe((event) => {
      if (event.type === 'call.started') troupe.runtime.pauseSpawning();
    });
    const report = await troupe.runtime.run(leadWith(createSubworkerTool({ maxSubworkers: 1 })), 'Go.');
    expect(errorIn(shownTo(troupe)[0])).toContain('spawning is paused');
    expect(report.children).toEqual([]);
  });
});
