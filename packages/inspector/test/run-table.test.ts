import { defineAgent, memoryStore } from '@troupe/core';
import type { EventDraft, RunEvent, StoredEvent } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openRuntime } from '../../../test/support/open-runtime.ts';
import type { RunLine } from '../src/index.ts';
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
  const budget = {
    tokens: 5_000,
    costUsd: 2,
    children: 4,
    descendants: 9,
    activeMs: 60_000,
    deadlineMs: 90_000,
    idleMs: 30_000,
  };
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

  test('count in a budget that is shared what runs below have used by then, and how many they are', async () => {
    const events = await storedTrees();
    const [first] = events;
    const rootId = first?.rootId ?? '';
    const tree = events.filter((event) => event.rootId === rootId);
    let most = 0;
    for (let n = 2; n <= tree.length; n += 1) {
      const { lines } = standing(tree.slice(0, n));
      const gaugeOf = (kind: string) => lines[rootId]?.gauges.find((gauge) => gauge.kind === kind);
      const others = Object.values(lines).filter(({ id }) => id !== rootId);
      const below = others.reduce((sum, { own }) => sum + own.tokens, 0);
      const own = lines[rootId]?.own.tokens ?? 0;
      expect(gaugeOf('tokens')).toMatchObject({ spent: own + below });
      expect(gaugeOf('tokens')?.below ?? 0).toBe(below);
      // a child that has started is known before its own first event
      const started = tree.slice(0, n).filter(({ type }) => type === 'child.started').length;
      expect(gaugeOf('descendants')).toEqual({
        kind: 'descendants',
        spent: started,
        limit: 9,
        ...(started > 0 && { below: started }),
      });
      most = Math.max(most, below);
    }
    expect(most).toBeGreaterThan(30);
  });

  test('of runs above change with what a run below uses, and with nothing else of it', async () => {
    const events = await storedTrees();
    const table = openRunTable();
    const changed = events.map((event) => [event, table.take(event)] as const);
    for (const [{ runId, parentId, type }, rows] of changed)
      expect(rows, type).toEqual(
        parentId !== undefined && (type === 'turn.completed' || type === 'run.completed') ? [runId, parentId] : [runId],
      );
    expect(changed.some(([, rows]) => rows.length === 2)).toBe(true);
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

describe('the row of a run', () => {
  const usage = { inputTokens: 4, outputTokens: 2 };
  const report = { total: usage, own: usage, byModel: {}, turns: 1, toolCalls: 0, activeMs: 40 };
  /** The row after each of these, told one after another; times are epoch milliseconds. */
  const rowsOf = (...drafts: (EventDraft & { at: number; waitedMs?: number })[]): RunLine[] => {
    const table = openRunTable();
    return drafts.map((draft, n) => {
      const about = { runId: 'r', rootId: 'r', depth: 0, agent: 'a', seq: n + 1, rootSeq: n + 1, id: `r:${n + 1}` };
      table.take({ ...about, ...draft });
      return table.line('r') as RunLine;
    });
  };
  const budget = { activeMs: 1_000, turns: 5 };
  const queued = { type: 'run.queued', job: { input: 'go' }, at: 0 } as const;
  const started = { type: 'run.started', job: { input: 'go' }, model: 'm', budget, at: 10 } as const;
  const active = (row: RunLine | undefined) => {
    const { spent, since } = row?.gauges.find(({ kind }) => kind === 'activeMs') ?? {};
    return [spent, since];
  };

  test('counts the time that it works: not before it begins, while it waits, or while nobody executes it', () => {
    const rows = rowsOf(
      queued,
      { type: 'run.paused', reason: 'paused', questionIds: [], at: 2 },
      { type: 'run.resumed', by: 'command', at: 4 },
      started,
      { type: 'turn.started', turn: 1, model: 'm', at: 20, waitedMs: 5 },
      { type: 'run.paused', reason: 'question', questionIds: [], at: 30 },
      { type: 'run.recovered', at: 50 },
      { type: 'run.resumed', by: 'answer', at: 60 },
      { type: 'turn.started', turn: 2, model: 'm', at: 70 },
      { type: 'run.recovered', at: 500 },
      { type: 'run.forked', from: 'x:1', changed: ['budget'], carried: usage, budget: { activeMs: 2_000 }, at: 600 },
      { type: 'turn.started', turn: 3, model: 'n', at: 610 },
      { type: 'run.forked', from: 'x:1', changed: [], carried: usage, at: 700 },
      { type: 'run.completed', text: 'Done.', usage: report, at: 710 },
    );
    expect(rows.map(({ status, pausedFor }) => pausedFor ?? status)).toEqual([
      ...['queued', 'paused', 'queued', 'running', 'running', 'question', 'question'],
      ...['running', 'running', 'running', 'running', 'running', 'running', 'completed'],
    ]);
    expect(active(rows[2])).toEqual([undefined, undefined]);
    expect(active(rows[3])).toEqual([0, 10]);
    expect(active(rows[4])).toEqual([0, 15]);
    expect(active(rows[5])).toEqual([15, undefined]);
    expect(active(rows[6])).toEqual([15, undefined]);
    expect(active(rows[7])).toEqual([15, 60]);
    expect(active(rows[9])).toEqual([25, 500]);
    expect(active(rows[10])).toEqual([25, 600]);
    expect(rows[10]?.gauges.find(({ kind }) => kind === 'activeMs')?.limit).toBe(2_000);
    expect(active(rows[13])).toEqual([40, undefined]);
  });

  test('counts nothing of a run that it has let go', () => {
    const table = openRunTable();
    const about = { rootId: 'r', depth: 0, agent: 'a' };
    const child = { childId: 'r/1-0/0', callId: 'c', childAgent: 'b', grant: {} };
    const tell = (runId: string, seq: number, rootSeq: number, draft: object) =>
      table.take({
        ...about,
        ...(runId !== 'r' && { parentId: 'r' }),
        runId,
        seq,
        rootSeq,
        id: `${runId}:${seq}`,
        at: 1,
        ...draft,
      } as StoredEvent);
    const tokens = () => (table.line('r') as RunLine).gauges.find(({ kind }) => kind === 'tokens');
    const turn = {
      type: 'turn.completed',
      turn: 1,
      message: { role: 'assistant', content: '' },
      usage,
      costUsd: null,
      finish: 'stop',
    };
    tell('r', 1, 1, { ...started, budget: { tokens: 100 } });
    tell('r', 2, 2, { type: 'child.started', ...child });
    tell(child.childId, 1, 3, started);
    expect(tell(child.childId, 2, 4, turn)).toEqual([child.childId, 'r']);
    expect(tokens()).toEqual({ kind: 'tokens', spent: 6, limit: 100, below: 6 });
    tell(child.childId, 3, 5, { type: 'run.detached' });
    expect(tell(child.childId, 4, 6, turn)).toEqual([child.childId]);
    expect(tokens()).toEqual({ kind: 'tokens', spent: 0, limit: 100 });
    tell('r', 3, 7, { type: 'child.settled', ...child, status: 'interrupted', exitReason: 'stopped', usage });
    expect(tokens()).toEqual({ kind: 'tokens', spent: 6, limit: 100, below: 6 });
  });

  test('charges attempts and summaries, and says what troubles it', () => {
    const rows = rowsOf(
      { ...started, origin: { runId: 'o', rootId: 'o', callId: 'c' } },
      { type: 'turn.attempted', turn: 1, number: 1, provider: 'p', model: 'm', at: 11 },
      { type: 'turn.attempted', turn: 1, number: 2, provider: 'p', model: 'm', usage, at: 12 },
      {
        type: 'context.compacted',
        model: 'm',
        summarized: 1,
        kept: 1,
        proactive: true,
        summary: 's',
        usage,
        costUsd: 0.5,
        at: 13,
      },
      { type: 'warning.raised', code: 'w', message: 'Careful.\nReally.', at: 14 },
      { type: 'call.failed', callId: 'c', tool: 't', error: 'no', result: 'no', status: 'refused', at: 15 },
      { type: 'run.interrupted', exitReason: 'stopped', reason: 'x', usage: report, at: 16 },
    );
    expect(rows[0]).toMatchObject({ parentId: 'o', background: true });
    expect(rows.map(({ own }) => own.tokens)).toEqual([0, 0, 6, 12, 12, 12, 6]);
    expect(rows[3]?.total.costUsd).toBe(0.5);
    expect(rows[4]?.trouble).toBe('Careful.');
    expect(rows[6]).toMatchObject({ status: 'interrupted', exitReason: 'stopped', endedAt: 16 });
  });
});
