/** Every number that a program may set, tried one below, at, and one above. Those of tasks, units, depth and timeouts stand with their features. */
import type { Script } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { calling, settle, tool } from '../delegating.ts';
import { delegate, delegatingOnce, entriesIn, openLead } from './lead.ts';

const look = { name: 'look', arguments: {} };

describe('a limit of', () => {
  test.each([
    [2, 'completed', 'answered'],
    [3, 'completed', 'answered'],
    [4, 'partial', 'max_turns'],
  ])('3 turns, used by a child that needs %i, leaves it %s [HM-022, B-57]', async (needed, status, reason) => {
    const turns = [...Array.from({ length: needed - 1 }, () => ({ text: 'So far.', calls: [look] })), 'Done.'];
    const troupe = delegatingOnce(
      { goal: 'a' },
      { 'task-1': turns },
      { options: { maxIterations: 3 }, tools: [tool('look')] },
    );
    expect(entriesIn(await troupe.run())).toMatchObject([{ status, exit_reason: reason }]);
  });

  test.each([
    [2, 'answered', 2],
    [3, 'answered', 3],
    [4, 'max_tool_calls', 3],
  ])('3 tool calls, of a child that makes %i, executes no more [F-09]', async (made, reason, executed) => {
    const calls = Array.from({ length: made }, () => look);
    const opening = { options: { maxToolCalls: 3 }, tools: [tool('look')] };
    const troupe = delegatingOnce({ goal: 'a' }, { 'task-1': [{ calls }, 'Done.'] }, opening);
    expect(entriesIn(await troupe.run())).toMatchObject([{ exit_reason: reason, tool_calls: executed }]);
  });

  test.each([
    [9, false],
    [10, false],
    [11, true],
  ])('10 characters cuts an answer of %i: %s [HM-172]', async (length, isCut) => {
    const troupe = delegatingOnce(
      { goal: 'a' },
      { 'task-1': ['x'.repeat(length)] },
      { options: { maxSummaryChars: 10 } },
    );
    const [entry] = entriesIn(await troupe.run());
    expect(entry?.truncated ?? false).toBe(isCut);
    expect(entry?.summary?.match(/x+$/)?.[0]).toHaveLength(Math.min(length, 10));
  });

  test.each([
    [499, 'completed', 'answered'],
    [500, 'timeout', 'idle_timeout'],
    [501, 'timeout', 'idle_timeout'],
  ])(
    '500 ms without progress, of a child that is silent for %i, ends it as %s [HM-134]',
    async (silent, status, reason) => {
      const turns = [{ text: 'A.', delayMs: silent }];
      const troupe = delegatingOnce({ goal: 'a' }, { 'task-1': turns }, { options: { idleTimeoutMs: 500 } });
      const running = troupe.run();
      for (const step of [499, 1, 1, 500]) {
        await settle();
        troupe.clock.increment(step);
      }
      expect(entriesIn(await running)).toMatchObject([{ status, exit_reason: reason }]);
    },
  );

  test.each([
    [619, 'completed', 'answered'],
    [620, 'timeout', 'stalled'],
    [621, 'timeout', 'stalled'],
  ])(
    '500 ms and 120 of grace, of a child that is silent for %i, ends it as %s [HM-133]',
    async (silent, status, reason) => {
      const heartbeat = { idleMs: 500, graceMs: 120, onStall: 'interrupt' as const };
      const troupe = delegatingOnce(
        { goal: 'a' },
        { 'task-1': [{ text: 'A.', delayMs: silent }] },
        { options: { heartbeat } },
      );
      const running = troupe.run();
      for (const step of [500, 119, 1, 1, 500]) {
        await settle();
        troupe.clock.increment(step);
      }
      expect(entriesIn(await running)).toMatchObject([{ status, exit_reason: reason }]);
    },
  );

  test.each([
    [1, 2],
    [2, 3],
    [3, 4],
  ])(
    'maxWakes %i lets completions alone wake a session so often, and the next run hears the rest [F-19]',
    async (maxWakes, dispatches) => {
      // An agent that answers every completion with new work.
      const script: Script = (request, { agent }) => {
        if (agent !== 'lead') return 'Did it.';
        const last = request.messages.at(-1);
        return last?.role === 'user' && last.content !== 'Stop.' ? calling(delegate({ goal: 'more' })) : 'Waiting.';
      };
      const troupe = openLead(script, { options: { background: 'auto' }, maxWakes });
      const report = await troupe.run();
      await settle(60);
      const rows = await troupe.runtime.runs.list({});
      expect(rows.filter(({ runId }) => runId.startsWith('wake_'))).toHaveLength(maxWakes);
      expect(rows.filter(({ runId }) => /^deleg_[^/]*$/.test(runId))).toHaveLength(dispatches);
      const session = troupe.runtime.session(troupe.lead, { sessionKey: report.runId });
      await (await session.send('Stop.')).report;
      expect(
        session.messages.filter(({ content }) => String(content).includes('ASYNC DELEGATION COMPLETE')),
      ).toHaveLength(dispatches);
    },
  );
});

describe('a heartbeat', () => {
  test('is on by default: foreground children are warned of, background ones are ended [HM-131, HM-133]', async () => {
    const waits: Script = (request, { agent }) => {
      if (agent !== 'lead') return { hang: true };
      return request.messages.at(-1)?.content === 'Do it.' ? calling(delegate({ goal: 'a' })) : 'Noted.';
    };
    const warned = async (background: boolean) => {
      const { heartbeat: _, ...rest } = { heartbeat: false as const };
      const troupe = openLead(waits, { options: { ...rest, background, heartbeat: {} } });
      const run = troupe.runtime.start(troupe.lead, 'Do it.');
      for (const step of [449_999, 1, 119_999, 1]) {
        await settle();
        troupe.clock.increment(step);
      }
      await settle();
      const types = troupe.events
        .filter(({ type, depth }) => depth === 1 && /warning|failed/.test(type))
        .map(({ type }) => type);
      await run.interrupt();
      return types;
    };
    expect(await warned(false)).toEqual(['warning.raised']);
    expect(await warned(true)).toEqual(['warning.raised', 'run.failed']);
  });
});
