import type { EventQuery, RunStore, StoredEvent } from '@troupe/protocol';
import { expect } from 'vitest';
import type { Contract } from '../contract.ts';
import { awkward, idsOf, oneTo, rowOf, take, tenMB, textsOf, withoutCursor, writeRun } from '../run-writer.ts';

/** What one step writes. */
export const commits: Contract<RunStore> = [
  [
    'gives back what it stored, in order, numbered from 1',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      const next = run.next(['a', 'b']);
      const stored = await run.commit(next);
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
    'keeps the order of commits, and the times they bring, when the clock goes back',
    async (open) => {
      const store = await open();
      const run = await writeRun(store, { runId: 'r' });
      for (const [text, at] of [
        ['a', 30],
        ['b', 10],
        ['c', 20],
      ] as const) {
        const step = run.next([text]);
        await run.commit({ ...step, events: step.events.map((event) => ({ ...event, at })) });
      }
      const queries: EventQuery[] = [{ runId: 'r' }, { rootId: 'r' }, {}];
      for (const query of queries) {
        const events = await take(store, query);
        expect(textsOf(events)).toEqual(['a', 'b', 'c']);
        expect(events.map(({ at }) => at)).toEqual([30, 10, 20]);
      }
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
      const text = tenMB();
      await run.say(text);
      const [read] = textsOf(await take(store, { rootId: 'r' }));
      expect(read === text).toBe(true);
    },
  ],
];
