/** Readers over all trees that go on for weeks: what they know of trees that are over is forgotten, and nothing is told twice. */
import type { EventQuery, ReadEvent, RunEvent } from '@troupe/protocol';
import fc from 'fast-check';
import { Subject } from 'rxjs';
import { expect, test } from 'vitest';
import { eventsFrom } from '../../src/runtime/read-events.ts';
import { openSieve } from '../../src/runtime/sieve.ts';

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A store that many write, of which a reader over all trees may be shown less than it has, and a process that tells what it stored. */
const openWorld = (isAsync: boolean) => {
  const live$ = new Subject<RunEvent>();
  const listeners = new Set<() => void>();
  let stored: ReadEvent[] = [];
  const written: ReadEvent[] = [];
  const untold: RunEvent[] = [];
  const over = new Set<string>();
  const lengths = new Map<string, number>();
  let shown = Number.POSITIVE_INFINITY;

  const write = (rootId: string, type: 'warning.raised' | 'run.completed'): ReadEvent | undefined => {
    if (over.has(rootId)) return undefined;
    if (type === 'run.completed') over.add(rootId);
    const seq = (lengths.get(rootId) ?? 0) + 1;
    lengths.set(rootId, seq);
    const event = {
      runId: rootId,
      rootId,
      depth: 0,
      agent: 'a',
      at: 0,
      type,
      seq,
      rootSeq: seq,
      id: `${rootId}:${seq}`,
    };
    const said = { ...event, cursor: String(written.length + 1) } as unknown as ReadEvent;
    stored.push(said);
    written.push(said);
    return said;
  };
  const found = (query: EventQuery): ReadEvent[] => {
    if ('rootId' in query) return stored.filter((e) => e.rootId === query.rootId && e.rootSeq > (query.after ?? 0));
    if ('runId' in query) return stored.filter((e) => e.runId === query.runId && e.seq > (query.after ?? 0));
    return stored.filter(({ cursor }) => Number(cursor) > Number(query.after ?? 0) && Number(cursor) <= shown);
  };
  return {
    live$,
    written,
    store: {
      events(query: EventQuery) {
        if (!isAsync) return found(query);
        return (async function* () {
          for (const event of found(query)) {
            yield event;
            await Promise.resolve();
          }
        })();
      },
      changes(heard: () => void) {
        listeners.add(heard);
        return () => listeners.delete(heard);
      },
    },
    isThere: (event: ReadEvent) => stored.includes(event),
    add(rootId: string, type: 'warning.raised' | 'run.completed') {
      const event = write(rootId, type);
      if (event) untold.push(event);
    },
    addElsewhere: write,
    /** A tree that is over is forgotten, once this process has told all of it. */
    prune(rootId: string) {
      if (!over.has(rootId) || untold.some((event) => event.rootId === rootId)) return;
      stored = stored.filter((event) => event.rootId !== rootId);
    },
    /** An older write is not through: readers over all trees are shown nothing that comes after it. */
    hide() {
      shown = Math.min(shown, written.length);
    },
    show() {
      shown = Number.POSITIVE_INFINITY;
    },
    tell() {
      for (const event of untold.splice(0)) live$.next(event);
    },
    notice() {
      for (const heard of [...listeners]) heard();
    },
  };
};

const deeds = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constantFrom('add', 'elsewhere', 'end', 'end elsewhere'),
      tree: fc.nat({ max: 9 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constantFrom('prune'), tree: fc.nat({ max: 9 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ what: fc.constantFrom('tell', 'notice', 'hide', 'show', 'pass'), tree: fc.constant(0) }),
  },
);

