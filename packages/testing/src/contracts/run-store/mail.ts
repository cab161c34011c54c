import type { Mail, RunStore } from '@troupe/protocol';
import { expect } from 'vitest';
import type { Contract } from '../contract.ts';
import { awkward, writeRun } from '../run-writer.ts';

const to = (runId: string, id: string, text = id): Mail => ({ id, runId, at: 1, message: { type: 'steer', text } });
const accepted = { status: 'accepted' } as const;
const idsIn = async (store: RunStore, owner: string): Promise<string[]> =>
  (await store.inbox(owner)).map(({ id }) => id);

/** Messages to runs. */
export const mail: Contract<RunStore> = [
  [
    'gives whoever has claimed a run its messages, oldest first, as JSON, until a commit answers them',
    async (open) => {
      const store = await open();
      const r = await writeRun(store, { runId: 'r' }, 'one');
      const s = await writeRun(store, { runId: 's' }, 'two');
      const odd: Mail = {
        id: 'a',
        runId: 'r',
        at: 1.5,
        message: { type: 'odd', text: awkward, no: undefined, deep: [{}] },
      };
      await store.post(odd);
      await store.post(to('s', 'b'));
      await store.post(to('r', 'c'));
      await store.post(to('nobody', 'd'));
      const inbox = await store.inbox('one');
      expect(inbox).toStrictEqual([JSON.parse(JSON.stringify(odd)), to('r', 'c')]);
      expect(await idsIn(store, 'two')).toEqual(['b']);
      expect(await idsIn(store, 'three')).toEqual([]);
      const deferred = { status: 'deferred', until: 'resumed' } as const;
      await r.commit(r.next(['x'], { receipts: [{ mailId: 'a', receipt: deferred }] }));
      expect(await idsIn(store, 'one')).toEqual(['c']);
      expect([await store.receipt('a'), await store.receipt('c'), await store.receipt('never')]).toEqual([
        deferred,
        undefined,
        undefined,
      ]);
      const rejected = { status: 'rejected', reason: awkward } as const;
      await s.commit(s.next([], { receipts: [{ mailId: 'b', receipt: rejected }] }));
      expect(await idsIn(store, 'two')).toEqual([]);
      expect(await store.receipt('b')).toEqual(rejected);
    },
  ],
  [
    'takes the same message once, and its first receipt',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      await store.post(to('r', 'a', 'first'));
      await store.post(to('r', 'a', 'second'));
      expect(await store.inbox('owner')).toEqual([to('r', 'a', 'first')]);
      await run.commit(run.next(['x'], { receipts: [{ mailId: 'a', receipt: accepted }] }));
      await store.post(to('r', 'a', 'third'));
      expect(await idsIn(store, 'owner')).toEqual([]);
      const late = { status: 'rejected', reason: 'late' } as const;
      await run.commit(run.next([], { receipts: [{ mailId: 'a', receipt: late }] }));
      expect(await store.receipt('a')).toEqual(accepted);
    },
  ],
  [
    'hands messages over with their run, and answers none with a commit that it refuses',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' }, 'one');
      await store.post(to('r', 'a'));
      await store.release('one');
      expect(await store.claim('r', 'two', { leaseMs: 1_000 })).not.toBeNull();
      expect([await idsIn(store, 'one'), await idsIn(store, 'two')]).toEqual([[], ['a']]);
      const late = run.next(['x'], { expectedSeq: 3, receipts: [{ mailId: 'a', receipt: accepted }] });
      await expect((async () => store.commit([late]))()).rejects.toMatchObject({ code: 'store.fenced' });
      const again = await store.claim('r', 'two', { leaseMs: 1_000 });
      const conflict = { ...late, owner: 'two', epoch: again?.epoch ?? 0 };
      await expect((async () => store.commit([conflict]))()).rejects.toMatchObject({ code: 'store.conflict' });
      expect(await store.receipt('a')).toBeUndefined();
      expect(await idsIn(store, 'two')).toEqual(['a']);
    },
  ],
  [
    'takes a message back that nobody has answered, and says what came of one that somebody did',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      const rejected = { status: 'rejected', reason: 'nobody is there' } as const;
      await store.post(to('r', 'a'));
      expect(await store.withdraw('a', rejected)).toEqual(rejected);
      expect([await idsIn(store, 'owner'), await store.receipt('a')]).toEqual([[], rejected]);
      await store.post(to('r', 'b'));
      await run.commit(run.next(['x'], { receipts: [{ mailId: 'b', receipt: accepted }] }));
      expect(await store.withdraw('b', rejected)).toEqual(accepted);
      expect(await store.receipt('b')).toEqual(accepted);
      expect(await store.withdraw('never sent', rejected)).toEqual(rejected);
    },
  ],
  [
    'forgets messages with their run',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      await store.post(to('r', 'a'));
      await run.commit({ ...run.last(), receipts: [{ mailId: 'a', receipt: accepted }] });
      expect(await store.receipt('a')).toEqual(accepted);
      await store.prune({ olderThan: 1_000, keep: 0 });
      expect(await store.receipt('a')).toBeUndefined();
    },
  ],
];
