import type { JournalEntry, RunStore } from '@troupe/protocol';
import { expect } from 'vitest';
import type { Contract } from '../contract.ts';
import { awkward, journalOf, writeRun } from '../run-writer.ts';

const entry = (seq: number, text: string): JournalEntry => ({ seq, at: seq * 10, heard: { type: 'said', text } });

const heardIn = async (store: RunStore, runId: string): Promise<unknown[]> =>
  (await journalOf(store, runId)).map(({ heard }) => heard.text);

/** What runs heard. */
export const journal: Contract<RunStore> = [
  [
    'gives back what a run heard, in order, as JSON, whether or not something was said',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      const odd: JournalEntry = {
        seq: 0,
        at: 1.5,
        heard: { type: 'odd', text: awkward, none: null, no: undefined, deep: [[{ a: [] }]] },
      };
      await run.commit(run.next(['a', 'b'], { journal: [odd, entry(1, 'one')] }));
      await run.commit(run.next([], { journal: [entry(2, 'two')] }));
      await run.commit(run.next([], { journal: [entry(2, 'three'), entry(2, 'four')] }));
      await run.say('c');
      await run.commit(run.next(['d'], { journal: [entry(3, 'five')] }));
      await run.commit({ ...run.last(), journal: [entry(4, 'six')] });
      const [first, ...others] = await journalOf(store, 'r');
      expect(first).toStrictEqual(JSON.parse(JSON.stringify({ ...odd, rootSeq: 2 })));
      expect(others).toStrictEqual([
        { ...entry(1, 'one'), rootSeq: 2 },
        { ...entry(2, 'two'), rootSeq: 2 },
        { ...entry(2, 'three'), rootSeq: 2 },
        { ...entry(2, 'four'), rootSeq: 2 },
        { ...entry(3, 'five'), rootSeq: 4 },
        { ...entry(4, 'six'), rootSeq: 5 },
      ]);
    },
  ],
  [
    'says of each entry where the tree stood after its commit, for all runs of the commit',
    async (open) => {
      const store = await open();
      const r = await writeRun(store, { runId: 'r' });
      const child = await writeRun(store, { runId: 'r/1-0/0', rootId: 'r', parentId: 'r' });
      const other = await writeRun(store, { runId: 's' });
      await r.say('before');
      await store.commit([
        r.next(['a'], { journal: [entry(1, 'of r')] }),
        child.next(['b', 'c'], { journal: [entry(0, 'of its child')] }),
        r.next([], { expectedSeq: 2, journal: [entry(2, 'quietly')] }),
      ]);
      await other.commit(other.next(['x'], { journal: [entry(0, 'of s')] }));
      expect((await journalOf(store, 'r')).map(({ rootSeq }) => rootSeq)).toEqual([4, 4]);
      expect((await journalOf(store, 'r/1-0/0')).map(({ rootSeq }) => rootSeq)).toEqual([4]);
      expect((await journalOf(store, 's')).map(({ rootSeq }) => rootSeq)).toEqual([1]);
    },
  ],
  [
    'gives what a run heard from any number of events on, whichever commit brought it',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      const other = await writeRun(store, { runId: 's' });
      await other.commit(other.next(['x'], { journal: [entry(0, 'of s')] }));
      await run.commit(run.next(['a', 'b'], { journal: [entry(0, 'one'), entry(1, 'two'), entry(2, 'three')] }));
      await run.commit(run.next([], { journal: [entry(2, 'four')] }));
      await run.say('c');
      await run.commit(run.next(['d'], { journal: [entry(3, 'five')] }));
      await run.commit(run.next([], { journal: [entry(4, 'six'), entry(4, 'seven')] }));
      const all = await journalOf(store, 'r');
      expect(all).toHaveLength(7);
      for (const from of [0, 1, 2, 3, 4, 5])
        expect(await journalOf(store, 'r', from)).toStrictEqual(all.filter(({ seq }) => seq >= from));
      expect(await journalOf(store, 'never was', 1)).toEqual([]);
    },
  ],
  [
    'keeps the place that an entry brings',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      await run.commit(run.next(['a', 'b'], { journal: [{ ...entry(0, 'one'), rootSeq: 1 }, entry(1, 'two')] }));
      expect((await journalOf(store, 'r')).map(({ rootSeq }) => rootSeq)).toEqual([1, 2]);
    },
  ],
  [
    'keeps nothing of a commit that was refused, and nothing of a run that was forgotten',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      await run.commit(run.next(['a'], { journal: [entry(0, 'one')] }));
      const late = run.next(['b'], { expectedSeq: 7, journal: [entry(7, 'never')] });
      await expect((async () => store.commit([late]))()).rejects.toMatchObject({ code: 'store.conflict' });
      expect(await heardIn(store, 'r')).toEqual(['one']);
      await run.commit(run.next([], { journal: [entry(1, 'two')] }));
      await run.end();
      expect(await heardIn(store, 'r')).toEqual(['one', 'two']);
      await store.prune({ olderThan: 1_000, keep: 0 });
      expect(await heardIn(store, 'r')).toEqual([]);
      expect(await heardIn(store, 'never was')).toEqual([]);
    },
  ],
];
