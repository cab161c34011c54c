import type { RunStore } from '@troupe/protocol';
import { expect } from 'vitest';
import type { Contract } from '../contract.ts';
import { everything, idsOf, leaseMs, take, textsOf, writeEnded, writeRun, writerOf } from '../run-writer.ts';

/** What is forgotten, and what never is. */
export const pruning: Contract<RunStore> = [
  [
    'forgets trees that ended before a point in time, and says how many',
    async (open) => {
      const store = await open();
      for (const endedAt of [20, 5, 10]) await writeEnded(store, `r${endedAt}`, endedAt);
      expect(await store.prune({ olderThan: 5, keep: 0 })).toBe(0);
      expect(await store.prune({ olderThan: 11, keep: 0 })).toBe(2);
      expect(idsOf(await store.list())).toEqual(['r20']);
      expect(await store.prune({ olderThan: 11, keep: 0 })).toBe(0);
    },
  ],
  [
    'keeps as many trees as it is told, those that ended last',
    async (open) => {
      const store = await open();
      for (const endedAt of [20, 5, 30, 10]) await writeEnded(store, `r${endedAt}`, endedAt);
      expect(await store.prune({ olderThan: everything, keep: 4 })).toBe(0);
      expect(await store.prune({ olderThan: 15, keep: 3 })).toBe(1);
      expect(idsOf(await store.list())).toEqual(['r10', 'r30', 'r20']);
      expect(await store.prune({ olderThan: everything, keep: 1 })).toBe(2);
      expect(idsOf(await store.list())).toEqual(['r30']);
      expect(await store.prune({ olderThan: everything, keep: 0 })).toBe(1);
      expect(await store.list()).toEqual([]);
    },
  ],
  [
    'keeps those that began last of trees that ended in one moment',
    async (open) => {
      const store = await open();
      for (const n of [1, 2, 3]) await writeEnded(store, `r${n}`, 10);
      expect(await store.prune({ olderThan: everything, keep: 2 })).toBe(1);
      expect(idsOf(await store.list())).toEqual(['r3', 'r2']);
    },
  ],
  [
    'never forgets a tree in which a run has not ended, whatever the other runs of it are',
    async (open) => {
      const store = await open();
      const root = await writeRun(store, { runId: 'r' });
      const child = await writeRun(store, { runId: 'r/1-0/0', rootId: 'r', parentId: 'r', detached: true });
      const ended = await writeRun(store, { runId: 'r/1-1/0', rootId: 'r', parentId: 'r' });
      await root.say('a');
      await child.say('b');
      await ended.end(1);
      await root.end(2);
      const before = [await store.list(), await take(store, {})];
      expect(await store.prune({ olderThan: everything, keep: 0 })).toBe(0);
      expect([await store.list(), await take(store, {})]).toEqual(before);
      expect(textsOf(await child.say('c'))).toEqual(['c']);
    },
  ],
  [
    'counts a tree once, and takes it to have ended with its last run',
    async (open) => {
      const store = await open();
      await writeEnded(store, 's', 10);
      const root = await writeRun(store, { runId: 'r' });
      const child = await writeRun(store, { runId: 'r/1-0/0', rootId: 'r', parentId: 'r' });
      await root.end(5);
      await child.end(15);
      expect(await store.prune({ olderThan: 15, keep: 1 })).toBe(1);
      expect(idsOf(await store.list())).toEqual(['r/1-0/0', 'r']);
      expect(await store.prune({ olderThan: 16, keep: 0 })).toBe(1);
    },
  ],
  [
    'of trees that ended in one moment keeps the one that began last, whatever of the others did later',
    async (open) => {
      const store = await open();
      const first = await writeRun(store, { runId: 'r' });
      await first.say('a');
      const second = await writeRun(store, { runId: 's' });
      await second.say('a');
      const child = await writeRun(store, { runId: 'r/1-0/0', rootId: 'r', parentId: 'r' });
      for (const run of [child, first, second]) await run.end(5);
      expect(await store.prune({ olderThan: everything, keep: 1 })).toBe(1);
      expect(idsOf(await store.list())).toEqual(['s']);
    },
  ],
  [
    'counts each tree once, whoever else forgets at the same time',
    async (open) => {
      const store = await open();
      for (const runId of ['a', 'b', 'c']) await writeEnded(store, runId, 5);
      const prune = async () => store.prune({ olderThan: 10, keep: 0 });
      const [one, two] = await Promise.all([prune(), prune()]);
      expect(one + two).toBe(3);
    },
  ],
  [
    'forgets only trees that a session was sent, where it is told which, and keeps as many of these',
    async (open) => {
      const store = await open();
      const origin = { runId: 'r5', rootId: 'r5', callId: 'c', sessionKey: 'K' };
      await writeEnded(store, 'r5', 5, { sessionKey: 'k', after: null });
      await writeEnded(store, 'r7', 7, { sessionKey: 'k', after: 'r5', origin });
      await writeEnded(store, 'named', 1, { sessionKey: 'k' });
      await writeEnded(store, 'unit', 1, { sessionKey: 'k', origin: { ...origin, sessionKey: 'k' } });
      await writeEnded(store, 'other', 1, { sessionKey: 'K', after: null });
      await writeEnded(store, 'longer', 1, { sessionKey: 'k/1', after: null });
      await writeEnded(store, 'alone', 1);
      const tree = await writeRun(store, { runId: 't', sessionKey: 'k', after: 'r7' });
      const child = await writeRun(store, { runId: 't/1-0/0', rootId: 't', parentId: 't', sessionKey: 'k' });
      await tree.end(1);
      await child.say('a');
      const others = ['longer', 'other', 'unit', 'named'];
      expect(await store.prune({ olderThan: everything, keep: 0, sentTo: 'unheard of' })).toBe(0);
      expect(await store.prune({ olderThan: 7, keep: 1, sentTo: 'k' })).toBe(1);
      expect(idsOf(await store.list())).toEqual(['t/1-0/0', 't', 'alone', ...others, 'r7']);
      expect(await store.prune({ olderThan: everything, keep: 1, sentTo: 'k' })).toBe(0);
      await child.end(20);
      expect(await store.prune({ olderThan: everything, keep: 1, sentTo: 'k' })).toBe(1);
      expect(await store.prune({ olderThan: everything, keep: 0, sentTo: 'k' })).toBe(1);
      expect(idsOf(await store.list())).toEqual(['alone', ...others]);
      expect(await take(store, { rootId: 't' })).toEqual([]);
      expect(await store.prune({ olderThan: everything, keep: 0 })).toBe(5);
    },
  ],
  [
    'forgets the background units of that session with them, where it is told to, and not what was sent elsewhere',
    async (open) => {
      const store = await open();
      const origin = { runId: 'r5', rootId: 'r5', callId: 'c' };
      await writeEnded(store, 'r5', 5, { sessionKey: 'k', after: null });
      await writeEnded(store, 'early', 4, { sessionKey: 'k', origin });
      await writeEnded(store, 'late', 6, { sessionKey: 'k', origin });
      await writeEnded(store, 'sent', 4, { sessionKey: 'K', after: null, origin: { ...origin, sessionKey: 'k' } });
      await writeEnded(store, 'other', 4, { sessionKey: 'K', origin });
      const unit = await writeRun(store, { runId: 'unit', sessionKey: 'k', origin });
      const child = await writeRun(store, { runId: 'unit/1-0/0', rootId: 'unit', parentId: 'unit', sessionKey: 'k' });
      await unit.end(4);
      await child.say('a');
      const others = ['other', 'sent'];
      expect(await store.prune({ olderThan: everything, keep: 2, sentTo: 'k', units: true })).toBe(1);
      expect(idsOf(await store.list())).toEqual(['unit/1-0/0', 'unit', ...others, 'late', 'r5']);
      expect(await store.prune({ olderThan: 6, keep: 0, sentTo: 'k', units: true })).toBe(1);
      await child.end(5);
      expect(await store.prune({ olderThan: everything, keep: 0, sentTo: 'k', units: true })).toBe(2);
      expect(idsOf(await store.list())).toEqual(others);
      expect(await store.list({ unitsOf: 'k' })).toHaveLength(1);
    },
  ],
  [
    'leaves nothing of a tree that it forgets: it could begin anew',
    async (open) => {
      const store = await open();
      await writeEnded(store, 'r', 1);
      await writeEnded(store, 'rr', 10);
      expect(await store.prune({ olderThan: 5, keep: 0 })).toBe(1);
      expect(await store.get('r')).toBeUndefined();
      expect(await store.checkpoint('r')).toBeUndefined();
      expect(await take(store, { runId: 'r' })).toEqual([]);
      expect(await take(store, { rootId: 'r' })).toEqual([]);
      expect(textsOf(await take(store, {}))).toEqual(['rr', 'run.completed']);
      expect(await writerOf(store, { runId: 'r' }, { owner: 'other' }).say('a')).toMatchObject([
        { seq: 1, rootSeq: 1 },
      ]);
      expect(await store.claim('r', 'other', { leaseMs })).not.toBeNull();
    },
  ],
  [
    'leaves every reader where it stood, also behind an event that is forgotten',
    async (open) => {
      const store = await open();
      await writeEnded(store, 'old', 1);
      const run = await writeRun(store, { runId: 'r' });
      await run.say('a', 'b');
      await writeEnded(store, 'late', 2);
      const before = await take(store, {});
      expect(await store.prune({ olderThan: everything, keep: 0 })).toBe(2);
      const kept = before.filter(({ rootId }) => rootId === 'r');
      expect(await take(store, {})).toEqual(kept);
      await run.say('c');
      await writeEnded(store, 'new', 3);
      const news = ['c', 'new', 'run.completed'];
      for (const [index, { cursor }] of before.entries()) {
        const rest = textsOf(before.slice(index + 1).filter(({ rootId }) => rootId === 'r'));
        expect(textsOf(await take(store, { after: cursor }))).toEqual([...rest, ...news]);
      }
      expect(textsOf(await take(store, { rootId: 'r', after: 1 }))).toEqual(['b', 'c']);
    },
  ],
];
