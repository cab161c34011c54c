import type { RunStore } from '@troupe/protocol';
import { expect } from 'vitest';
import type { Contract } from '../contract.ts';
import { idsOf, leaseMs, oneTo, rowOf, take, textsOf, writeRun, writerOf } from '../run-writer.ts';
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
  [
    'refuses a new run that does not come after the newest that its session was sent, and writes nothing',
    async (open) => {
      const store = await open();
      const inK = (runId: string, after: string | null) => writerOf(store, { runId, sessionKey: 'k', after });
      const refused = (runId: string, after: string | null) =>
        expectRefused(store, inK(runId, after).next(['x']), 'store.overtaken');
      const first = inK('r', null);
      await first.say('a');
      for (const after of [null, 's', 'other']) await refused('s', after);
      const second = inK('s', 'r');
      await second.say('a');
      // neither the runs below, nor those that were not sent, nor those of other sessions are in the way
      await writerOf(store, { runId: 's/1-0/0', rootId: 's', sessionKey: 'k' }).say('a');
      await writerOf(store, { runId: 'root', sessionKey: 'k' }).say('a');
      for (const sessionKey of ['K', 'k/1'])
        await writerOf(store, { runId: sessionKey, sessionKey, after: null }).say('a');
      for (const after of [null, 'r', 's/1-0/0', 'root', 'K']) await refused('t', after);
      // only how a run begins is looked at
      await first.say('b');
      await first.end();
      await second.end();
      for (const after of [null, 'r']) await refused('t', after);
      await inK('t', 's').say('a');
      expect(idsOf(await store.list({ sentTo: 'k' }))).toEqual(['t', 's', 'r']);
    },
  ],
  [
    'takes whatever run comes first in a session: none was sent, or none is left',
    async (open) => {
      const store = await open();
      await writerOf(store, { runId: 'began', sessionKey: 'k' }).say('a');
      const first = writerOf(store, { runId: 'r', sessionKey: 'k', after: 'began' });
      await first.say('a');
      await first.end();
      await store.prune({ olderThan: 2, keep: 0, sentTo: 'k' });
      await writerOf(store, { runId: 's', sessionKey: 'k', after: 'r' }).say('a');
      expect(idsOf(await store.list({ sentTo: 'k' }))).toEqual(['s']);
    },
  ],
  [
    'takes one of many new runs that come after the same',
    async (open) => {
      const store = await open();
      await writerOf(store, { runId: 'r', sessionKey: 'k', after: null }).say('a');
      const news = oneTo(8).map((n) =>
        writerOf(store, { runId: `r${n}`, sessionKey: 'k', after: 'r' }, { owner: `owner ${n}` }),
      );
      const tries = await Promise.allSettled(news.map((run) => run.say('a')));
      const refused = tries.flatMap((outcome, i) => (outcome.status === 'rejected' ? [[i + 1, outcome.reason]] : []));
      expect(refused).toHaveLength(7);
      for (const [n, reason] of refused) expect(reason).toMatchObject({ code: 'store.overtaken', runId: `r${n}` });
      const [newest, ...others] = idsOf(await store.list({ sentTo: 'k' }));
      expect(others).toEqual(['r']);
      // whoever was refused comes after whoever was not
      const [n] = refused[0] ?? [];
      await writerOf(store, { runId: `r${n}`, sessionKey: 'k', after: `${newest}` }).say('a');
    },
  ],
];
