import type { RunStore } from '@troupe/protocol';
import { expect } from 'vitest';
import type { Contract } from '../contract.ts';
import { awkward, rowOf, take, textsOf, writeRun } from '../run-writer.ts';

/** What runs go on from. */
export const checkpoints: Contract<RunStore> = [
  [
    'gives back the checkpoint of a run as JSON',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      const checkpoint = {
        value: { thinking: 'asking' },
        context: { texts: [awkward, ''], n: 1.5, none: null, no: undefined, at: new Date(0), deep: [[{ a: [] }]] },
      };
      await run.commit(run.next(['a'], { checkpoint }));
      expect(await store.checkpoint('r')).toStrictEqual(JSON.parse(JSON.stringify(checkpoint)));
    },
  ],
  [
    'knows no checkpoint of a run that it does not know, or that brought none',
    async (open) => {
      const store = await open();
      expect(await store.checkpoint('r')).toBeUndefined();
      await (await writeRun(store, { runId: 'r' })).say('a');
      expect(await store.checkpoint('r')).toBeUndefined();
    },
  ],
  [
    'puts each checkpoint in the place of the one before, and keeps it where a step brings none',
    async (open) => {
      const store = await open();
      const [r, s] = [await writeRun(store, { runId: 'r' }), await writeRun(store, { runId: 's' })];
      await r.commit(r.next(['a'], { checkpoint: { n: 1, old: true } }));
      await s.commit(s.next(['a'], { checkpoint: { n: 'of s' } }));
      await r.commit(r.next(['b'], { checkpoint: { n: 2 } }));
      await r.say('c');
      expect(await store.checkpoint('r')).toEqual({ n: 2 });
      expect(await store.checkpoint('s')).toEqual({ n: 'of s' });
    },
  ],
  [
    'replaces row and checkpoint with a commit that has no events',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      await run.commit(run.next(['a'], { checkpoint: { n: 1 } }));
      const row = rowOf({ runId: 'r', status: 'paused' });
      expect(await run.commit(run.next([], { row, checkpoint: { n: 2 } }))).toEqual([]);
      expect(await store.get('r')).toEqual(row);
      expect(await store.checkpoint('r')).toEqual({ n: 2 });
      expect(await run.say('b')).toMatchObject([{ seq: 2, rootSeq: 2 }]);
      expect(textsOf(await take(store, { rootId: 'r' }))).toEqual(['a', 'b']);
    },
  ],
  [
    'keeps no checkpoint of a run that has ended, and those of the other runs',
    async (open) => {
      const store = await open();
      const r = await writeRun(store, { runId: 'r' });
      const child = await writeRun(store, { runId: 'r/1-0/0', rootId: 'r', parentId: 'r' });
      for (const run of [r, child]) await run.commit(run.next(['a'], { checkpoint: { n: 1 } }));
      await child.commit({ ...child.last(), checkpoint: { n: 2 } });
      expect(await store.checkpoint('r/1-0/0')).toBeUndefined();
      expect(await store.checkpoint('r')).toEqual({ n: 1 });
      await r.end();
      expect(await store.checkpoint('r')).toBeUndefined();
    },
  ],
  [
    'gives back a checkpoint that its reader may change',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      await run.commit(run.next(['a'], { checkpoint: { list: [1] } }));
      const read = (await store.checkpoint('r')) as { list: number[] };
      read.list.push(2);
      expect(await store.checkpoint('r')).toEqual({ list: [1] });
    },
  ],
];
