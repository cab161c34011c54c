import type { RunStore } from '@troupe/protocol';
import { expect } from 'vitest';
import type { Contract, Reopen } from '../contract.ts';
import { awkward, journalOf, leaseMs, take, textsOf, writeRun } from '../run-writer.ts';
import { expectRefused } from './expect-refused.ts';

/** What outlives a store that is closed in order. */
export const lasting = <Store extends RunStore>(reopen: Reopen<Store>): Contract<Store> => [
  [
    'remembers everything when it is opened again',
    async (open, time) => {
      const store = await open();
      expect(store.lasting).toBe(true);
      const run = await writeRun(store, {
        runId: 'r',
        sessionKey: 'k',
        origin: { runId: 's', rootId: 's', callId: 'c' },
      });
      const journal = [{ seq: 0, at: 1, heard: { type: 'said', text: awkward } }];
      await run.commit(run.next(['a', awkward], { checkpoint: { n: 1 }, journal }));
      await store.post({ id: 'm', runId: 'r', at: 1, message: { type: 'said' } });
      const left = { runId: 'r', sessionKey: 'k', at: 1, message: { type: 'said' } };
      await run.commit(run.next([], { mail: ['n', 'o'].map((id) => ({ id, ...left })) }));
      await store.withdraw('o', { status: 'accepted' });
      await run.commit(run.next([], { receipts: [{ mailId: 'm', receipt: { status: 'accepted' } }] }));
      const known = async (from: RunStore) => [
        await from.get('r'),
        await from.list(),
        await from.checkpoint('r'),
        await journalOf(from, 'r'),
        await from.receipt('m'),
        await from.receipt('o'),
        await from.sessionInbox('k'),
        await from.list({ unitsOf: 'k' }),
        await take(from, {}),
      ];
      const before = await known(store);
      const again = await reopen(store, time);
      expect(await known(again)).toEqual(before);
      const claim = await again.claim('r', 'owner', { leaseMs });
      expect(claim?.epoch).toBeGreaterThan(run.epoch);
      await expectRefused(again, run.next(['x']), 'store.fenced');
      expect(await again.commit([run.next(['b'], { epoch: claim?.epoch ?? 0 })])).toMatchObject([
        { seq: 3, rootSeq: 3 },
      ]);
    },
  ],
  [
    'has given its claims back when it was closed',
    async (open, time) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' }, 'one');
      await run.say('a');
      await store.claim('never written', 'two', { leaseMs });
      const again = await reopen(store, time);
      expect((await again.claim('r', 'three', { leaseMs }))?.epoch).toBeGreaterThan(run.epoch);
      expect(await again.claim('never written', 'three', { leaseMs })).not.toBeNull();
    },
  ],
  [
    'remembers that it forgot, and gives no cursor twice',
    async (open, time) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      await run.say('a');
      await run.end(1);
      const last = (await take(store, {})).at(-1);
      expect(await store.prune({ olderThan: 2, keep: 0 })).toBe(1);
      const again = await reopen(store, time);
      expect(await again.list()).toEqual([]);
      await (await writeRun(again, { runId: 's' })).say('b');
      expect(textsOf(await take(again, last ? { after: last.cursor } : {}))).toEqual(['b']);
    },
  ],
];
