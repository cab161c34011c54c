import type { EventQuery, ReadEvent } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { stepOf } from '../../../test/support/steps.ts';
import { openFresh } from './files.ts';

const oneTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

/** A store with one run of this many events. */
const withEvents = async (n: number, message = 'm') => {
  const store = openFresh();
  const events = oneTo(n).map(() => ({ type: 'warning.raised', code: 'said', message }));
  await store.commit([stepOf({ runId: 'r', events })]);
  return store;
};

const placesOf = async (events: Iterable<ReadEvent> | AsyncIterable<ReadEvent>) => {
  const places: number[] = [];
  for await (const { rootSeq } of events) places.push(rootSeq);
  return places;
};

describe('events', () => {
  test.each([0, 1, 255, 256, 257, 1_000])('are all read, page by page: %i of them', async (n) => {
    const store = openFresh();
    const events = oneTo(n).map(() => ({ type: 'warning.raised', code: 'said', message: 'm' }));
    await store.commit([stepOf({ runId: 'r', events })]);
    for (const query of [{ runId: 'r' }, { rootId: 'r' }, { after: '0' }])
      expect(await placesOf(store.events(query))).toEqual(oneTo(n));
    await store.close();
  });

  test('are all read when each is larger than a page', async () => {
    const store = await withEvents(5, 'x'.repeat(1_500_000));
    for (const query of [
      { runId: 'r', after: 1 },
      { rootId: 'r', after: 1 },
    ])
      expect(await placesOf(store.events(query))).toEqual([2, 3, 4, 5]);
    await store.close();
  });

  test('of a run are there at once', async () => {
    const store = await withEvents(600);
    expect([...(store.events({ runId: 'r', after: 1 }) as Iterable<ReadEvent>)]).toHaveLength(599);
    await store.close();
  });

  test.each<EventQuery>([{ rootId: 'r' }, {}])(
    'of a long log let others have their turn between two pages: %o',
    async (query) => {
      const store = await withEvents(2_000);
      let turns = 0;
      let isOver = false;
      const count = () => {
        turns += 1;
        if (!isOver) setImmediate(count);
      };
      setImmediate(count);
      expect(await placesOf(store.events(query))).toHaveLength(2_000);
      isOver = true;
      expect(turns).toBeGreaterThanOrEqual(7);
      await store.close();
    },
  );

  test('that come while a log is read are read, too, and those that were read stay out of the way of writers', async () => {
    const store = await withEvents(300);
    const seen: number[] = [];
    for await (const { rootSeq } of store.events({ rootId: 'r' })) {
      seen.push(rootSeq);
      if (rootSeq === 100) await store.commit([stepOf({ runId: 'r', expectedSeq: 300 })]);
    }
    expect(seen).toEqual(oneTo(301));
    await store.close();
  });

  test.each(['yesterday', '', '-1', '1.5', '1e3', '99999999999999999999'])(
    'are not read from "%s", which is no cursor',
    async (after) => {
      const store = openFresh();
      await expect(placesOf(store.events({ after }))).rejects.toMatchObject({
        code: 'store.cursor',
        message: expect.stringContaining(`"${after}" is no cursor`),
      });
      await store.close();
    },
  );
});

describe('list', () => {
  test('takes any limit', async () => {
    const store = openFresh();
    for (const n of oneTo(3)) await store.commit([stepOf({ runId: `r${n}` })]);
    for (const limit of [Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER])
      expect(store.list({ limit })).toHaveLength(3);
    expect(store.list({ limit: 0 })).toEqual([]);
    expect(store.list({ before: 'unheard of' })).toEqual([]);
    await store.close();
  });
});
