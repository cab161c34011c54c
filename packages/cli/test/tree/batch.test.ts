import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countBatch, progressOf } from '../../src/tree/batch.ts';

const children = (of: number, started: number, done: number) => {
  const counting = countBatch(1, 1_000);
  for (let i = 0; i < of; i++) counting.child('c', 'child.requested');
  for (let i = 0; i < started; i++) counting.child('c', 'child.started');
  for (let i = 0; i < done; i++) counting.child('c', 'child.settled');
  return counting.batch;
};

describe('what one turn asked for', () => {
  test('counts calls, and the children of a call that has several', () => {
    const alone = countBatch(3, 0);
    alone.answer('a');
    expect(progressOf(alone.batch, 0)).toEqual({ done: 1, of: 3 });
    expect(progressOf(children(4, 4, 1), 5_000)).toEqual({ done: 1, of: 4 });
    const mixed = countBatch(3, 0);
    mixed.child('c', 'child.requested');
    mixed.answer('c');
    expect(progressOf(mixed.batch, 0)).toEqual({ done: 1, of: 3 });
  });

  test('shows nothing where there is nothing to count', () => {
    for (const batch of [countBatch(0, 0).batch, countBatch(1, 0).batch, children(1, 1, 0), children(3, 3, 3)])
      expect(progressOf(batch, 9_000)).toBeNull();
  });

  test('says how long it takes only where others wait in line, and some have ended', () => {
    // given ten children of which two work at a time: three have ended in six seconds
    expect(progressOf(children(10, 5, 3), 7_000)).toEqual({ done: 3, of: 10, leftMs: 14_000 });
    // two ended children are no pace, and children that all work at once end when they end
    expect(progressOf(children(10, 4, 2), 7_000)).toEqual({ done: 2, of: 10 });
    expect(progressOf(children(10, 10, 6), 7_000)).toEqual({ done: 6, of: 10 });
  });

  test('is never done before its end, nor more than all of it, in whatever order it is told', () => {
    const step = fc.record({
      call: fc.constantFrom('a', 'b', 'c'),
      type: fc.constantFrom('child.requested', 'child.started', 'child.settled', 'answer' as const),
    });
    fc.assert(
      fc.property(fc.nat(5), fc.array(step, { maxLength: 40 }), (calls, steps) => {
        const counting = countBatch(calls, 0);
        for (const { call, type } of steps)
          if (type === 'answer') counting.answer(call);
          else counting.child(call, type);
        const progress = progressOf(counting.batch, 1_000);
        if (progress === null) return;
        expect(progress.done).toBeLessThan(progress.of);
        expect(progress.leftMs ?? 0).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
