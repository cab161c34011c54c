import { type EventDraft, isLive, type RunEvent, type StoredEvent } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { checkRunLaws, type Violation } from '../../src/index.ts';
import { completed, failed, restamp, runWriter } from './write-log.ts';

const r = runWriter('r');
const a = runWriter('r/1-0/0', 'r');
const b = runWriter('r/1-1/0', 'r');
const budget = { tokens: 100, descendants: 3 };
const grant = { tokens: 40, descendants: 0 };

/** A root whose model names two calls alike and a third that is refused; a child that completes, one that fails. */
const lawful = restamp([
  r.queued(),
  r.started(budget),
  r.turn(1),
  r.attempted(1, 2),
  r.streamed(2),
  r.answered(1, 10, ['c', 'c', 'd']),
  r.call('c'),
  r.ask('r/1-0/0', 'c', grant),
  r.begin('r/1-0/0', 'c', grant),
  r.call('c'),
  r.ask('r/1-1/0', 'c', grant),
  r.begin('r/1-1/0', 'c', grant),
  b.queued(),
  a.started(grant),
  a.turn(1),
  b.started(grant),
  a.answered(1, 5, ['x']),
  a.call('x'),
  b.turn(1),
  b.answered(1, 50),
  b.failed(50),
  a.result('x'),
  r.settled('r/1-1/0', 'c', 50, failed),
  a.turn(2),
  a.streamed(6),
  a.answered(2, 6),
  a.completed(11),
  r.settled('r/1-0/0', 'c', 11, completed),
  r.result('c', { run_id: 'r/1-0/0', status: 'completed' }),
  r.result('c', { run_id: 'r/1-1/0', status: 'failed' }),
  r.refusal('d'),
  r.turn(2),
  r.answered(2, 7),
  r.completed(80),
]);

const isStored = (event: RunEvent): event is StoredEvent => !isLive(event);
type Which = (event: StoredEvent) => boolean;
const is =
  (runId: string, type: string, nth = 0): Which =>
  (event) =>
    event.runId === runId &&
    event.type === type &&
    lawful.filter((e) => e.runId === runId && e.type === type).indexOf(event) === nth;
const placeOf = (which: Which) => {
  const place = lawful.findIndex((event) => isStored(event) && which(event));
  if (place < 0) throw new Error('no such event');
  return place;
};

const without = (which: Which) => restamp(lawful.toSpliced(placeOf(which), 1));
const twice = (which: Which) =>
  restamp(lawful.flatMap((event, i) => (i === placeOf(which) ? [event, event] : [event])));
const instead = (which: Which, event: RunEvent) => restamp(lawful.with(placeOf(which), event));
const changed = (which: Which, change: object) =>
  lawful.with(placeOf(which), { ...lawful[placeOf(which)], ...change } as RunEvent);
const swapped = (one: Which, other: Which) => {
  const [i, j] = [placeOf(one), placeOf(other)];
  return restamp(lawful.with(i, lawful[j] as RunEvent).with(j, lawful[i] as RunEvent));
};
const followed = (which: Which, event: RunEvent) => restamp(lawful.toSpliced(placeOf(which) + 1, 0, event));
const atEnd = (event: RunEvent) => restamp([...lawful, event]);

const lawsOf = (found: readonly Violation[]) =>
  [...new Set(found.map(({ law }) => law))].toSorted((x, y) => x.localeCompare(y));
const [child, other] = ['r/1-0/0', 'r/1-1/0'];

