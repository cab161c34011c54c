import { defineAgent, memoryStore } from '@troupe/core';
import type { RunEvent, StoredEvent } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openRuntime } from '../../../test/support/open-runtime.ts';
import { openRunTable } from '../src/runs/run-table.ts';
import { erase, look } from './clerk.ts';
import { asking, calling } from './program.ts';

/** Trees as they are really stored: children, questions, failures, attempts, a fork. */
const storedTrees = async (): Promise<StoredEvent[]> => {
  const store = memoryStore();
  const leaf = defineAgent({
    name: 'leaf',
    instructions: 'Leaf.',
    tools: [erase, look],
    budget: { turns: 3, tokens: 500 },
  });
  const budget = { tokens: 5_000, costUsd: 2, children: 4, activeMs: 60_000, deadlineMs: 90_000, idleMs: 30_000 };
  const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [asking(leaf), look], budget });
  const provider = scriptedProvider({
    lead: [
      {
        ...calling('ask_leaf', 'ask_leaf', 'look', 'nothing'),
        usage: { inputTokens: 30, outputTokens: 12, costUsd: 0.25 },
      },
      { text: 'Hm.', ...calling('look') },
      'Lead done.',
    ],
    leaf: [calling('erase'), calling('look'), 'Leaf done.', 'Leaf done too.'],
  });
  const { runtime } = openRuntime({ provider, store });
  const run = runtime.start(lead, { input: { a: 1 } });
  const { questions } = await run.report;
  await run.raise({ tokens: 9_000, deadlineMs: 120_000 });
  for (const { id } of questions) await run.answer(id, true);
  await run.ended;
  const failing = runtime.start(lead, 'fail');
  await failing.ended;
  return [...(store.events({}) as Iterable<StoredEvent>)];
};

/** Rows and questions, whatever order they are in. */
const standing = (events: readonly RunEvent[]) => {
  const table = openRunTable();
  for (const event of events) table.take(event);
  return {
    lines: Object.fromEntries(table.lines().map((line) => [line.id, line])),
    questions: table.questions(),
    heads: [...new Set(events.map(({ rootId }) => rootId))].toSorted().map((rootId) => table.head(rootId)),
  };
};

describe('the rows of runs', () => {
  test('are the same in whatever order their events come, and however often', async () => {
    const events = await storedTrees();
    expect(new Set(events.map(({ runId }) => runId)).size).toBeGreaterThanOrEqual(3);
    const orders = fc
      .tuple(fc.shuffledSubarray(events, { minLength: events.length }), fc.subarray(events))
      .chain(([all, again]) => fc.shuffledSubarray([...all, ...again], { minLength: all.length + again.length }));
    fc.assert(
      fc.property(orders, fc.nat(events.length), (order, n) => {
        expect(standing(order)).toEqual(standing(events));
        // and of a part, what its beginning adds up to
        const part = events.slice(0, n);
        expect(standing([...part].reverse())).toEqual(standing(part));
      }),
      { numRuns: 200 },
    );
  });

  test('say of each run what its own report does', async () => {
    const events = await storedTrees();
    const { lines } = standing(events);
    for (const event of events) {
      if (event.type !== 'run.completed' && event.type !== 'run.failed') continue;
      const { total } = event.usage;
      expect(lines[event.runId]).toMatchObject({
        status: event.type === 'run.completed' ? 'completed' : 'failed',
        endedAt: event.at,
        total: { tokens: total.inputTokens + total.outputTokens, costUsd: total.costUsd ?? null },
        tools: [],
        questions: [],
      });
      const turns = lines[event.runId]?.gauges.find(({ kind }) => kind === 'turns');
      expect(turns?.spent).toBe(event.usage.turns);
      expect(lines[event.runId]?.gauges.find(({ kind }) => kind === 'toolCalls')?.spent).toBe(event.usage.toolCalls);
    }
  });

  test('count own turns and settled children before the end, too', async () => {
    const events = await storedTrees();
    for (const end of events.filter(({ type }) => type === 'run.completed')) {
      const before = standing(events.filter((event) => event.rootSeq < end.rootSeq || event.rootId !== end.rootId));
      const after = standing(events).lines[end.runId];
      expect(before.lines[end.runId]?.total).toEqual(after?.total);
    }
  });

  test('let the gauges of time grow by themselves while a run works, and stand still at its end', async () => {
    const events = await storedTrees();
    const [first] = events;
    const begun = standing(events.slice(0, 2)).lines[first?.runId ?? ''];
    const { createdAt = 0, lastAt = 0 } = begun ?? {};
    expect(begun?.gauges.filter(({ kind }) => kind.endsWith('Ms'))).toEqual([
      { kind: 'activeMs', spent: 0, limit: 60_000, since: createdAt },
      { kind: 'deadlineMs', spent: 0, limit: expect.closeTo(90_000, -2), since: createdAt },
      { kind: 'idleMs', spent: 0, limit: 30_000, since: lastAt },
    ]);
    const ended = standing(events).lines[first?.runId ?? ''];
    expect(ended?.gauges.find(({ kind }) => kind === 'deadlineMs')).toMatchObject({
      limit: expect.closeTo(120_000, -2),
    });
    expect(ended?.gauges.every(({ since }) => since === undefined)).toBe(true);
  });
});
