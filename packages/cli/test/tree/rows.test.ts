import { isLive, type RunEvent } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { textWidth } from '../../src/text-width.ts';
import { rowsOf } from '../../src/tree/rows.ts';
import { openTree, runsOf, totalOf, treeOf } from '../../src/tree/tree.ts';
import { journal, usageReport } from '../events.ts';

const lead = 'run_1';
const child = (n: number) => `run_1/1-${n}/0`;
const grant = {};

/** A lead with four children: one works, one asks, one failed, one is queued. */
const busy = () => {
  const log = journal();
  log.start(lead, 'lead', 10);
  const spawns = [0, 1, 2, 3].map((n) => ({ id: `c${n}`, name: 'spawn_subworker' }));
  log.turn(lead, 'lead', 1, spawns);
  for (const n of [0, 1, 2, 3])
    log.tell(lead, 'lead', {
      type: 'child.requested',
      childId: child(n),
      callId: `c${n}`,
      childAgent: `part ${n}`,
      grant,
    });
  log.wait(2_000);
  log.start(child(0), 'part 0', 8);
  log.turn(child(0), 'part 0', 1, [
    { id: 'a', name: 'read_file' },
    { id: 'b', name: 'read_file' },
    { id: 'c', name: 'search_text' },
  ]);
  log.start(child(1), 'part 1');
  log.tell(child(1), 'part 1', { type: 'run.paused', reason: 'question', questionIds: ['q'] });
  log.start(child(2), 'part 2');
  log.wait(500);
  log.fail(child(2), 'part 2', 'max_turns');
  log.tell(child(3), 'part 3', { type: 'run.queued', job: { input: 'go' } });
  return log;
};

