import type { Commit, Mail, RunStore } from '@troupe/protocol';
import { expect } from 'vitest';
import type { Contract } from '../contract.ts';
import { awkward, type RunWriter, take, writeRun } from '../run-writer.ts';
import { expectRefused } from './expect-refused.ts';

const from = (runId: string, id: string, sessionKey = 'k', text = id): Mail => ({
  id,
  runId,
  sessionKey,
  at: 1,
  message: { type: 'settled', text },
});
const accepted = { status: 'accepted' } as const;
const late = { status: 'rejected', reason: 'late' } as const;
const idsIn = async (store: RunStore, sessionKey?: string): Promise<string[]> =>
  (await store.sessionInbox(sessionKey)).map(({ id }) => id);
const answers = (run: RunWriter, ...mailIds: string[]): Commit =>
  run.next(['x'], { receipts: mailIds.map((mailId) => ({ mailId, receipt: accepted })) });

/** Messages to sessions. */
export const sessionMail: Contract<RunStore> = [
  [
    'gives a session, or whoever asks for every session, the messages that were left, oldest first, as JSON',
    async (open) => {
      const store = await open();
      const r = await writeRun(store, { runId: 'r' });
      const s = await writeRun(store, { runId: 's' });
      const odd: Mail = {
        ...from('r', 'z'),
        at: 1.5,
        message: { type: 'odd', text: awkward, no: undefined, deep: [{}] },
      };
      await r.commit(r.next(['x'], { mail: [odd, from('r', 'b', 'K')] }));
      await s.commit(s.next([], { mail: [from('s', 'c')] }));
      await store.post(from('nobody', 'd', 'k/1'));
      await r.commit({ ...r.last(), mail: [from('r', 'a')] });
      const k = [JSON.parse(JSON.stringify(odd)), from('s', 'c'), from('r', 'a')];
      expect(await store.sessionInbox('k')).toStrictEqual(k);
      expect(await store.sessionInbox()).toStrictEqual([
        k[0],
        from('r', 'b', 'K'),
        from('s', 'c'),
        from('nobody', 'd', 'k/1'),
        from('r', 'a'),
      ]);
      expect([await idsIn(store, 'K'), await idsIn(store, 'k/1'), await idsIn(store, 'unheard of')]).toEqual([
        ['b'],
        ['d'],
        [],
      ]);
    },
  ],
  [
    'tells messages to sessions from messages to runs, also when somebody has claimed the sender',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      const { sessionKey: _, ...toRun } = from('r', 'b');
      await run.commit(run.next(['x'], { mail: [from('r', 'a'), toRun] }));
      await store.post(from('r', 'c'));
      expect(await store.inbox('owner')).toStrictEqual([toRun]);
      expect(await idsIn(store)).toEqual(['a', 'c']);
    },
  ],
  [
    'stores messages with the step that leaves them, or not at all',
    async (open) => {
      const store = await open();
      const parent = await writeRun(store, { runId: 'r' });
      const child = await writeRun(store, { runId: 'r/1-0/0', rootId: 'r' });
      const others = { mail: [from('r', 'lost')] };
      await expectRefused(store, parent.next(['x'], { ...others, expectedSeq: 3 }), 'store.conflict');
      await expectRefused(store, parent.next(['x'], { ...others, epoch: 7 }), 'store.fenced');
      const refused = [parent.next(['x'], others), child.next(['x'], { expectedSeq: 3 })];
      await expect((async () => store.commit(refused))()).rejects.toMatchObject({ code: 'store.conflict' });
      const odd = { ...from('r', 'odd'), message: { type: 'odd', n: 1n } };
      const noJson = parent.next(['x'], { mail: [from('r', 'lost'), odd] });
      await expect((async () => store.commit([noJson]))()).rejects.toThrow(TypeError);
      expect([await idsIn(store), await take(store, {})]).toEqual([[], []]);
      await store.commit([
        parent.next(['x'], { mail: [from('r', 'a')] }),
        child.next([], { mail: [from('r/1-0/0', 'b')] }),
        parent.next([], { expectedSeq: 1, mail: [from('r', 'c')] }),
      ]);
      expect(await idsIn(store)).toEqual(['a', 'b', 'c']);
    },
  ],
  [
    'takes the same message to a session once, also after it was answered',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      const again = (id: string) => from('r', id, 'k', 'again');
      await run.commit(run.next(['x'], { mail: [from('r', 'a'), again('a')] }));
      await run.commit(run.next(['x'], { mail: [again('a'), from('r', 'b')] }));
      await store.post(again('b'));
      expect(await store.sessionInbox()).toEqual([from('r', 'a'), from('r', 'b')]);
      await run.commit(answers(run, 'a'));
      await run.commit(run.next([], { mail: [again('a')] }));
      await store.post(again('a'));
      expect(await idsIn(store)).toEqual(['b']);
    },
  ],
  [
    'takes the first receipt of a message to a session, from the commit of any run or from whoever withdraws it',
    async (open) => {
      const store = await open();
      const [r, s] = [await writeRun(store, { runId: 'r' }), await writeRun(store, { runId: 's' }, 'other')];
      await r.commit(r.next(['x'], { mail: ['a', 'b', 'c'].map((id) => from('r', id)) }));
      expect(await store.receipt('a')).toBeUndefined();
      await expectRefused(store, { ...answers(s, 'a'), expectedSeq: 3 }, 'store.conflict');
      expect(await idsIn(store, 'k')).toEqual(['a', 'b', 'c']);
      await s.commit(answers(s, 'a'));
      await r.commit(r.next([], { receipts: [{ mailId: 'a', receipt: late }] }));
      expect(await store.withdraw('b', late)).toEqual(late);
      await r.commit(answers(r, 'b'));
      expect([await idsIn(store, 'k'), await idsIn(store)]).toEqual([['c'], ['c']]);
      expect([await store.receipt('a'), await store.receipt('b')]).toEqual([accepted, late]);
      expect(await store.withdraw('a', late)).toEqual(accepted);
      // A message may be answered by the commit that it was left with.
      await r.commit({ ...answers(r, 'd'), mail: [from('r', 'd')] });
      expect([await idsIn(store), await store.receipt('d')]).toEqual([['c'], accepted]);
    },
  ],
  [
    'keeps messages to sessions until they are answered, and forgets them with whoever sent them or after',
    async (open) => {
      const store = await open();
      const [r, s] = [await writeRun(store, { runId: 'r' }), await writeRun(store, { runId: 's' })];
      const mail = ['a', 'b', 'c', 'd'].map((id) => from('r', id));
      await r.commit(r.next(['x'], { mail }));
      await s.commit(s.next(['x'], { mail: [from('s', 'e')] }));
      await s.commit(answers(s, 'a', 'e'));
      await store.withdraw('b', late);
      await r.end();
      expect(await store.prune({ olderThan: 1_000, keep: 0 })).toBe(1);
      expect([await store.receipt('a'), await store.receipt('b')]).toEqual([undefined, undefined]);
      expect(await store.receipt('e')).toEqual(accepted);
      expect(await store.sessionInbox('k')).toEqual([from('r', 'c'), from('r', 'd')]);
      await s.commit(answers(s, 'c'));
      expect(await store.receipt('c')).toEqual(accepted);
      expect(await store.prune({ olderThan: 1_000, keep: 0 })).toBe(0);
      expect(await store.receipt('c')).toBeUndefined();
      expect(await store.receipt('e')).toEqual(accepted);
      expect(await idsIn(store)).toEqual(['d']);
    },
  ],
  [
    'keeps what was answered and no run has sent until what is older than it is forgotten, of its session or of all',
    async (open) => {
      const store = await open();
      const r = await writeRun(store, { runId: 'r' });
      for (const [id, at, sessionKey] of [
        ['a', 10, 'k'],
        ['b', 20, 'k'],
        ['c', 10, 'K'],
        ['d', 10, 'k'],
      ] as const)
        await store.post({ ...from('nobody', id, sessionKey), at });
      await r.commit(answers(r, 'a', 'b', 'c'));
      const known = async () => Promise.all(['a', 'b', 'c'].map(async (id) => (await store.receipt(id)) !== undefined));
      await store.prune({ olderThan: 10, keep: 0 });
      expect(await known()).toEqual([true, true, true]);
      await store.prune({ olderThan: 20, keep: 0, sentTo: 'k' });
      expect(await known()).toEqual([false, true, true]);
      await store.post(from('nobody', 'b', 'k', 'again'));
      await store.prune({ olderThan: 11, keep: 0, sentTo: 'unheard of' });
      expect(await known()).toEqual([false, true, true]);
      await store.prune({ olderThan: 11, keep: 0 });
      expect(await known()).toEqual([false, true, false]);
      expect(await idsIn(store)).toEqual(['d']);
    },
  ],
];
