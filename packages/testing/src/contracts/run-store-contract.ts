import type { Commit, RunRow, RunStore, StoredEvent } from '@troupe/protocol';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Contract, ContractOptions, Open } from './contract.ts';
import { declareContract } from './declare.ts';
import { rowOf, take, textsOf, writeRun } from './run-writer.ts';

/**
 * The tests that every {@link RunStore} passes: call it in a vitest file of the adapter.
 *
 * @param open Opens a new, empty store.
 */
export const runStoreContract = <Store extends RunStore>(
  name: string,
  open: Open<Store>,
  options: ContractOptions<Store> = {},
): void =>
  declareContract(name, [...runStoreSentences, ...(options.reopen ? lasting(options.reopen) : [])], open, options);

const attempt = async (store: RunStore, commit: Commit): Promise<StoredEvent[]> => await store.commit(commit);

/** Expects a commit to be refused, and to have left nothing behind. */
const expectRefused = async (store: RunStore, commit: Commit, code: string): Promise<void> => {
  const { runId, rootId } = commit;
  const before = [await store.get(runId), await take(store, { runId }), await take(store, { rootId })];
  await expect(attempt(store, commit)).rejects.toMatchObject({ code });
  expect([await store.get(runId), await take(store, { runId }), await take(store, { rootId })]).toEqual(before);
};

const withoutCursor = (events: readonly object[]) => events.map((event) => ({ ...event, cursor: undefined }));
const oneTo = (n: number) => Array.from({ length: n }, (_, index) => index + 1);
const idsOf = (rows: readonly RunRow[]) => rows.map(({ runId }) => runId);

/** Text that has lost its way in some store before. */
const awkward = 'Zoë 👩‍👩‍👧 e\u0301 שלום \u2028 "\'\\ \u0000 \ud800 %_ \r\n';

const claims: Contract<RunStore> = [
  [
    'raises the epoch with every claim',
    async (open) => {
      const store = await open();
      const epochs = [await store.claim('r', 'one'), await store.claim('r', 'one'), await store.claim('r', 'one')].map(
        (claim) => claim?.epoch ?? 0,
      );
      expect(epochs[0]).toBeGreaterThan(0);
      expect(epochs[1]).toBeGreaterThan(epochs[0] ?? 0);
      expect(epochs[2]).toBeGreaterThan(epochs[1] ?? 0);
    },
  ],
  [
    'lets one owner at a time claim a run, and each run for itself',
    async (open) => {
      const store = await open();
      expect(await store.claim('r', 'one')).not.toBeNull();
      expect(await store.claim('r', 'two')).toBeNull();
      expect(await store.claim('s', 'two')).not.toBeNull();
      expect(await store.claim('r', 'one')).not.toBeNull();
    },
  ],
  [
    'gives a run to one of many who claim it at once',
    async (open) => {
      const store = await open();
      const claimed = await Promise.all(oneTo(8).map(async (n) => await store.claim('r', `owner ${n}`)));
      expect(claimed.filter((claim) => claim !== null)).toHaveLength(1);
    },
  ],
  [
    'does not let a refused claim disturb the owner',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      await store.claim('r', 'other');
      expect(textsOf(await run.say('still here'))).toEqual(['still here']);
    },
  ],
  [
    'knows no run that was only claimed',
    async (open) => {
      const store = await open();
      await store.claim('r', 'one');
      expect(await store.get('r')).toBeUndefined();
      expect(await store.list()).toEqual([]);
    },
  ],
];