describe('checkRunLaws', () => {
  test('finds nothing in a lawful log', () => {
    expect(checkRunLaws(lawful)).toEqual([]);
  });

  test('takes a pool for what it was raised to, at the top of a tree and in a run that was let go', () => {
    const spent = [r.queued(), r.started({ tokens: 5 }), r.turn(1), r.answered(1, 6, ['c']), r.result('c')];
    const more = [r.turn(2), r.answered(2, 3), r.completed(9)];
    expect(lawsOf(checkRunLaws(restamp([...spent, ...more])))).toEqual(['L4']);
    expect(checkRunLaws(restamp([...spent, r.raised({ tokens: 7, turns: 9 }), ...more]))).toEqual([]);
    const own = [a.started(grant), a.raised({ turns: 9 }), a.detached(), a.raised({ tokens: 90 }), a.completed(0)];
    expect(checkRunLaws(restamp(own))).toEqual([]);
  });

  test('finds nothing in the log of one run alone, numbered for itself', () => {
    expect(checkRunLaws(restamp(lawful.filter(({ runId }) => runId === child)))).toEqual([]);
  });

  test.each<[string, string, RunEvent[], Violation['law'][]]>([
    ['L1', 'begins with another event', restamp(lawful.slice(2)), ['L1']],
    ['L1', 'has no end', without(is('r', 'run.completed')), ['L1']],
    ['L1', 'has two ends', twice(is('r', 'run.completed')), ['L1']],
    ['L1', 'has an end after its end', atEnd(r.interrupted(80)), ['L1']],
    ['L1', 'goes on after its end', atEnd(r.say({ type: 'warning.raised', code: 'x', message: 'x' })), ['L1']],
    ['L1', 'streams after its end', [...lawful, r.streamed(1)], ['L1']],
    ['L1', 'is queued twice', twice(is('r', 'run.queued')), ['L1']],
    ['L1', 'is queued after it started', followed(is('r', 'run.started'), r.queued()), ['L1']],
    ['L1', 'starts twice', twice(is('r', 'run.started')), ['L1']],
    ['L1', 'works before it starts', swapped(is('r', 'run.started'), is('r', 'turn.started')), ['L1']],
    ['L1', 'completes without having started', restamp([r.queued(), r.completed(0)]), ['L1']],
    ['L2', 'ends before its child', without(is(child, 'run.completed')), ['L1', 'L2', 'L5']],
    [
      'L2',
      'has a child that ends later',
      restamp([...lawful.filter((e) => !is(child, 'run.completed')(e as StoredEvent)), a.completed(11)]),
      ['L2', 'L5'],
    ],
    [
      'L2',
      'has a child that leaves too late',
      restamp([...lawful.filter((e) => !is(child, 'run.completed')(e as StoredEvent)), a.detached(), a.completed(11)]),
      ['L2', 'L5'],
    ],
    ['L3', 'leaves a call unanswered', without(is('r', 'call.failed')), ['L3']],
    ['L3', 'answers a call twice', twice(is('r', 'call.failed')), ['L3']],
    ['L3', 'answers a call of nobody', followed(is('r', 'turn.started'), r.result('c')), ['L3']],
    ['L3', 'answers out of order', swapped(is('r', 'call.completed', 1), is('r', 'call.failed')), ['L3']],
    ['L3', 'answers after the next turn began', swapped(is('r', 'call.failed'), is('r', 'turn.started', 1)), ['L3']],
    [
      'L3',
      'ends with an open call',
      restamp([r.started(), r.turn(1), r.answered(1, 1, ['c']), r.interrupted(1)]),
      ['L3'],
    ],
    ['L3', 'starts a call that nobody made', followed(is('r', 'call.started'), r.call('e')), ['L3']],
    ['L3', 'starts a call more often than it was made', followed(is('r', 'call.started', 1), r.call('c')), ['L3']],
    ['L3', 'starts a call that was answered', swapped(is(child, 'call.started'), is(child, 'call.completed')), ['L3']],
    [
      'L4',
      'starts with more than it was granted',
      instead(is(child, 'run.started'), a.started({ tokens: 41 })),
      ['L4'],
    ],
    [
      'L4',
      'grants more than it has',
      changed(is('r', 'child.requested', 1), { grant: { ...grant, tokens: 50 } }),
      ['L4'],
    ],
    [
      'L4',
      'grants without limit what is limited',
      changed(is('r', 'child.requested', 1), { grant: { descendants: 0 } }),
      ['L4'],
    ],
    [
      'L4',
      'grants more descendants than it has',
      changed(is('r', 'child.requested', 1), { grant: { ...grant, descendants: 2 } }),
      ['L4'],
    ],
    ['L4', 'asks for a child twice', twice(is('r', 'child.requested')), ['L4']],
    ['L4', 'starts a child twice', twice(is('r', 'child.started')), ['L4']],
    ['L4', 'begins a turn with nothing left', followed(is(other, 'turn.completed'), b.turn(2)), ['L4']],
    [
      'L4',
      'takes a turn that was never begun, with nothing left',
      followed(is(other, 'turn.completed'), b.answered(2, 0)),
      ['L4'],
    ],
    ['L4', 'keeps a grant for ever', without(is('r', 'child.settled')), ['L4']],
    ['L4', 'gets a grant back twice', twice(is('r', 'child.settled')), ['L4']],
    [
      'L4',
      'is charged with less than its child used',
      changed(is('r', 'child.settled', 1), { usage: { inputTokens: 4, outputTokens: 0 } }),
      ['L4'],
    ],
    [
      'L4',
      'gives a child more than was set aside for it',
      followed(is(child, 'run.started'), a.raised({ tokens: 90 })),
      ['L4'],
    ],
    ['L4', 'forgets what an attempt used', without(is('r', 'turn.attempted')), ['L4']],
    [
      'L4',
      'tells of less than it used',
      changed(is('r', 'run.completed'), { usage: { total: { inputTokens: 1, outputTokens: 0 } } }),
      ['L4'],
    ],
    ['L5', 'tells of a failed child as completed', changed(is('r', 'child.settled'), completed), ['L5']],
    ['L5', 'gives another reason', changed(is('r', 'child.settled'), { exitReason: 'timeout' }), ['L5']],
    [
      'L5',
      'tells of an end before there is one',
      swapped(is(child, 'run.completed'), is('r', 'child.settled', 1)),
      ['L5'],
    ],
    [
      'L5',
      'answers its call with success',
      changed(is('r', 'call.completed', 1), { data: { status: 'completed' } }),
      ['L5'],
    ],
    [
      'L5',
      'answers its call with the success of a run by name',
      changed(is('r', 'call.completed', 1), { data: { results: [{ run_id: other, status: 'completed' }] } }),
      ['L5'],
    ],
    ['L6', 'skips a number', changed(is('r', 'turn.started'), { seq: 4, id: 'r:4' }), ['L6']],
    ['L6', 'skips a number of the tree', changed(is(other, 'run.queued'), { rootSeq: 99 }), ['L6']],
    ['L6', 'has another id', changed(is('r', 'turn.started'), { id: 'r:x' }), ['L6']],
    [
      'L6',
      'streams ahead of what was stored',
      changed((e) => e.type === 'turn.completed' && e.runId === child, {}).toSpliced(4, 1, r.streamed(5)),
      ['L6'],
    ],
  ])('[%s] finds a run that %s', (law, _what, events, laws) => {
    const found = checkRunLaws(events);
    expect(lawsOf(found)).toEqual(laws);
    expect(laws).toContain(law);
    expect(found.every(({ runId, message }) => message.includes(`"${runId}"`))).toBe(true);
  });

  test('names the event where a law was broken', () => {
    expect(checkRunLaws(swapped(is('r', 'call.completed', 1), is('r', 'call.failed')))[0]).toEqual({
      law: 'L3',
      runId: 'r',
      eventId: 'r:15',
      message: 'Run "r": call "d" was answered, but "c" is next.',
    });
  });

  test('[L1] lets a run end while it is queued', () => {
    expect(checkRunLaws(restamp([r.queued(), r.interrupted(0)]))).toEqual([]);
  });

  test('[L1] [L3] lets an open log lack its end and its answers', () => {
    for (let length = 1; length < lawful.length; length++)
      expect(checkRunLaws(lawful.slice(0, length), { open: true })).toEqual([]);
  });

  test('[L2] lets a detached child outlive its parent, and its parent go on without it', () => {
    const paused = { status: 'paused', exitReason: 'question' } as const;
    const log = restamp([
      r.started(budget),
      r.turn(1),
      r.answered(1, 1, ['c']),
      r.call('c'),
      r.begin(child, 'c', grant),
      a.started(grant),
      r.settled(child, 'c', 0, paused),
      a.detached(),
      r.result('c', { run_id: child, status: 'paused' }),
      r.turn(2),
      r.answered(2, 1),
      r.completed(2),
      a.turn(1),
      a.answered(1, 5),
      a.completed(5),
    ]);
    expect(checkRunLaws(log)).toEqual([]);
  });

  test('[L4] [L5] lets a child leave before its parent says so, and go on as its own root', () => {
    const paused = { status: 'paused', exitReason: 'question' } as const;
    const log = (used: number) =>
      restamp([
        r.started(budget),
        r.turn(1),
        r.answered(1, 1, ['c']),
        r.call('c'),
        r.begin(child, 'c', grant),
        a.started(grant),
        a.turn(1),
        a.answered(1, 5),
        a.detached(),
        a.turn(2),
        a.answered(2, 3),
        a.completed(8),
        r.settled(child, 'c', used, paused),
        r.result('c', { run_id: child, status: 'paused' }),
        r.turn(2),
        r.answered(2, 1),
        r.completed(2 + used),
      ]);
    expect(checkRunLaws(log(5))).toEqual([]);
    expect(lawsOf(checkRunLaws(log(8)))).toContain('L4');
  });

  test('[L4] counts money, with prices told by the turn, the attempt or the summary', () => {
    const usage = { inputTokens: 0, outputTokens: 0 };
    const costs = (costUsd: number): EventDraft => ({
      type: 'context.compacted',
      model: 'm',
      summarized: 1,
      kept: 1,
      proactive: true,
      summary: '',
      usage,
      costUsd,
    });
    const spending = (costUsd: number) =>
      restamp([
        r.started({ costUsd: 0.3 }),
        r.say(costs(0.1)),
        r.say(costs(costUsd)),
        r.turn(1),
        r.answered(1, 0),
        r.completed(0),
      ]);
    expect(checkRunLaws(spending(0.1))).toEqual([]);
    expect(lawsOf(checkRunLaws(spending(0.2)))).toEqual(['L4']);
  });

  test('[L4] lets one answer overshoot, with all its attempts', () => {
    const log = [r.started({ tokens: 10 }), r.turn(1), r.attempted(1, 9), r.answered(1, 50), r.failed(59)];
    expect(checkRunLaws(restamp(log))).toEqual([]);
  });

  test('[L5] lets a call tell of the child that did complete', () => {
    const answer = {
      results: [{ run_id: child, status: 'completed' }, { run_id: other, status: 'failed' }, null, 'completed'],
    };
    expect(checkRunLaws(changed(is('r', 'call.completed', 1), { data: answer }))).toEqual([]);
  });

  test.each<[string, ('completes' | 'fails')[], number, Violation['law'][]]>([
    ['has its child replaced by one that completes', ['fails', 'completes'], 1, []],
    ['tries again and again', ['fails', 'fails', 'completes'], 1, []],
    ['tries again in vain', ['fails', 'fails'], 1, ['L5']],
    ['began with two and replaces one', ['fails', 'fails', 'completes'], 2, ['L5']],
    ['began with two and replaces both', ['fails', 'fails', 'completes', 'completes'], 2, []],
  ])('[L5] hears of a call as completed that %s: only where none is left', (_what, ends, first, laws) => {
    const ids = ends.map((_end, n) => `r/1-0/${n}`);
    const asks = ids.map((id) => r.ask(id, 'c'));
    const lives = ends.map((end, n) => {
      const run = runWriter(ids[n] ?? '', 'r');
      const over = end === 'completes' ? run.completed(0) : run.failed(0);
      const begins = r.begin(ids[n] ?? '', 'c');
      return [begins, run.started(), over, r.settled(ids[n] ?? '', 'c', 0, end === 'completes' ? completed : failed)];
    });
    // the first ones are asked for together, each of the others when all before it have ended
    const log = [
      ...[r.started(), r.turn(1), r.answered(1, 0, ['c']), r.call('c')],
      ...asks.slice(0, first),
      ...lives.slice(0, first).flat(),
      ...lives.slice(first).flatMap((life, n) => [asks[first + n] as StoredEvent, ...life]),
      ...[r.result('c', { status: 'completed' }), r.turn(2), r.answered(2, 0), r.completed(0)],
    ];
    expect(lawsOf(checkRunLaws(restamp(log)))).toEqual(laws);
    const named = { results: [{ run_id: 'r/1-0/0', status: 'completed' }] };
    const lying = log.map((event) => (event.type === 'call.completed' ? { ...event, data: named } : event));
    expect(lawsOf(checkRunLaws(restamp(lying)))).toEqual(['L5']);
  });

  test('[L6] numbers each tree for itself', () => {
    const s = runWriter('s');
    expect(checkRunLaws(restamp([r.started(), s.started(), r.completed(0), s.completed(0)]))).toEqual([]);
  });
});