test('each stored event is told once and in order, however soon trees that are over are forgotten [F-17, L6]', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(deeds, { maxLength: 120 }),
      fc.nat({ max: 3 }),
      fc.integer({ min: 1, max: 20 }),
      fc.boolean(),
      async (all, mostOver, bound, isAsync) => {
        const world = openWorld(isAsync);
        const { store, live$, written } = world;
        const got: RunEvent[] = [];
        let isOver = false;
        const reading = { store, live$, query: {}, mostOver };
        eventsFrom(reading, { bound }).subscribe({ next: (event) => got.push(event), complete: () => (isOver = true) });
        for (const { what, tree } of all) {
          const rootId = `t${tree}`;
          if (what === 'add') world.add(rootId, 'warning.raised');
          if (what === 'end') world.add(rootId, 'run.completed');
          if (what === 'elsewhere') world.addElsewhere(rootId, 'warning.raised');
          if (what === 'end elsewhere') world.addElsewhere(rootId, 'run.completed');
          if (what === 'prune') world.prune(rootId);
          if (what === 'hide') world.hide();
          if (what === 'show') world.show();
          if (what === 'tell') world.tell();
          if (what === 'notice') world.notice();
          if (what === 'pass') await settle();
        }
        world.tell();
        world.show();
        world.notice();
        live$.complete();
        while (!isOver) await settle();
        const ids = got.map((event) => `${event.rootId}:${event.seq}`);
        expect(ids).toEqual([...new Set(ids)]);
        for (const rootId of new Set(written.map((event) => event.rootId))) {
          const places = got.filter((event) => event.rootId === rootId).map(({ seq }) => seq);
          expect(places).toEqual(places.toSorted((a, b) => a - b));
        }
        for (const event of written) if (world.isThere(event)) expect(ids).toContain(event.id);
      },
    ),
    { numRuns: 600 },
  );
});

test('what streams of a run is not told ahead of its beginning, where the store shows that later', async () => {
  const world = openWorld(false);
  const got: string[] = [];
  const reading = { store: world.store, live$: world.live$, query: {}, mostOver: 1 };
  eventsFrom(reading).subscribe(({ runId, type }) => got.push(`${runId} ${type}`));
  const stream = () =>
    world.live$.next({ runId: 'new', rootId: 'new', seq: 1, type: 'text.streamed', live: true } as never);
  // given a reader that has forgotten trees
  for (const rootId of ['a', 'b', 'c', 'd']) world.addElsewhere(rootId, 'run.completed');
  world.notice();
  // when a run begins here while an older write is not through
  world.hide();
  world.add('new', 'warning.raised');
  world.tell();
  stream();
  expect(got.filter((each) => each.startsWith('new'))).toEqual([]);
  world.show();
  world.notice();
  stream();
  expect(got.filter((each) => each.startsWith('new'))).toEqual(['new warning.raised', 'new text.streamed']);
});

test('a reader forgets trees that the store has given, or has forgotten itself; not those that it may still give', () => {
  const event = (rootId: string, seq: number, type: 'warning.raised' | 'run.completed') =>
    ({ runId: rootId, rootId, seq, rootSeq: seq, type, cursor: '' }) as unknown as ReadEvent;
  const sieve = openSieve({}, 1);
  const told = (rootId: string) => sieve.hear(event(rootId, 2, 'run.completed'), 'nothing', false);
  for (const rootId of ['a', 'b', 'c']) {
    expect(sieve.hear(event(rootId, 1, 'warning.raised'), 'nothing', false)).toBe('news');
    expect(told(rootId)).toBe('news');
  }
  // the store is read on from where it was left, and gives the first
  expect(sieve.check()).toEqual({});
  for (const seq of [1, 2])
    expect(sieve.read({ ...event('a', seq, 'warning.raised'), cursor: `${seq}` }, true)).toBe(false);
  // it is asked for the second alone, and has it: it may still give it
  expect(sieve.check()).toEqual({ rootId: 'b', after: 1 });
  expect(sieve.read({ ...event('b', 2, 'run.completed'), cursor: '9' }, false)).toBe(false);
  expect(sieve.from).toEqual({ after: '2' });
  expect(sieve.check()).toBeUndefined();
  expect(told('b')).toBe('known');
  // what was forgotten is told apart by the store alone
  expect(sieve.hear(event('a', 2, 'run.completed'), 'nothing', false)).toBe('gap');
  expect(sieve.hear(event('a', 2, 'run.completed'), 'store', false)).toBe('known');
  // once there is one more it is asked again
  expect(sieve.read({ ...event('d', 1, 'run.completed'), cursor: '10' }, true)).toBe(true);
  expect(sieve.check()).toEqual({ after: '10' });
  expect(sieve.check()).toEqual({ rootId: 'c', after: 1 });
  sieve.lacks('c');
  expect(sieve.hear(event('c', 2, 'run.completed'), 'nothing', false)).toBe('gap');
});