const commits: Contract<RunStore> = [
  [
    'gives back what it stored, in order, numbered from 1',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      const next = run.next(['a', 'b']);
      const stored = await attempt(store, next);
      expect(withoutCursor(stored)).toEqual(
        withoutCursor(next.events.map((event, index) => ({ ...event, rootSeq: index + 1 }))),
      );
      expect(withoutCursor(await take(store, { runId: 'r' }))).toEqual(withoutCursor(stored));
    },
  ],
  [
    'numbers the runs of a tree together, without gap, in the order of their commits, and each tree for itself',
    async (open) => {
      const store = await open();
      const r = await writeRun(store, { runId: 'r' });
      const child = await writeRun(store, { runId: 'r/1-0/0', rootId: 'r', parentId: 'r' });
      const other = await writeRun(store, { runId: 's' });
      await r.say('a', 'b');
      await child.say('c');
      await other.say('x');
      await r.say('d');
      await child.say('e', 'f');
      const events = await take(store, { rootId: 'r' });
      expect(textsOf(events)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
      expect(events.map(({ rootSeq }) => rootSeq)).toEqual(oneTo(6));
      expect((await take(store, { rootId: 's' })).map(({ rootSeq }) => rootSeq)).toEqual([1]);
    },
  ],
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
      const claim = await store.claim('r', 'owner');
      const epoch = claim?.epoch ?? 0;
      await expectRefused(store, old.next(['x'], { row: rowOf({ runId: 'r', status: 'paused' }) }), 'store.fenced');
      await expectRefused(store, old.next(['x'], { epoch: epoch + 1 }), 'store.fenced');
      expect(await attempt(store, old.next(['b'], { epoch }))).toMatchObject([{ seq: 2, rootSeq: 2 }]);
    },
  ],
  [
    'refuses a commit to a run that nobody claimed',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      const row = rowOf({ runId: 's' });
      await expectRefused(store, run.next([], { runId: 's', rootId: 's', row }), 'store.fenced');
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
    'lets the other runs of a tree go on when one has ended',
    async (open) => {
      const store = await open();
      const r = await writeRun(store, { runId: 'r' });
      const child = await writeRun(store, { runId: 'r/1-0/0', rootId: 'r', parentId: 'r' });
      await r.say('a');
      await child.end();
      expect(await r.say('b')).toMatchObject([{ rootSeq: 3 }]);
    },
  ],
  [
    'takes one of many commits that expect the same',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      const tries = await Promise.allSettled(oneTo(8).map((n) => attempt(store, run.next([`${n}`]))));
      const refused = tries.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
      expect(refused).toHaveLength(7);
      for (const reason of refused) expect(reason).toMatchObject({ code: 'store.conflict' });
      expect(await take(store, { rootId: 'r' })).toMatchObject([{ seq: 1, rootSeq: 1 }]);
    },
  ],
  [
    'keeps the numbers of a tree without gap when its runs are written at once',
    async (open) => {
      const store = await open();
      const runs = await Promise.all(oneTo(5).map((n) => writeRun(store, { runId: `r/1-${n}/0`, rootId: 'r' })));
      const given = await Promise.all(
        runs.map(async (run) => {
          const mine: StoredEvent[] = [];
          for (const n of oneTo(10)) mine.push(...(await run.say(`${n}`, `${n}+`)));
          return mine;
        }),
      );
      const events = await take(store, { rootId: 'r' });
      expect(events.map(({ rootSeq }) => rootSeq)).toEqual(oneTo(100));
      expect(withoutCursor(given.flat().toSorted((a, b) => a.rootSeq - b.rootSeq))).toEqual(withoutCursor(events));
      for (const n of oneTo(5))
        expect((await take(store, { runId: `r/1-${n}/0` })).map(({ seq }) => seq)).toEqual(oneTo(20));
      // then each commit stands in one piece
      for (const event of events)
        if (event.seq % 2 === 1)
          expect(events[event.rootSeq]).toMatchObject({ runId: event.runId, seq: event.seq + 1 });
    },
  ],
  [
    'gives back any text as it was',
    async (open) => {
      const store = await open();
      const about = { runId: `r ${awkward.replace('\u0000', '').replace('\ud800', '')}`, agent: 'Zoë 👩‍👩‍👧' };
      const run = await writeRun(store, about);
      await run.say(awkward);
      expect(textsOf(await take(store, { runId: about.runId }))).toEqual([awkward]);
      expect(await store.get(about.runId)).toEqual(rowOf(about));
      expect(idsOf(await store.list({ rootId: about.runId }))).toEqual([about.runId]);
    },
  ],
  [
    'gives back 10 MB as they were',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      const text = 'ten bytes '.repeat(1_048_576);
      await run.say(text);
      const [read] = textsOf(await take(store, { rootId: 'r' }));
      expect(read === text).toBe(true);
    },
  ],
];

