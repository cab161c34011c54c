import { isTerminal, type RunEvent, type StoredEvent } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkRunLaws } from '../../src/index.ts';
import { completed, failed, interrupted, restamp, runWriter } from './write-log.ts';

const grant = { tokens: 100, descendants: 0 };
const ends = ['completed', 'failed', 'interrupted'] as const;
const endAs = { completed, failed, interrupted };

const childPlan = fc.record({
  queued: fc.boolean(),
  turns: fc.array(fc.record({ calls: fc.integer({ min: 0, max: 2 }), attempted: fc.boolean() }), {
    minLength: 1,
    maxLength: 3,
  }),
  end: fc.constantFrom(...ends),
});
type ChildPlan = typeof childPlan extends fc.Arbitrary<infer P> ? P : never;

/** What a child says, and what it used. Every turn but the last makes calls with one id, whatever the plan says. */
const childLog = (childId: string, { queued, turns, end }: ChildPlan): { events: StoredEvent[]; used: number } => {
  const run = runWriter(childId, 'r');
  const events: StoredEvent[] = [...(queued ? [run.queued()] : []), run.started(grant)];
  let used = 0;
  for (const [index, { calls, attempted }] of turns.entries()) {
    const turn = index + 1;
    events.push(run.turn(turn));
    if (attempted) events.push(run.attempted(turn, 2));
    const ids = Array.from({ length: turn < turns.length ? Math.max(1, calls) : 0 }, () => 'x');
    events.push(run.answered(turn, 3, ids), ...ids.map((id) => run.call(id)), ...ids.map((id) => run.result(id)));
    used += attempted ? 5 : 3;
  }
  events.push(end === 'completed' ? run.completed(used) : end === 'failed' ? run.failed(used) : run.interrupted(used));
  return { events, used };
};

/** A lawful log: a root that starts children in one turn, which work side by side in any order. */
const lawfulLog = fc
  .record({
    children: fc.array(childPlan, { minLength: 1, maxLength: 4 }),
    order: fc.array(fc.nat(), { minLength: 20, maxLength: 20 }),
    end: fc.constantFrom(...ends),
  })
  .map(({ children, order, end }): RunEvent[] => {
    const r = runWriter('r');
    const ids = children.map((_, index) => `c${index}`);
    const nameOf = (index: number) => `r/1-${index}/0`;
    const log: StoredEvent[] = [r.started({ tokens: 1_000, descendants: 10 }), r.turn(1), r.answered(1, 10, ids)];
    for (const [index, id] of ids.entries())
      log.push(r.call(id), r.ask(nameOf(index), id, grant), r.begin(nameOf(index), id, grant));
    let total = 10;
    const queues = children.map((plan, index) => {
      const { events, used } = childLog(nameOf(index), plan);
      total += used;
      return [...events, r.settled(nameOf(index), `c${index}`, used, endAs[plan.end])];
    });
    for (let n = 0; queues.some(({ length }) => length > 0); n++) {
      const left = queues.filter(({ length }) => length > 0);
      const event = left[(order[n % order.length] ?? 0) % left.length]?.shift();
      if (event) log.push(event);
    }
    log.push(...ids.map((id, index) => r.result(id, { status: children[index]?.end ?? null })));
    if (end === 'completed') log.push(r.turn(2), r.answered(2, 10), r.completed(total + 10));
    else log.push(end === 'failed' ? r.failed(total) : r.interrupted(total));
    return restamp(log);
  });

const lawfulLogAndPlace = fc
  .record({ log: lawfulLog, n: fc.nat() })
  .map(({ log, n }) => ({ log, place: n % log.length }));

/** Events that may be missing, or told again, without breaking a law. */
const mayBeMissing = new Set(['run.queued', 'turn.started', 'call.started', 'child.requested', 'child.started']);
const mayBeRepeated = new Set(['turn.started']);

describe('checkRunLaws, on any log of a run with children', () => {
  test('finds nothing when it is lawful', () => {
    fc.assert(
      fc.property(lawfulLog, (log) => {
        expect(checkRunLaws(log)).toEqual([]);
      }),
    );
  });

  test('[L6] finds any event that was dropped, repeated or moved', () => {
    fc.assert(
      fc.property(lawfulLogAndPlace, fc.nat(), ({ log, place }, n) => {
        const event = log[place] as RunEvent;
        expect(checkRunLaws(log.toSpliced(place, 1))).not.toEqual([]);
        expect(checkRunLaws(log.toSpliced(place, 0, event))).not.toEqual([]);
        const other = n % log.length;
        const swapped = log.with(place, log[other] as RunEvent).with(other, event);
        if (other !== place) expect(checkRunLaws(swapped)).not.toEqual([]);
      }),
    );
  });

  test('[L1] [L3] [L4] finds an event that never happened exactly when it had to', () => {
    fc.assert(
      fc.property(lawfulLogAndPlace, ({ log, place }) => {
        const broken = checkRunLaws(restamp(log.toSpliced(place, 1))).length > 0;
        // An attempt or an answer that is missing is found by what it used: here every one used something.
        expect(broken).toBe(!mayBeMissing.has(log[place]?.type ?? ''));
      }),
      { numRuns: 300 },
    );
  });

  test('[L1] [L3] [L4] finds an event that happened twice exactly when it must not', () => {
    fc.assert(
      fc.property(lawfulLogAndPlace, ({ log, place }) => {
        const broken = checkRunLaws(restamp(log.toSpliced(place, 0, log[place] as RunEvent))).length > 0;
        expect(broken).toBe(!mayBeRepeated.has(log[place]?.type ?? ''));
      }),
      { numRuns: 300 },
    );
  });

  test('[L1] [L2] [L5] finds a terminal event that comes later than it may', () => {
    fc.assert(
      fc.property(lawfulLog, fc.nat(), fc.nat(), (log, n, m) => {
        const terminals = log.filter((event) => isTerminal(event) && event.runId !== 'r');
        const event = terminals[n % terminals.length] as RunEvent;
        const from = log.indexOf(event);
        const to = from + 1 + (m % (log.length - from - 1));
        const moved = restamp(log.toSpliced(from, 1).toSpliced(to, 0, event));
        const settled = moved.findIndex((e) => e.type === 'child.settled' && e.childId === event.runId);
        expect(checkRunLaws(moved).length > 0).toBe(
          settled < moved.findIndex((e) => e.runId === event.runId && isTerminal(e)),
        );
      }),
      { numRuns: 200 },
    );
  });
});
