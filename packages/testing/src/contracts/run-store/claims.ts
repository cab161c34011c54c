import type { RunStore } from '@troupe/protocol';
import { expect } from 'vitest';
import type { Contract } from '../contract.ts';
import { everything, leaseMs, oneTo, textsOf, writeEnded, writeRun, writerOf } from '../run-writer.ts';
import { expectRefused } from './expect-refused.ts';

const lease = { leaseMs };

/** Who may execute a run. */
export const claims: Contract<RunStore> = [
  [
    'raises the epoch with every claim',
    async (open) => {
      const store = await open();
      const epochs: number[] = [];
      for (const _ of oneTo(3)) epochs.push((await store.claim('r', 'one', lease))?.epoch ?? 0);
      expect(epochs[0]).toBeGreaterThan(0);
      expect(epochs[1]).toBeGreaterThan(epochs[0] ?? 0);
      expect(epochs[2]).toBeGreaterThan(epochs[1] ?? 0);
    },
  ],
  [
    'lets one owner at a time claim a run, and each run for itself',
    async (open) => {
      const store = await open();
      expect(await store.claim('r', 'one', lease)).not.toBeNull();
      expect(await store.claim('r', 'two', lease)).toBeNull();
      expect(await store.claim('s', 'two', lease)).not.toBeNull();
      expect(await store.claim('r', 'one', lease)).not.toBeNull();
    },
  ],
  [
    'gives a run to one of many who claim it at once',
    async (open) => {
      const store = await open();
      const claimed = await Promise.all(oneTo(8).map(async (n) => await store.claim('r', `owner ${n}`, lease)));
      expect(claimed.filter((claim) => claim !== null)).toHaveLength(1);
    },
  ],
  [
    'does not let a refused claim disturb the owner',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      await store.claim('r', 'other', lease);
      expect(textsOf(await run.say('still here'))).toEqual(['still here']);
    },
  ],
  [
    'knows no run that was only claimed',
    async (open) => {
      const store = await open();
      await store.claim('r', 'one', lease);
      expect(await store.get('r')).toBeUndefined();
      expect(await store.checkpoint('r')).toBeUndefined();
      expect(await store.list()).toEqual([]);
    },
  ],
  [
    'gives single claims back, and keeps the others of their owner',
    async (open) => {
      const store = await open();
      const r = await writeRun(store, { runId: 'r' }, 'one');
      await r.say('a');
      const s = await writeRun(store, { runId: 's' }, 'one');
      await writeRun(store, { runId: 't' }, 'two');
      await store.release('one', ['r', 't', 'never was']);
      expect([await store.holder('r'), await store.holder('s'), await store.holder('t')]).toEqual([null, 'one', 'two']);
      await s.say('b');
      const claim = await store.claim('r', 'two', lease);
      expect(claim?.epoch).toBeGreaterThan(r.epoch);
      await expectRefused(store, r.next(['late']), 'store.fenced');
      expect(await store.claim('s', 'two', lease)).toBeNull();
      expect(await store.claim('t', 'one', lease)).toBeNull();
    },
  ],
  [
    'says who holds a run, while its lease runs and it has not ended',
    async (open, time) => {
      const store = await open();
      expect(await store.holder('r')).toBeNull();
      const run = await writeRun(store, { runId: 'r' }, 'one');
      await run.say('a');
      expect([await store.holder('r'), await store.holder('s')]).toEqual(['one', null]);
      time.pass(leaseMs);
      expect(await store.holder('r')).toBeNull();
      await store.renew('one', lease);
      expect(await store.holder('r')).toBe('one');
      await store.release('one');
      expect(await store.holder('r')).toBeNull();
      const claim = await store.claim('r', 'two', lease);
      expect(await store.holder('r')).toBe('two');
      const next = writerOf(store, { runId: 'r' }, { owner: 'two', epoch: claim?.epoch ?? 0, seq: 1 });
      await next.end();
      expect(await store.holder('r')).toBeNull();
    },
  ],
  [
    'keeps a run for its owner while the lease runs, and no longer',
    async (open, time) => {
      const store = await open();
      const old = await writeRun(store, { runId: 'r' }, 'one');
      await old.say('a');
      time.pass(leaseMs - 1);
      expect(await store.claim('r', 'two', lease)).toBeNull();
      time.pass(2);
      const claim = await store.claim('r', 'two', lease);
      expect(claim?.epoch).toBeGreaterThan(old.epoch);
      await expectRefused(store, old.next(['x']), 'store.fenced');
      // then the lease of the new owner runs
      time.pass(leaseMs - 1);
      expect(await store.claim('r', 'one', lease)).toBeNull();
    },
  ],
  [
    'knows of no claim on a run that never was, or was forgotten, once that is given back',
    async (open) => {
      const store = await open();
      await writeEnded(store, 'forgotten', 1);
      expect(await store.prune({ olderThan: everything, keep: 0 })).toBe(1);
      for (const runId of ['forgotten', 'never']) {
        expect((await store.claim(runId, 'one', lease))?.epoch).toBe(1);
        await store.release('two', [runId]);
        await expectRefused(store, writerOf(store, { runId }, { owner: 'two' }).next(['a']), 'store.fenced');
        await store.release('one', [runId]);
        expect(await store.holder(runId)).toBeNull();
        // and comes after all that has begun meanwhile
        await (await writeRun(store, { runId: `before ${runId}` })).say('a');
        expect(textsOf(await writerOf(store, { runId }, { owner: 'two' }).say('b'))).toEqual(['b']);
        expect((await store.list({ limit: 1 })).map((row) => row.runId)).toEqual([runId]);
      }
    },
  ],
  [
    'lets an owner go on after its lease has run out, until another claims the run',
    async (open, time) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' }, 'one');
      await run.say('a');
      time.pass(leaseMs + 1);
      expect(textsOf(await run.say('b'))).toEqual(['b']);
      expect(await store.claim('r', 'two', lease)).not.toBeNull();
      await expectRefused(store, run.next(['x']), 'store.fenced');
    },
  ],
  [
    'prolongs every lease of an owner that renews, and of nobody else',
    async (open, time) => {
      const store = await open();
      for (const runId of ['r', 's']) await store.claim(runId, 'one', lease);
      await store.claim('t', 'two', lease);
      time.pass(leaseMs - 1);
      await store.renew('one', lease);
      time.pass(leaseMs - 1);
      expect(await store.claim('r', 'three', lease)).toBeNull();
      expect(await store.claim('s', 'three', lease)).toBeNull();
      expect(await store.claim('t', 'three', lease)).not.toBeNull();
      time.pass(2);
      expect(await store.claim('r', 'three', lease)).not.toBeNull();
    },
  ],
  [
    'does not raise the epoch when an owner renews',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' }, 'one');
      await store.renew('one', lease);
      expect(textsOf(await run.say('a'))).toEqual(['a']);
    },
  ],
  [
    'gives every claim of an owner back when it releases, and of nobody else',
    async (open) => {
      const store = await open();
      const runs = [await writeRun(store, { runId: 'r' }, 'one'), await writeRun(store, { runId: 's' }, 'one')];
      for (const run of runs) await run.say('a');
      await store.claim('t', 'two', lease);
      // none of them
      await store.release('one', []);
      expect(await store.claim('r', 'three', lease)).toBeNull();
      await store.release('one');
      for (const run of runs) {
        const claim = await store.claim(run.next([]).runId, 'three', lease);
        expect(claim?.epoch).toBeGreaterThan(run.epoch);
        await expectRefused(store, run.next(['x']), 'store.fenced');
      }
      expect(await store.claim('t', 'three', lease)).toBeNull();
    },
  ],
  [
    'takes no offence at an owner that holds nothing',
    async (open) => {
      const store = await open();
      await store.renew('nobody', lease);
      await store.release('nobody');
      await store.release('never heard of');
      expect(await store.claim('r', 'one', lease)).not.toBeNull();
    },
  ],
  [
    'keeps a run that was never claimed for its writer only once that one renews',
    async (open) => {
      const store = await open();
      await writerOf(store, { runId: 'r' }, { owner: 'one' }).say('a');
      expect(await store.claim('r', 'two', lease)).not.toBeNull();
      await writerOf(store, { runId: 's' }, { owner: 'three' }).say('a');
      await store.renew('three', lease);
      expect(await store.claim('s', 'two', lease)).toBeNull();
    },
  ],
];