const rows: Contract<RunStore> = [
  [
    'knows no run that was never written',
    async (open) => {
      const store = await open();
      expect(await store.get('r')).toBeUndefined();
      expect(await store.list()).toEqual([]);
      expect(await take(store, { runId: 'r' })).toEqual([]);
      expect(await take(store, { rootId: 'r' })).toEqual([]);
      expect(await take(store, {})).toEqual([]);
    },
  ],
  [
    'gives the row of the last commit',
    async (open) => {
      const store = await open();
      const full: RunRow = rowOf({
        runId: 'r/1-0/0',
        rootId: 'r',
        parentId: 'r',
        callId: 'c',
        depth: 1,
        sessionKey: 'k',
        createdAt: 5,
      });
      const run = await writeRun(store, full);
      await run.say('a');
      expect(await store.get('r/1-0/0')).toEqual(full);
      const paused: RunRow = { ...full, status: 'paused', exitReason: 'question' };
      await attempt(store, run.next(['b'], { row: paused }));
      expect(await store.get('r/1-0/0')).toEqual(paused);
    },
  ],
  [
    'lists the newest runs first',
    async (open) => {
      const store = await open();
      for (const n of oneTo(3)) await (await writeRun(store, { runId: `r${n}`, createdAt: n })).say('a');
      expect(await store.list()).toEqual([3, 2, 1].map((n) => rowOf({ runId: `r${n}`, createdAt: n })));
      expect(idsOf(await store.list({ limit: 2 }))).toEqual(['r3', 'r2']);
      expect(idsOf(await store.list({ before: 'r3' }))).toEqual(['r2', 'r1']);
      expect(idsOf(await store.list({ before: 'r1' }))).toEqual([]);
    },
  ],
  [
    'lists 100 runs unless told otherwise',
    async (open) => {
      const store = await open();
      for (const n of oneTo(101)) await (await writeRun(store, { runId: `r${n}`, createdAt: n })).say('a');
      expect(await store.list()).toHaveLength(100);
      expect(await store.list({ limit: 200 })).toHaveLength(101);
    },
  ],
  [
    'lists each run once, page by page, even when all are of one age',
    async (open) => {
      const store = await open();
      for (const n of oneTo(11)) await (await writeRun(store, { runId: `r${n}` })).say('a');
      const listed: string[] = [];
      for (;;) {
        const before = listed.at(-1);
        const page = idsOf(await store.list({ limit: 3, ...(before !== undefined && { before }) }));
        listed.push(...page);
        if (page.length === 0) break;
      }
      expect(new Set(listed)).toEqual(new Set(oneTo(11).map((n) => `r${n}`)));
      expect(listed).toHaveLength(11);
    },
  ],
  [
    'lists runs by status as it is now, by tree, and by both',
    async (open) => {
      const store = await open();
      const [r, child, s] = [
        await writeRun(store, { runId: 'r', createdAt: 1 }),
        await writeRun(store, { runId: 'r/1-0/0', rootId: 'r', createdAt: 2 }),
        await writeRun(store, { runId: 's', createdAt: 3 }),
      ];
      for (const run of [r, child, s]) await run.say('a');
      await child.end();
      await attempt(store, s.next(['b'], { row: rowOf({ runId: 's', createdAt: 3, status: 'paused' }) }));
      expect(idsOf(await store.list({ status: 'running' }))).toEqual(['r']);
      expect(idsOf(await store.list({ status: ['paused', 'completed'] }))).toEqual(['s', 'r/1-0/0']);
      expect(idsOf(await store.list({ status: [] }))).toEqual([]);
      expect(idsOf(await store.list({ rootId: 'r' }))).toEqual(['r/1-0/0', 'r']);
      expect(idsOf(await store.list({ rootId: 'r', status: 'completed' }))).toEqual(['r/1-0/0']);
      expect(idsOf(await store.list({ rootId: 'r', before: 's', limit: 1 }))).toEqual(['r/1-0/0']);
    },
  ],
  [
    'takes an id by the letter',
    async (open) => {
      const store = await open();
      const ids = ['run_1', 'runx1', 'RUN_1', 'run%', 'run_1/1-0/0'];
      for (const runId of ids) await (await writeRun(store, { runId })).say(runId);
      for (const runId of ids) {
        expect((await store.get(runId))?.runId).toBe(runId);
        expect(idsOf(await store.list({ rootId: runId }))).toEqual([runId]);
        expect(textsOf(await take(store, { rootId: runId }))).toEqual([runId]);
        expect(textsOf(await take(store, { runId }))).toEqual([runId]);
      }
    },
  ],
];

