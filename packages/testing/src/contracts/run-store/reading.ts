import type { EventQuery, Mail, RunStore } from '@troupe/protocol';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Contract } from '../contract.ts';
import { journalOf, oneTo, take, textsOf, writeRun } from '../run-writer.ts';

/** Stored events, read from anywhere. */
export const reading: Contract<RunStore> = [
  [
    'gives all of it, where there is much: events, what was heard, and messages',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      const texts = oneTo(1_201).map(String);
      const journal = texts.map((text) => ({ seq: 0, at: 0, heard: { type: 'said', text } }));
      await run.commit(run.next(texts, { journal }));
      const queries: EventQuery[] = [{}, { rootId: 'r' }, { runId: 'r' }];
      for (const query of queries) expect(textsOf(await take(store, query))).toEqual(texts);
      expect((await journalOf(store, 'r')).map(({ heard }) => heard.text)).toEqual(texts);
      const ids = oneTo(120).map((n) => `m${n}`);
      const mail = ids.flatMap((id): Mail[] => {
        const sent = { runId: 'r', at: 0, message: { type: 'steer', text: id } };
        return [
          { ...sent, id },
          { ...sent, id: `to k: ${id}`, sessionKey: 'k' },
        ];
      });
      await run.commit(run.next(['last'], { mail }));
      expect((await store.inbox('owner')).map(({ id }) => id)).toEqual(ids);
      for (const key of [undefined, 'k'])
        expect((await store.sessionInbox(key)).map(({ message }) => message.text)).toEqual(ids);
    },
  ],
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
    'has a cursor behind all that is stored, from which what comes is read, whatever is forgotten meanwhile',
    async (open) => {
      const store = await open();
      const first = await store.cursor();
      expect(await take(store, { after: first })).toEqual([]);
      const r = await writeRun(store, { runId: 'r' });
      await r.say('a', 'b');
      expect(textsOf(await take(store, { after: first }))).toEqual(['a', 'b']);
      const then = await store.cursor();
      expect(await take(store, { after: then })).toEqual([]);
      await r.say('c');
      await r.end();
      expect((await take(store, { after: then })).map(({ seq }) => seq)).toEqual([3, 4]);
      const s = await writeRun(store, { runId: 's' });
      await s.say('d');
      await store.prune({ olderThan: Number.MAX_SAFE_INTEGER, keep: 0 });
      const last = await store.cursor();
      expect(await take(store, { after: last })).toEqual([]);
      await s.say('e');
      expect(textsOf(await take(store, { after: last }))).toEqual(['e']);
      for (const after of [first, then]) expect(textsOf(await take(store, { after }))).toEqual(['d', 'e']);
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
