import type { RunStore } from '@troupe/protocol';
import { expect } from 'vitest';
import type { Contract } from '../contract.ts';
import { leaseMs, oneTo, rowOf, take, textsOf, writeRun, writerOf } from '../run-writer.ts';
import { expectRefused } from './expect-refused.ts';

/** Who may write a run, and what may follow what. */
export const refusals: Contract<RunStore> = [
  [
    'refuses a commit that expects fewer or more events, and writes nothing',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      await run.say('a', 'b');
      const row = rowOf({ runId: 'r', status: 'paused' });
      for (const expectedSeq of [0, 1, 3])
        await expectRefused(store, run.next(['x'], { expectedSeq, row }), 'store.conflict');
      expect((await run.say('c'))[0]).toMatchObject({ seq: 3, rootSeq: 3 });
    },
  ],
  [
    'refuses a first commit that expects events',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      await expectRefused(store, run.next(['x'], { expectedSeq: 1 }), 'store.conflict');
      expect(await store.list()).toEqual([]);
    },
  ],
  [
    'refuses a commit of any epoch but the newest, and writes nothing',
    async (open) => {
      const store = await open();
      const old = await writeRun(store, { runId: 'r' });
      await old.say('a');
      const claim = await store.claim('r', 'owner', { leaseMs });
      const epoch = claim?.epoch ?? 0;
      await expectRefused(store, old.next(['x'], { row: rowOf({ runId: 'r', status: 'paused' }) }), 'store.fenced');
      await expectRefused(store, old.next(['x'], { epoch: epoch + 1 }), 'store.fenced');
      expect(await old.commit(old.next(['b'], { epoch }))).toMatchObject([{ seq: 2, rootSeq: 2 }]);
    },
  ],
  [
    'refuses a commit of anybody but the owner, whatever its epoch',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' }, 'one');
      await expectRefused(store, run.next(['x'], { owner: 'two' }), 'store.fenced');
      await run.say('a');
      await expectRefused(store, run.next(['x'], { owner: 'two' }), 'store.fenced');
      expect(await run.say('b')).toMatchObject([{ seq: 2, rootSeq: 2 }]);
    },
  ],
  [
    'takes the first commit of a run that nobody claimed, at epoch 1, for the claim of its owner',
    async (open) => {
      const store = await open();
      for (const epoch of [0, 2])
        await expectRefused(store, writerOf(store, { runId: 'r' }, { epoch }).next(['x']), 'store.fenced');
      const run = writerOf(store, { runId: 'r' }, { owner: 'one' });
      expect(await run.say('a')).toMatchObject([{ seq: 1, rootSeq: 1 }]);
      await expectRefused(store, writerOf(store, { runId: 'r' }, { owner: 'two', seq: 1 }).next(['x']), 'store.fenced');
      expect(await run.say('b')).toMatchObject([{ seq: 2, rootSeq: 2 }]);
      expect((await store.claim('r', 'one', { leaseMs }))?.epoch).toBeGreaterThan(1);
    },
  ],
  [
    'refuses the first commit of a run that somebody else has claimed',
    async (open) => {
      const store = await open();
      await store.claim('r', 'one', { leaseMs });
      await expectRefused(store, writerOf(store, { runId: 'r' }, { owner: 'two' }).next(['x']), 'store.fenced');
    },
  ],
  [
    'refuses a commit after the terminal event, and writes nothing',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      await run.say('a');
      await run.end();
      await expectRefused(store, run.next(['x']), 'store.ended');
      expect(await store.get('r')).toMatchObject({ status: 'completed', exitReason: 'answered', endedAt: 1 });
    },
  ],
  [
    'takes one of many commits that expect the same',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      const commits = oneTo(8).map((n) => run.next([`${n}`]));
      const tries = await Promise.allSettled(commits.map((step) => run.commit(step)));
      const refused = tries.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
      expect(refused).toHaveLength(7);
      for (const reason of refused) expect(reason).toMatchObject({ code: 'store.conflict', runId: 'r' });
      expect(await take(store, { rootId: 'r' })).toMatchObject([{ seq: 1, rootSeq: 1 }]);
    },
  ],
  [
    'keeps row and checkpoint of the commit that it took, not of those that it refused at the same time',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      const statuses = ['paused', 'queued', 'interrupting'] as const;
      const outcomes = await Promise.allSettled(
        statuses.map((status) =>
          run.commit(run.next([status], { row: rowOf({ runId: 'r', status }), checkpoint: { status } })),
        ),
      );
      const [status, ...others] = statuses.filter((_, index) => outcomes[index]?.status === 'fulfilled');
      expect(others).toEqual([]);
      expect(textsOf(await take(store, { runId: 'r' }))).toEqual([status]);
      expect(await store.get('r')).toMatchObject({ status });
      expect(await store.checkpoint('r')).toEqual({ status });
    },
  ],
];