const reading: Contract<RunStore> = [
  [
    'reads a tree and a run after a point',
    async (open) => {
      const store = await open();
      const r = await writeRun(store, { runId: 'r' });
      const child = await writeRun(store, { runId: 'r/1-0/0', rootId: 'r' });
      await r.say('a');
      await child.say('b', 'c');
      await r.say('d');
      expect(textsOf(await take(store, { rootId: 'r', after: 0 }))).toEqual(['a', 'b', 'c', 'd']);
      expect(textsOf(await take(store, { rootId: 'r', after: 2 }))).toEqual(['c', 'd']);
      expect(await take(store, { rootId: 'r', after: 4 })).toEqual([]);
      expect(await take(store, { rootId: 'r', after: 99 })).toEqual([]);
      expect(textsOf(await take(store, { runId: 'r', after: 1 }))).toEqual(['d']);
      expect(textsOf(await take(store, { runId: 'r/1-0/0' }))).toEqual(['b', 'c']);
      expect(await take(store, { rootId: 'r/1-0/0' })).toEqual([]);
    },
  ],
  [
    'reads all trees in the order of their commits, on from any cursor',
    async (open) => {
      const store = await open();
      const [r, s] = [await writeRun(store, { runId: 'r' }), await writeRun(store, { runId: 's' })];
      await r.say('a', 'b');
      await s.say('c');
      await r.say('d');
      const all = await take(store, {});
      expect(textsOf(all)).toEqual(['a', 'b', 'c', 'd']);
      for (const [index, { cursor }] of all.entries())
        expect(textsOf(await take(store, { after: cursor }))).toEqual(['a', 'b', 'c', 'd'].slice(index + 1));
    },
  ],
  [
    'gives the same event, with the same cursor, to readers of a run, a tree and all trees',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      await run.say('a', 'b');
      const all = await take(store, {});
      expect(await take(store, { runId: 'r' })).toEqual(all);
      expect(await take(store, { rootId: 'r' })).toEqual(all);
      expect(all.every(({ cursor }) => typeof cursor === 'string')).toBe(true);
    },
  ],
  [
    'shows every reader each event once, page by page, while runs are written',
    async (open) => {
      const step = fc.oneof(
        fc.record({ write: fc.nat({ max: 2 }), events: fc.integer({ min: 1, max: 3 }) }),
        fc.record({ read: fc.constantFrom('run', 'tree', 'all'), page: fc.integer({ min: 1, max: 4 }) }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const store = await open();
          const runs = [
            await writeRun(store, { runId: 'r' }),
            await writeRun(store, { runId: 'r/1-0/0', rootId: 'r' }),
            await writeRun(store, { runId: 's' }),
          ] as const;
          const readers = { run: reader(store, 'run'), tree: reader(store, 'tree'), all: reader(store, 'all') };
          const pending: Promise<unknown>[] = [];
          const written: string[][] = [[], [], []];
          for (const each of steps) {
            if ('read' in each) pending.push(readers[each.read].page(each.page));
            else {
              const texts = oneTo(each.events).map((n) => `${each.write}.${(written[each.write]?.length ?? 0) + n}`);
              written[each.write]?.push(...texts);
              await runs[each.write]?.say(...texts);
            }
          }
          await Promise.all(pending);
          for (const each of Object.values(readers)) while ((await each.page(7)) > 0);
          const whole = {
            run: await take(store, { runId: 'r' }),
            tree: await take(store, { rootId: 'r' }),
            all: await take(store, {}),
          };
          expect(readers.run.read).toEqual(whole.run);
          expect(readers.tree.read).toEqual(whole.tree);
          expect(readers.all.read).toEqual(whole.all);
          expect(textsOf(whole.all).toSorted(byText)).toEqual(written.flat().toSorted(byText));
          expect(textsOf(whole.run)).toEqual(written[0]);
        }),
        { numRuns: 20 },
      );
    },
  ],
];

const byText = (a: string, b: string) => a.localeCompare(b);

/** Reads page by page, each page after the one before it. */
const reader = (store: RunStore, of: 'run' | 'tree' | 'all') => {
  const read: Awaited<ReturnType<typeof take>> = [];
  let turn: Promise<unknown> = Promise.resolve();
  const query = () => {
    const last = read.at(-1);
    if (of === 'run') return { runId: 'r', ...(last && { after: last.seq }) };
    if (of === 'tree') return { rootId: 'r', ...(last && { after: last.rootSeq }) };
    return last ? { after: last.cursor } : {};
  };
  const readPage = async (size: number) => {
    const events = await take(store, query(), size);
    read.push(...events);
    return events.length;
  };
  return {
    read,
    page(size: number): Promise<number> {
      const mine = turn.then(() => readPage(size));
      turn = mine;
      return mine;
    },
  };
};

/** What a {@link RunStore} promises, a sentence at a time. */
export const runStoreSentences: Contract<RunStore> = [...claims, ...commits, ...rows, ...reading];

const lasting = <Store extends RunStore>(reopen: (store: Store) => Store | Promise<Store>): Contract<Store> => [
  [
    'remembers everything when it is opened again',
    async (open) => {
      const store = await open();
      expect(store.lasting).toBe(true);
      const run = await writeRun(store, { runId: 'r' });
      await run.say('a', awkward);
      const before = [await store.get('r'), await store.list(), await take(store, {})];
      const again = await reopen(store);
      expect([await again.get('r'), await again.list(), await take(again, {})]).toEqual(before);
      const claim = await again.claim('r', 'owner');
      expect(claim?.epoch).toBeGreaterThan(run.epoch);
      await expectRefused(again, run.next(['x']), 'store.fenced');
      expect(await attempt(again, run.next(['b'], { epoch: claim?.epoch ?? 0 }))).toMatchObject([
        { seq: 3, rootSeq: 3 },
      ]);
    },
  ],
];