describe('the rows of a tree', () => {
  test('hold one line for each run, indented under its parent', () => {
    const log = busy();
    const rows = rowsOf(treeOf(log.events), { now: log.now, width: 114 });
    expect(rows.map((row) => row.replaceAll(/(\S) {3,}/g, '$1  '))).toEqual([
      '⠙ lead  ░░░░ 0/4  spawn_subworker ×4  ░░░░░ 10 %  turns  turn 1/10  110  $0.0010  2.5 s',
      '  ⠙ part 0  ░░░ 0/3  read_file ×2, search_text  ░░░░░ 12 %  turns  turn 1/8  110  $0.0010  0.5 s',
      '  ? part 1  waits for an answer  0.5 s',
      '  ✖ part 2  failed: max_turns  110  0.5 s',
      '  … part 3  queued  2.5 s',
    ]);
    expect(new Set(rows.map(textWidth))).toEqual(new Set([114]));
  });

  test('are the same for the same events, live or replayed', () => {
    const log = busy();
    // told one by one, with live events between them
    const live = openTree();
    for (const event of log.events) {
      live.take(event);
      const { id: _, rootSeq: __, ...about } = event;
      live.take({ ...about, type: 'text.streamed', live: true, part: 1, delta: 'hm' });
    }
    const replayed = treeOf(log.events.filter((event) => !isLive(event)));
    expect(live.tree).toEqual(replayed);
    const at = { now: log.now + 77, width: 80 };
    expect(rowsOf(live.tree, at)).toEqual(rowsOf(replayed, at));
  });

  test.each([
    ['completed', '✔ part 1  completed  turn 1  110  $0.0010  0.0 s', (log: Log) => log.complete(child(1), 'part 1')],
    ['failed', '✖ part 1  failed: budget  turn 1  110  0.0 s', (log: Log) => log.fail(child(1), 'part 1', 'budget')],
    [
      'interrupted',
      '■ part 1  interrupted  turn 1  0.0 s',
      (log: Log) => log.interrupt(child(1), 'part 1', 'interrupted'),
    ],
    [
      'interrupted with its parent',
      '■ part 1  interrupted: parent_interrupted  turn 1  0.0 s',
      (log: Log) => log.interrupt(child(1), 'part 1', 'parent_interrupted'),
    ],
    [
      'paused by a command',
      '‖ part 1  paused  turn 1  110  $0.0010  0.0 s',
      (log: Log) => log.tell(child(1), 'part 1', { type: 'run.paused', reason: 'paused', questionIds: [] }),
    ],
    [
      'kept from starting children',
      '⠋ part 1  spawning held  running  turn 1  110  $0.0010  0.0 s',
      (log: Log) => log.tell(child(1), 'part 1', { type: 'spawning.paused', by: 'user' }),
    ],
    [
      'going on after a question',
      '⠋ part 1  running  turn 1  110  $0.0010  0.0 s',
      (log: Log) => {
        log.tell(child(1), 'part 1', { type: 'run.paused', reason: 'question', questionIds: ['q'] });
        log.tell(child(1), 'part 1', { type: 'run.resumed', by: 'answer' });
      },
    ],
  ])('show a run that is %s', (_what, row, happen) => {
    const log = journal();
    log.start(lead, 'lead');
    log.start(child(1), 'part 1');
    log.turn(child(1), 'part 1', 1);
    happen(log);
    const [, shown = ''] = rowsOf(treeOf(log.events), { now: log.now, width: 100 });
    expect(shown.trim().replaceAll(/ {2,}/g, '  ')).toBe(row);
  });

  test('turn their spinner with the time', () => {
    const log = journal();
    log.start(lead, 'lead');
    const tree = treeOf(log.events);
    const marks = [0, 80, 160].map((ms) => rowsOf(tree, { now: 800_000 + ms, width: 80 })[0]?.[0]);
    expect(new Set(marks).size).toBe(3);
  });

  test('are never wider than the terminal, whatever the names are', () => {
    const log = journal();
    log.start(lead, `審査 ${'とても長い名前'.repeat(9)}`, 10);
    log.start(child(0), '🚀\u001b[2J👩‍👩‍👧 part\nwith a break');
    log.turn(child(0), '🚀', 1, [{ id: 'a', name: 'read_file' }]);
    for (const width of [20, 40, 61, 80]) {
      const rows = rowsOf(treeOf(log.events), { now: log.now, width });
      expect(rows).toHaveLength(2);
      for (const row of rows) {
        expect(textWidth(row)).toBeLessThanOrEqual(width);
        expect(row).not.toMatch(/\p{Control}/u);
      }
    }
  });

  test('leave out ended runs first when the terminal is too low, and count what is missing', () => {
    const log = journal();
    log.start(lead, 'lead');
    for (let n = 0; n < 30; n++) {
      log.start(child(n), `part ${n}`);
      if (n < 25) log.complete(child(n), `part ${n}`);
    }
    const rows = rowsOf(treeOf(log.events), { now: log.now, width: 80, height: 10 });
    expect(rows).toHaveLength(10);
    expect(rows.slice(-6).map((row) => row.trim().split('  ')[0])).toEqual([
      '⠋ part 25',
      '⠋ part 26',
      '⠋ part 27',
      '⠋ part 28',
      '⠋ part 29',
      '… 22 more runs',
    ]);
    const low = rowsOf(treeOf(log.events), { now: log.now, width: 80, height: 3 });
    expect(low).toHaveLength(3);
    expect(low[2]).toBe('… 29 more runs');
  });

  test('end a child whose own events are told elsewhere, and leave one alone that told its end', () => {
    const log = journal();
    log.start(lead, 'lead');
    const settled = {
      callId: 'c',
      grant,
      status: 'failed',
      exitReason: 'budget',
      usage: { inputTokens: 7, outputTokens: 0 },
    } as const;
    log.tell(lead, 'lead', { type: 'child.settled', childId: child(0), childAgent: 'far', ...settled });
    log.start(child(1), 'near');
    log.complete(child(1), 'near');
    log.tell(lead, 'lead', { type: 'child.settled', childId: child(1), childAgent: 'near', ...settled });
    const runs = [...runsOf(treeOf(log.events))].map(({ run, level }) => [
      level,
      run.agent,
      run.status,
      run.exitReason,
    ]);
    expect(runs).toEqual([
      [0, 'lead', 'running', undefined],
      [1, 'far', 'failed', 'budget'],
      [1, 'near', 'completed', 'answered'],
    ]);
  });

  test('nest to any depth, and begin with what was heard of first', () => {
    const log = journal();
    log.start('run_1/1-0/0/2-1/0', 'grandchild');
    log.start('run_1/1-0/0/2-1/0/1-0/3', 'great-grandchild');
    log.start('run_1/1-0/0/2-1/0/1-0/30', 'its sibling');
    expect([...runsOf(treeOf(log.events))].map(({ run, level }) => [level, run.agent])).toEqual([
      [0, 'grandchild'],
      [1, 'great-grandchild'],
      [1, 'its sibling'],
    ]);
  });

  test('sum what all runs used, attempts that came to nothing included', () => {
    const log = journal();
    log.start(lead, 'lead');
    const attempt = { turn: 1, number: 1, provider: 'p', model: 'small' };
    log.tell(lead, 'lead', { type: 'turn.attempted', ...attempt, usage: { inputTokens: 5, outputTokens: 0 } });
    log.turn(lead, 'lead', 1);
    log.start(child(0), 'part');
    log.wait(1_500);
    log.complete(child(0), 'part', 3);
    expect(totalOf(treeOf(log.events))).toEqual({
      runs: 2,
      turns: 1,
      usage: { inputTokens: 405, outputTokens: 40, costUsd: 0.004 },
    });
    log.tell(lead, 'lead', {
      type: 'run.completed',
      text: 'x',
      usage: usageReport({ inputTokens: 105, outputTokens: 10 }),
    });
    expect(totalOf(treeOf(log.events)).ms).toBe(1_500);
  });

  test('keep nothing of the history but what they show', () => {
    const log = journal();
    log.start(lead, 'lead');
    const [started] = log.events;
    const turn = (n: number) => ({ ...started, type: 'turn.started', turn: n, model: 'small' }) as RunEvent;
    const turns = Array.from({ length: 5_000 }, (_, n) => turn(n + 1));
    expect(treeOf([...log.events, ...turns])).toEqual(treeOf([...log.events, turn(5_000)]));
  });

  test('leave each tree that was looked at as it was, and as it is where nothing happened to it since', () => {
    const log = busy();
    const growing = openTree();
    const looked = log.events.map((event) => {
      growing.take(event);
      return { tree: growing.tree, copy: structuredClone(growing.tree), again: growing.tree };
    });
    for (const [n, { tree, copy, again }] of looked.entries()) {
      expect(tree).toEqual(copy);
      expect(again).toBe(tree);
      expect(tree).toEqual(treeOf(log.events.slice(0, n + 1)));
    }
    // what is beside a run that changed is the same as before
    const [before, after] = looked.slice(-2).map(({ tree }) => tree.roots[0]?.children ?? []);
    expect(before?.filter((run, n) => run === after?.[n]).length).toBeGreaterThan(0);
  });
});

type Log = ReturnType<typeof journal>;
