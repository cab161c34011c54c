import { describe, expect, test } from 'vitest';
import { createSubworkerTool, createSwarmTool } from '../src/index.ts';
import {
  asking,
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

const refused = 'Subworker budget exceeded: max_subworkers=1';

describe('the places of a sub-worker tool', () => {
  test('are kept only by children that complete: failed, completed, refused [B-01, BG-013, BG-015]', async () => {
    // given room for one, and a first child that fails
    const troupe = open({
      lead: [calling(spawn()), calling(spawn()), calling(spawn()), 'Done.'],
      helper: [{ fault: { message: 'out of order' } }, 'Helped.'],
    });
    // when three are asked for, one after another
    const report = await troupe.runtime.run(leadWith(createSubworkerTool({ maxSubworkers: 1 })), 'Go.');
    // then the second finds the place free, and the third finds it taken
    expect(dataOf(troupe, report, 0)).toMatchObject({ status: 'failed' });
    expect(dataOf(troupe, report, 1)).toMatchObject({ status: 'completed' });
    expect(shownTo(troupe)[2]).toBe(JSON.stringify({ error: refused }));
    // and of the third there is nothing but the refusal
    expect(report.calls[2]).toMatchObject({ status: 'error' });
    expect(report.calls[2]).not.toHaveProperty('data');
    expect(await troupe.runtime.runs.list()).toHaveLength(3);
    expect(requestsOf(troupe, 'helper')).toHaveLength(2);
    expect(eventsOf(troupe, 'child.refused')).toMatchObject([{ code: 'spawn.refused', message: refused, limit: 1 }]);
  });

  test('are given back by a child that pauses, for good [B-01, BG-013]', async () => {
    // given room for one, and a first child that waits for a person
    const { tool: deploy } = asking();
    const troupe = open({
      lead: [calling(spawn({ tools: ['deploy'] })), calling(spawn()), calling(spawn()), 'Done.'],
      helper: [calling({ name: 'deploy', arguments: {} }), 'Helped.', 'Deployed.'],
    });
    const lead = leadWith(createSubworkerTool({ maxSubworkers: 1, availableTools: [deploy] }));
    const report = await troupe.runtime.run(lead, 'Go.');
    // then the second finds the place free, and the third finds it taken
    expect(report.calls.map((_, n) => (dataOf(troupe, report, n) as { status?: string })?.status)).toEqual([
      'paused',
      'completed',
      undefined,
    ]);
    expect(errorIn(shownTo(troupe)[2])).toBe(refused);
    // and when the paused one is answered, it may still complete
    const [paused] = report.children;
    expect(await troupe.runtime.resume(paused!.runId, 'yes')).toMatchObject({ status: 'completed', text: 'Deployed.' });
  });

  test('are given back by a child that is interrupted [BG-013]', async () => {
    const troupe = open({ lead: [calling(spawn()), calling(spawn()), 'Done.'], helper: [{ hang: true }, 'Helped.'] });
    const run = troupe.runtime.start(leadWith(createSubworkerTool({ maxSubworkers: 1 })), 'Go.');
    await settle();
    // when the first child is interrupted by itself
    await run.child(`${run.id}/1-0/0`).interrupt();
    // then the second completes
    const report = await run.report;
    expect(report.children.map(({ status }) => status)).toEqual(['interrupted', 'completed']);
  });

  const moments = Array.from({ length: 25 }, (_, ticks) => ticks);
  test.each(moments)(
    'are given back when the lead is interrupted %i ticks after its call began [BG-013]',
    async (ticks) => {
      // given a lead that is interrupted somewhere between its call and the work of its child
      const spawnTool = createSubworkerTool({ maxSubworkers: 1 });
      const troupe = open(({ messages }, { agent, rootId }) => {
        if (agent === 'helper') return rootId === 'first' ? { hang: true } : 'Helped.';
        return messages.at(-1)?.role === 'user' ? calling(spawn()) : 'Done.';
      });
      const first = troupe.runtime.start(leadWith(spawnTool), 'Go.', { runId: 'first' });
      const after = (left: number): void => {
        if (left === 0) void first.interrupt();
        else queueMicrotask(() => after(left - 1));
      };
      troupe.runtime.events$.subscribe(({ runId, type }) => {
        if (runId === 'first' && type === 'call.started') after(ticks);
      });
      expect(await first.report).toMatchObject({ status: 'interrupted' });
      // when another lead spawns with the same tool
      const report = await troupe.runtime.run(leadWith(spawnTool), 'Go.');
      // then it finds the place free
      expect(dataOf(troupe, report)).toMatchObject({ status: 'completed' });
    },
  );

  test('are given back by a child that its budget refused', async () => {
    // given one place, and a budget that lets no child have a tool
    const spawnTool = createSubworkerTool({ maxSubworkers: 1, availableTools: [tool('grep')] });
    const troupe = open({
      lead: [calling(spawn({ tools: ['grep'] })), calling(spawn()), 'Done.'],
      helper: ['Helped.'],
    });
    // when the budget refuses the first child
    const report = await troupe.runtime.run(leadWith(spawnTool, { budget: { toolsPerChild: 0 } }), 'Go.');
    expect(eventsOf(troupe, 'child.refused')).toMatchObject([
      { limit: 0, message: expect.stringContaining('toolsPerChild') },
    ]);
    // then the second finds the place free
    expect(report.calls.map(({ status }) => status)).toEqual(['error', 'ok']);
  });

  test('are counted over all runs of a runtime, and never set back [BG-012]', async () => {
    const lead = leadWith(createSubworkerTool({ maxSubworkers: 2 }));
    const script = {
      lead: [calling(spawn()), 'One.', calling(spawn()), 'Two.', calling(spawn()), 'Three.'],
      helper: ['1', '2', '3'],
    };
    const troupe = open(script);
    const statuses = [];
    for (const job of ['One?', 'Two?', 'Three?']) statuses.push((await troupe.runtime.run(lead, job)).calls[0]?.status);
    expect(statuses).toEqual(['ok', 'ok', 'error']);
    // and a runtime of its own has a count of its own
    const other = open(script);
    expect((await other.runtime.run(lead, 'One?')).calls[0]?.status).toBe('ok');
  });

  test('are counted for each tool by itself [BG-012]', async () => {
    const tools = [createSubworkerTool({ maxSubworkers: 1 }), createSwarmTool({ maxSubworkers: 1 })];
    const both = [spawn(), spawn({}, 'spawn_agent')];
    const once = [calling(spawn()), 'Done.'];
    const script = {
      lead: [calling(...both), calling(...both), 'Done.'],
      castor: once,
      pollux: once,
      helper: ['1', '2', '3', '4'],
    };
    const troupe = open(script);
    const report = await troupe.runtime.run(leadWith(tools), 'Go.');
    expect(report.calls.map(({ status }) => status)).toEqual(['ok', 'ok', 'error', 'error']);
    // of one name, too
    for (const name of ['castor', 'pollux']) {
      const twin = leadWith(createSubworkerTool({ maxSubworkers: 1 }), { name });
      expect((await troupe.runtime.run(twin, 'Go.')).calls[0]?.status).toBe('ok');
    }
  });

  test('are shared by tools that have the same id [BG-012]', async () => {
    const shared = { maxSubworkers: 1, id: 'crew' };
    const once = [calling(spawn()), 'Done.'];
    const troupe = open({ castor: once, pollux: once, helper: ['1', '2'] });
    for (const name of ['castor', 'pollux'])
      await troupe.runtime.run(leadWith(createSubworkerTool(shared), { name }), 'Go.');
    expect(requestsOf(troupe, 'helper')).toHaveLength(1);
    expect(errorIn(shownTo(troupe, 'pollux')[0])).toBe(refused);
  });

  test('are given to one of two that ask at once; the other is refused and does not wait [BG-014, F-11]', async () => {
    // given one place, and a child that takes its time
    const troupe = open({ lead: [calling(spawn(), spawn()), 'Done.'], helper: [{ text: 'Helped.', delayMs: 60_000 }] });
    const run = troupe.runtime.start(leadWith(createSubworkerTool({ maxSubworkers: 1 })), 'Go.');
    // when both have asked
    await settle();
    // then one is working and the other was refused, before the first is done and before anything was paid for it
    expect(requestsOf(troupe, 'helper')).toHaveLength(1);
    expect(eventsOf(troupe, 'child.refused')).toMatchObject([{ message: refused }]);
    expect(troupe.types()).not.toContain('run.queued');
    // and the lead is told of both, in order
    troupe.clock.increment(60_000);
    const report = await run.report;
    expect(report.calls.map(({ status }) => status)).toEqual(['ok', 'error']);
    expect(errorIn(shownTo(troupe)[1])).toBe(refused);
  });

  test('that are all taken leave the tool in sight, so that its model can read why [BG-013]', async () => {
    const troupe = open({ lead: [calling(spawn()), 'Done.'], helper: ['1'] });
    await troupe.runtime.run(leadWith(createSubworkerTool({ maxSubworkers: 1 })), 'Go.');
    expect(offeredTo(troupe, 'lead')).toEqual([['spawn_subworker'], ['spawn_subworker']]);
  });
});
