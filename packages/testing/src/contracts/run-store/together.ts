import type { RunStore } from '@troupe/protocol';
import { expect } from 'vitest';
import type { Contract } from '../contract.ts';
import { oneTo, type RunWriter, rowOf, take, textsOf, withoutCursor, writeRun, writerOf } from '../run-writer.ts';
import { expectRefused } from './expect-refused.ts';

const child = { runId: 'r/1-0/0', rootId: 'r', parentId: 'r' };

/** A run and its child, with one event each. */
const family = async (store: RunStore): Promise<{ parent: RunWriter; child: RunWriter }> => {
  const runs = { parent: await writeRun(store, { runId: 'r' }), child: await writeRun(store, child) };
  await runs.parent.say('parent');
  await runs.child.say('child');
  return runs;
};

/** Steps that are written together. */
export const together: Contract<RunStore> = [
  [
    'writes steps of several runs together, and gives back their events in the order they were handed over',
    async (open) => {
      const store = await open();
      const runs = await family(store);
      const stored = await store.commit([runs.child.next(['a', 'b']), runs.parent.next(['c'])]);
      expect(textsOf(stored)).toEqual(['a', 'b', 'c']);
      expect(stored.map(({ rootSeq }) => rootSeq)).toEqual([3, 4, 5]);
      expect(withoutCursor(await take(store, { rootId: 'r', after: 2 }))).toEqual(withoutCursor(stored));
      expect(textsOf(await take(store, {}))).toEqual(['parent', 'child', 'a', 'b', 'c']);
    },
  ],
  [
    'makes several runs with one commit',
    async (open) => {
      const store = await open();
      await store.commit([writerOf(store, { runId: 'r' }).next(['a']), writerOf(store, child).next(['b'])]);
      expect(await store.list()).toEqual([rowOf(child), rowOf({ runId: 'r' })]);
      expect(textsOf(await take(store, { rootId: 'r' }))).toEqual(['a', 'b']);
    },
  ],
  [
    'writes nothing of several steps when one is refused, and names its run',
    async (open) => {
      const store = await open();
      const runs = await family(store);
      const other = await writeRun(store, { runId: 'r/1-1/0', rootId: 'r', parentId: 'r' });
      await other.end();
      const good = runs.parent.next(['x'], { row: rowOf({ runId: 'r', status: 'paused' }), checkpoint: { x: 1 } });
      const unknown = writerOf(store, { ...child, runId: 'r/1-2/0' });
      for (const [bad, code] of [
        [runs.child.next(['y'], { owner: 'other' }), 'store.fenced'],
        [runs.child.next(['y'], { epoch: runs.child.epoch - 1 }), 'store.fenced'],
        [runs.child.next(['y'], { expectedSeq: 0 }), 'store.conflict'],
        [other.next(['y']), 'store.ended'],
      ] as const) {
        await expectRefused(store, [good, unknown.next(['z']), bad], code, bad.runId);
        await expectRefused(store, [bad, unknown.next(['z']), good], code, bad.runId);
      }
      // then neither a number nor a claim is used up
      expect(await unknown.say('z')).toMatchObject([{ rootSeq: 4 }]);
      expect(await runs.parent.say('a')).toMatchObject([{ rootSeq: 5 }]);
    },
  ],
  [
    'refuses one commit of many without harm to those beside it',
    async (open) => {
      const store = await open();
      const runs = await family(store);
      const outcomes = await Promise.allSettled(
        [
          [runs.parent.next(['a'])],
          [runs.child.next(['x'], { expectedSeq: 7 })],
          [runs.child.next(['b'])],
          [writerOf(store, { runId: 's' }).next(['c'])],
          [writerOf(store, { runId: 't' }, { epoch: 2 }).next(['x'])],
        ].map(async (steps) => store.commit(steps)),
      );
      expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual([true, false, true, true, false]);
      expect(textsOf(await take(store, {})).toSorted()).toEqual(['a', 'b', 'c', 'child', 'parent']);
    },
  ],
  [
    'writes several steps of one run, each after the one before it',
    async (open) => {
      const store = await open();
      const runs = await family(store);
      const row = rowOf({ runId: 'r', status: 'paused' });
      const stored = await store.commit([
        runs.parent.next(['a', 'b'], { checkpoint: { n: 1 } }),
        runs.child.next(['c']),
        runs.parent.next(['d'], { expectedSeq: 3, row }),
      ]);
      expect(textsOf(stored)).toEqual(['a', 'b', 'c', 'd']);
      expect(stored.map(({ rootSeq }) => rootSeq)).toEqual([3, 4, 5, 6]);
      expect((await take(store, { runId: 'r' })).map(({ seq }) => seq)).toEqual(oneTo(4));
      expect(await store.get('r')).toEqual(row);
      expect(await store.checkpoint('r')).toEqual({ n: 1 });
    },
  ],
  [
    'makes a run and ends it with one commit',
    async (open) => {
      const store = await open();
      const run = writerOf(store, { runId: 'r' });
      const last = run.last({ expectedSeq: 1 });
      const stored = await store.commit([run.next(['a'], { checkpoint: { n: 1 } }), last]);
      expect(textsOf(stored)).toEqual(['a', 'run.completed']);
      expect(await store.get('r')).toEqual(last.row);
      expect(await store.checkpoint('r')).toBeUndefined();
    },
  ],
  [
    'refuses several steps of one run that do not follow each other, or follow its end',
    async (open) => {
      const store = await open();
      const { parent } = await family(store);
      const first = parent.next(['x']);
      await expectRefused(store, [first, parent.next(['y'])], 'store.conflict');
      await expectRefused(store, [first, parent.next(['y'], { expectedSeq: 3 })], 'store.conflict');
      await expectRefused(store, [parent.last(), parent.next(['y'], { expectedSeq: 2 })], 'store.ended');
      expect(await parent.say('a')).toMatchObject([{ seq: 2, rootSeq: 3 }]);
    },
  ],
];
