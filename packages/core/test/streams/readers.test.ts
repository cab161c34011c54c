import { type EventQuery, FaultError, isLive, type LiveEvent, type ReadEvent, type RunEvent } from '@troupe/protocol';
import fc from 'fast-check';
import { Subject } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { openReader } from '../../src/runtime/event-reader.ts';
import type { ReadOptions } from '../../src/runtime/intake.ts';
import { eventsFrom } from '../../src/runtime/read-events.ts';

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
const rootOf = (runId: string): string => runId.replace(/\/.*/, '');

/** Trees as a store has them and as they are told: what is stored here is told at once or later, in order; what others store is not. */
const openTrees = (isAsync = false) => {
  const live$ = new Subject<RunEvent>();
  const listeners = new Set<() => void>();
  const stored: ReadEvent[] = [];
  const untold: RunEvent[] = [];
  /** Live events of another process that are on their way, and who listens to them. */
  const underway: LiveEvent[] = [];
  const hearers = new Set<(event?: LiveEvent) => void>();
  const listenedTo: (string | undefined)[] = [];
  let asked = 0;
  let fetched = 0;
  const lengths = new Map<string, number>();
  const next = (of: string): number => {
    lengths.set(of, (lengths.get(of) ?? 0) + 1);
    return lengths.get(of) ?? 0;
  };
  const about = (runId: string) => ({ runId, rootId: rootOf(runId), depth: 0, agent: 'a', at: 0 });
  const write = (runId: string, type: 'warning.raised' | 'run.completed'): ReadEvent => {
    const seq = next(runId);
    const event = { ...about(runId), type, seq, id: `${runId}:${seq}`, rootSeq: next(`${rootOf(runId)} as a whole`) };
    const said = { ...event, cursor: String(stored.length + 1) } as unknown as ReadEvent;
    stored.push(said);
    return said;
  };
  const add = (runId: string, type: 'warning.raised' | 'run.completed' = 'warning.raised'): void => {
    untold.push(write(runId, type));
  };
  /** Another process stores something: nobody here is told of it. */
  const addElsewhere = (runId: string, type: 'warning.raised' | 'run.completed' = 'warning.raised'): void => {
    write(runId, type);
  };
  const streamed = (runId: string, part: number): LiveEvent => {
    const seq = lengths.get(runId) ?? 0;
    return { ...about(runId), seq, type: 'text.streamed', live: true, part, delta: '' };
  };
  const say = (runId: string, part: number): void => {
    untold.push(streamed(runId, part));
  };
  /** Another process says something. */
  const sayElsewhere = (runId: string, part: number): void => {
    underway.push(streamed(runId, part));
  };
  const deliver = (): void => {
    for (const event of underway.splice(0)) for (const heard of [...hearers]) heard(event);
  };
  const relay = {
    tell() {},
    listen(rootId: string | undefined, heard: (event?: LiveEvent) => void) {
      listenedTo.push(rootId);
      hearers.add(heard);
      return () => hearers.delete(heard);
    },
  };
  const notice = (): void => {
    for (const heard of [...listeners]) heard();
  };
  const changes = (heard: () => void) => {
    listeners.add(heard);
    return () => listeners.delete(heard);
  };
  const tell = (): void => {
    for (const event of untold.splice(0)) live$.next(event);
  };
  const mine = (query: EventQuery) => {
    if ('rootId' in query)
      return stored.filter(({ rootId, rootSeq }) => rootId === query.rootId && rootSeq > (query.after ?? 0));
    if ('runId' in query) return stored.filter(({ runId, seq }) => runId === query.runId && seq > (query.after ?? 0));
    return stored.slice(Number(query.after ?? 0));
  };
  const events = (query: EventQuery) => {
    asked += 1;
    const wanted = function* () {
      for (let found = mine(query); found.length > 0; found = mine(after(query, found.at(-1) as ReadEvent)))
        for (const event of found) {
          fetched += 1;
          yield event;
        }
    };
    if (!isAsync) return wanted();
    return (async function* () {
      for (const event of wanted()) {
        yield event;
        await Promise.resolve();
      }
    })();
  };
  const reading = (query: EventQuery, within?: string) => ({
    store: { events, changes },
    query,
    live$,
    relay,
    ...(within !== undefined && { within }),
  });
  return {
    live$,
    stored,
    add,
    addElsewhere,
    say,
    sayElsewhere,
    deliver,
    tell,
    notice,
    listeners,
    hearers,
    listenedTo,
    mine,
    open: (query: EventQuery, options?: ReadOptions, within?: string) => openReader(reading(query, within), options),
    /** The same as a stream: what it has told so far. */
    listen(query: EventQuery, options?: ReadOptions, within?: string) {
      const heard = { events: [] as RunEvent[], end: undefined as unknown };
      const subscription = eventsFrom(reading(query, within), options).subscribe({
        next: (event) => void heard.events.push(event),
        error: (error: unknown) => {
          heard.end = error;
        },
        complete: () => {
          heard.end = 'complete';
        },
      });
      return Object.assign(heard, { leave: () => subscription.unsubscribe() });
    },
    get asked() {
      return asked;
    },
    get fetched() {
      return fetched;
    },
  };
};
const after = (query: EventQuery, { rootSeq, seq, cursor }: ReadEvent): EventQuery => {
  if ('rootId' in query) return { ...query, after: rootSeq };
  return 'runId' in query ? { ...query, after: seq } : { after: cursor };
};

const read = async (reader: AsyncIterator<RunEvent>, count: number): Promise<RunEvent[]> => {
  const events: RunEvent[] = [];
  while (events.length < count) events.push((await reader.next()).value as RunEvent);
  return events;
};
const rest = async (reader: AsyncIterator<RunEvent>): Promise<RunEvent[]> => {
  const events: RunEvent[] = [];
  for (let { done, value } = await reader.next(); !done; { done, value } = await reader.next()) events.push(value);
  return events;
};

/** What happens to the trees `r` and `s` while they are read. */
const deeds = fc.constantFrom(
  'add r',
  'add r/1-0/0',
  'add s',
  'add elsewhere r/2-0/0',
  'add elsewhere s',
  'notice',
  'say',
  'say elsewhere r/2-0/0',
  'deliver',
  'tell',
  'read',
  'read five',
  'pass',
);
type Deed = typeof deeds extends fc.Arbitrary<infer D> ? D : never;

const queries: [string, EventQuery][] = [
  ['of a tree', { rootId: 'r' }],
  ['of a run', { runId: 'r' }],
  ['of everything', {}],
];

/** Each stored event once, in order; live parts in their order, behind what they follow. */
const expectWhole = (got: readonly RunEvent[], expected: readonly ReadEvent[]): void => {
  const stored = got.filter((event): event is ReadEvent => !isLive(event));
  for (const rootId of ['r', 's']) {
    const inTree = (event: RunEvent) => event.rootId === rootId;
    expect(stored.filter(inTree)).toEqual(expected.filter(inTree));
  }
  for (const its of ['r', 'r/2-0/0']) {
    const events = got.filter(({ runId }) => runId === its);
    const parts = events.filter(isLive).map(({ part }) => part);
    expect(parts).toEqual([...new Set(parts)].toSorted((a, b) => a - b));
    const numbers = events.map((event) => event.seq + (isLive(event) ? 0.5 : 0));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  }
};

const worlds = fc.record({
  deeds: fc.array(deeds, { maxLength: 60 }),
  bound: fc.integer({ min: 1, max: 4 }),
  before: fc.array(fc.constantFrom<Deed>('add r', 'add s', 'add elsewhere s', 'say', 'tell'), { maxLength: 6 }),
  skipped: fc.nat({ max: 6 }),
  isAsync: fc.boolean(),
});

/** A reader, or a stream, of trees to which all that happens; given back when everything was told. */
const live = async (
  query: EventQuery,
  { deeds, bound, before, skipped, isAsync }: typeof worlds extends fc.Arbitrary<infer W> ? W : never,
  as: 'reader' | 'stream',
) => {
  const trees = openTrees(isAsync);
  let [part, said] = [0, 0];
  const happen = (deed: Deed): void => {
    const [what, runId] = deed.replace(' elsewhere', 'Elsewhere').split(' ') as [string, string];
    if (what === 'add') trees.add(runId);
    if (what === 'addElsewhere') trees.addElsewhere(runId);
    if (what === 'sayElsewhere') trees.sayElsewhere(runId, part++);
    if (what === 'deliver') trees.deliver();
    if (what === 'notice') trees.notice();
    if (what === 'say') {
      trees.say('r', part++);
      said += 1;
    }
    if (what === 'tell') trees.tell();
  };
  // given some events, not all of them told yet, and a reader that has had some of them
  for (const deed of before) happen(deed);
  const saidBefore = said;
  const had = trees.mine(query)[Math.min(skipped, trees.mine(query).length) - 1];
  const from = had ? after(query, had) : query;
  const behind: number[] = [];
  const options = { bound, lagged: ({ dropped }: { dropped: number }) => behind.push(dropped) };
  const stream = as === 'stream' ? trees.listen(from, options) : undefined;
  const reader = as === 'reader' ? trees.open(from, options) : undefined;
  const got: RunEvent[] = stream?.events ?? [];
  const reads: Promise<unknown>[] = [];
  for (const deed of deeds) {
    happen(deed);
    for (let n = { read: 1, 'read five': 5 }[deed as string] ?? 0; reader && n > 0; n--)
      reads.push(reader.next().then(({ done, value }) => !done && got.push(value)));
    if (deed === 'pass') await Promise.resolve();
    if (deed.startsWith('read')) await settle();
  }
  trees.tell();
  trees.notice();
  trees.live$.complete();
  await Promise.all(reads);
  if (reader) got.push(...(await rest(reader)));
  while (stream && stream.end === undefined) await settle();
  expect([trees.listeners.size, trees.hearers.size]).toEqual([0, 0]);
  return { got, expected: trees.mine(from), behind, parts: said - saidBefore, from };
};

describe.each(['reader', 'stream'] as const)('a %s', (as) => {
  test.each(queries)(
    '%s gives each stored event once and in order, whatever happens here and elsewhere [F-17, L6]',
    async (_what, query) => {
      await fc.assert(
        fc.asyncProperty(worlds, async (world) => {
          const { got, expected, behind, parts, from } = await live(query, world, as);
          expectWhole(got, expected);
          if ('runId' in from) for (const { seq } of got) expect(seq).toBeGreaterThanOrEqual(from.after ?? 0);
          // and all live parts, unless something was stored ahead of what is told, or it was told that it is too slow
          const heard = got.filter((event) => isLive(event) && event.runId === 'r').length;
          if (heard < parts) expect(behind.length + expected.length).toBeGreaterThan(0);
        }),
        { numRuns: 300 },
      );
    },
  );
});

describe('a stream of events', () => {
  test('gives what a store that answers at once has while somebody subscribes, and what is told at once', () => {
    const trees = openTrees();
    trees.add('r');
    trees.tell();
    const stream = trees.listen({ rootId: 'r' });
    expect(stream.events).toEqual(trees.stored);
    trees.add('r');
    trees.say('r', 1);
    trees.tell();
    expect(stream.events.map(({ type }) => type)).toEqual(['warning.raised', 'warning.raised', 'text.streamed']);
    expect(trees.asked).toBe(1);
  });

  test('follows what another process stores while it is heard, and no longer', () => {
    const trees = openTrees();
    const streams = [trees.listen({ rootId: 'r' }), trees.listen({ runId: 'r' }), trees.listen({})];
    trees.addElsewhere('r');
    expect(streams.map(({ events }) => events.length)).toEqual([0, 0, 0]);
    trees.notice();
    for (const { events, leave } of streams) {
      expect(events).toEqual(trees.stored);
      leave();
    }
    expect([trees.listeners.size, trees.live$.observed]).toEqual([0, false]);
  });

  test('of one run ends when its last event comes from another process, and hears of nobody any more', () => {
    const trees = openTrees();
    const stream = trees.listen({ rootId: 'r' }, {}, 'r/1-0/0');
    trees.add('r');
    trees.tell();
    trees.addElsewhere('r/1-0/0');
    trees.addElsewhere('r/1-0/0/1-0/0');
    trees.addElsewhere('r/1-0/0', 'run.completed');
    trees.notice();
    expect(stream.events).toEqual(trees.stored.slice(1));
    expect(stream.end).toBe('complete');
    expect([trees.listeners.size, trees.live$.observed]).toEqual([0, false]);
  });

  test('of one run does not read the store for what other runs of its tree say', () => {
    const trees = openTrees();
    const child = trees.listen({ rootId: 'r' }, {}, 'r/1-0/0');
    for (let n = 0; n < 10; n++) {
      trees.add('r');
      trees.add('r/1-0/0');
      trees.say('r', n);
    }
    trees.tell();
    expect(child.events).toEqual(trees.mine({ runId: 'r/1-0/0' }));
    expect(trees.asked).toBe(1);
  });

  test('is given an error of the store that it meets when it reads on, and listens no more', () => {
    const live$ = new Subject<RunEvent>();
    const listeners = new Set<() => void>();
    let works = true;
    const store = {
      events: () => {
        if (works) return [];
        throw new Error('The disk is gone.');
      },
      changes: (heard: () => void) => {
        listeners.add(heard);
        return () => listeners.delete(heard);
      },
    };
    const errors: unknown[] = [];
    eventsFrom({ store, query: {}, live$ }).subscribe({ error: (error: unknown) => errors.push(error) });
    expect(listeners.size).toBe(1);
    works = false;
    for (const heard of listeners) heard();
    expect(errors).toEqual([new Error('The disk is gone.')]);
    expect([listeners.size, live$.observed]).toEqual([0, false]);
  });
});

describe('what is stored elsewhere between two events of a tree', () => {
  test('is read from the store when the second one is told, before anybody notices a change [F-17]', () => {
    const trees = openTrees();
    const tree = trees.listen({ rootId: 'r' });
    const run = trees.listen({ rootId: 'r' }, {}, 'r');
    const all = trees.listen({});
    trees.add('r');
    trees.tell();
    trees.addElsewhere('r/1-0/0');
    trees.add('r');
    trees.tell();
    for (const { events } of [tree, run, all]) expect(events).toEqual(trees.stored);
    expect(trees.asked).toBe(6);
    // and when it is noticed it is not told again
    trees.notice();
    trees.add('r');
    trees.tell();
    for (const { events } of [tree, run, all]) expect(events).toEqual(trees.stored);
  });

  test('does not matter to a reader of one run, whose own numbers have no gap', () => {
    const trees = openTrees();
    const run = trees.listen({ runId: 'r' });
    trees.add('r');
    trees.addElsewhere('r/1-0/0');
    trees.add('r');
    trees.tell();
    expect(run.events).toEqual([trees.stored[0], trees.stored[2]]);
    expect(trees.asked).toBe(1);
    // but what another process has stored of the run itself does
    trees.addElsewhere('r');
    trees.add('r');
    trees.tell();
    expect(run.events.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  test('is looked for once where it has been forgotten: what was told is given all the same', () => {
    const trees = openTrees();
    const tree = trees.listen({ rootId: 'r' });
    trees.add('r');
    trees.tell();
    trees.addElsewhere('r/1-0/0');
    trees.add('r');
    const [first, , third] = trees.stored.splice(0);
    trees.tell();
    expect(tree.events).toEqual([first, third]);
    expect(trees.asked).toBe(2);
  });

  test('costs no more, however long the tree is', () => {
    const trees = openTrees();
    for (let n = 0; n < 500; n++) trees.add('r');
    trees.tell();
    const streams = [trees.listen({ rootId: 'r' }), trees.listen({})];
    const before = trees.fetched;
    for (let n = 0; n < 100; n++) {
      trees.addElsewhere('r/1-0/0');
      trees.add('r');
      trees.tell();
      trees.notice();
    }
    for (const { events } of streams) expect(events).toEqual(trees.stored);
    // Each was read once, or not at all.
    expect(trees.fetched - before).toBe(400);
  });
});

describe('a reader over all trees with the cursor of an event that is stored and not told yet', () => {
  test.each([false, true])('is not given that event when it is told, nor one before it [F-17]', async (isAsync) => {
    const trees = openTrees(isAsync);
    trees.add('s');
    trees.add('r');
    const stream = trees.listen({ after: '2' });
    const reader = trees.open({ after: '2' });
    trees.tell();
    trees.add('r');
    trees.add('s');
    trees.add('t');
    trees.tell();
    const later = trees.stored.slice(2);
    expect(await read(reader, 3)).toEqual(later);
    await settle();
    expect(stream.events).toEqual(later);
  });
});

describe('what another process streams', () => {
  test('and that it has stored something is read at once', async () => {
    const tree = openTrees();
    const heard = tree.listen({ rootId: 'r' });
    tree.addElsewhere('r');
    for (const hear of tree.hearers) hear();
    expect(heard.events).toEqual(tree.stored);
    heard.leave();
  });

  test('is told behind what it follows, though nobody here has noticed that yet', async () => {
    const tree = openTrees();
    const reader = tree.open({ rootId: 'r' });
    const next = reader.next();
    await settle();
    tree.addElsewhere('r');
    tree.sayElsewhere('r', 1);
    tree.sayElsewhere('r', 2);
    tree.deliver();
    const told = [(await next).value as RunEvent, ...(await read(reader, 2))];
    expect(told.map(({ type, ...event }) => ('part' in event ? event.part : type))).toEqual(['warning.raised', 1, 2]);
    expect(tree.asked).toBe(2);
  });

  test('is not told once its run has said more: whoever comes late is void', async () => {
    const tree = openTrees();
    const reader = tree.open({ rootId: 'r' });
    tree.addElsewhere('r');
    tree.sayElsewhere('r', 1);
    tree.addElsewhere('r', 'run.completed');
    tree.addElsewhere('r/1-0/0');
    expect(await read(reader, 3)).toEqual(tree.stored);
    tree.deliver();
    tree.notice();
    tree.live$.complete();
    expect(await rest(reader)).toEqual([]);
  });

  test('is not told before what it follows can be read, as when an older commit of another tree is under way', async () => {
    const tree = openTrees();
    const heard = tree.listen({});
    tree.addElsewhere('r');
    tree.sayElsewhere('r', 1);
    const [unreadable] = tree.stored.splice(0);
    tree.deliver();
    expect(heard.events).toEqual([]);
    tree.stored.push(unreadable as ReadEvent);
    tree.notice();
    tree.sayElsewhere('r', 2);
    tree.deliver();
    expect(heard.events.map((event) => ('part' in event ? event.part : event.type))).toEqual(['warning.raised', 2]);
    heard.leave();
  });

  test.each<[EventQuery, string | undefined]>([
    [{ rootId: 'r' }, 'r'],
    [{ runId: 'r/1-0/0' }, 'r'],
    [{}, undefined],
  ])('is asked for of one tree, where one is read: %j', (query, of) => {
    const tree = openTrees();
    const { leave } = tree.listen(query);
    expect(tree.listenedTo).toEqual([of]);
    leave();
  });

  test('of a run that is older than where a reader began asks the store once', async () => {
    const tree = openTrees();
    tree.addElsewhere('r');
    tree.addElsewhere('r');
    const heard = tree.listen({ after: '2' });
    const before = tree.asked;
    for (let part = 1; part <= 20; part++) tree.sayElsewhere('r', part);
    tree.deliver();
    expect(heard.events).toHaveLength(20);
    expect(tree.asked - before).toBe(1);
    heard.leave();
    expect(tree.hearers.size).toBe(0);
  });
});

describe('a reader at its own pace', () => {
  test('that keeps up is given live parts between stored events, and the store is asked once', async () => {
    const tree = openTrees();
    const reader = tree.open({ rootId: 'r' });
    tree.add('r');
    tree.tell();
    await read(reader, 1);
    const next = reader.next();
    await settle();
    tree.say('r', 1);
    tree.add('r');
    tree.say('r', 2);
    tree.tell();
    const told = [(await next).value as RunEvent, ...(await read(reader, 2))];
    expect(told.map(({ type }) => type)).toEqual(['text.streamed', 'warning.raised', 'text.streamed']);
    expect(tree.asked).toBe(1);
  });

  test('that falls behind is told how much was let go, and holds no more than its bound', async () => {
    const tree = openTrees();
    const told: number[] = [];
    const reader = tree.open({ rootId: 'r' }, { bound: 10, lagged: ({ dropped }) => told.push(dropped) });
    for (let n = 0; n < 95; n++) tree.add('r');
    tree.tell();
    expect(told).toEqual(Array.from({ length: 9 }, () => 10));
    expect(await read(reader, 95)).toEqual(tree.stored);
  });

  test('that falls behind still hears of ends that could not be stored', async () => {
    const tree = openTrees();
    const reader = tree.open({ rootId: 'r' }, { bound: 2 });
    tree.add('r');
    tree.tell();
    const unstored = { ...(tree.stored[0] as ReadEvent), id: 'r:2', seq: 2, rootSeq: 0 };
    tree.live$.next(unstored);
    for (let n = 0; n < 3; n++) tree.say('r', n);
    tree.tell();
    expect(await read(reader, 2)).toEqual([tree.stored[0], unstored]);
  });

  test('is given what another process stores, behind what is told here', async () => {
    const tree = openTrees();
    const reader = tree.open({ rootId: 'r' });
    const next = reader.next();
    await settle();
    tree.addElsewhere('r');
    tree.notice();
    expect((await next).value).toEqual(tree.stored[0]);
    // and what was told here comes first
    const told = reader.next();
    await settle();
    tree.say('r', 1);
    tree.say('r', 2);
    tree.tell();
    tree.addElsewhere('r');
    tree.notice();
    const types = [(await told).value as RunEvent, ...(await read(reader, 2))].map(({ type }) => type);
    expect(types).toEqual(['text.streamed', 'text.streamed', 'warning.raised']);
    expect(tree.listeners.size).toBe(1);
    await reader.return?.();
    expect(tree.listeners.size).toBe(0);
  });

  test('misses nothing of what another process stored between events that are told here', async () => {
    const tree = openTrees();
    const reader = tree.open({});
    const next = reader.next();
    await settle();
    tree.addElsewhere('r');
    tree.notice();
    expect((await next).value).toEqual(tree.stored[0]);
    const told = reader.next();
    await settle();
    // stored elsewhere, in another tree, and not heard of yet
    tree.addElsewhere('s');
    tree.add('r');
    tree.tell();
    expect((await told).value).toEqual(tree.stored[2]);
    tree.notice();
    expect((await reader.next()).value).toEqual(tree.stored[1]);
  });

  test('listens no more once the last event of its run is there, though it has not asked for it', async () => {
    const tree = openTrees();
    const reader = tree.open({ rootId: 'r' }, {}, 'r');
    tree.add('r');
    tree.add('r', 'run.completed');
    tree.tell();
    expect([tree.listeners.size, tree.live$.observed]).toEqual([0, false]);
    expect(await rest(reader)).toEqual(tree.stored);
  });

  test('that fails listens no more', async () => {
    const tree = openTrees();
    const changed = new Set<() => void>();
    const store = {
      events: () => {
        throw new Error('no such cursor');
      },
      changes: (heard: () => void) => {
        changed.add(heard);
        return () => changed.delete(heard);
      },
    };
    const reader = openReader({ store, query: {}, live$: tree.live$ });
    expect([changed.size, tree.live$.observed]).toEqual([1, true]);
    await expect(reader.next()).rejects.toThrow('no such cursor');
    expect([changed.size, tree.live$.observed]).toEqual([0, false]);
  });

  test('that leaves listens no more, and whoever waits is let go', async () => {
    const tree = openTrees();
    const reader = tree.open({ rootId: 'r' });
    const waiting = reader.next();
    await reader.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(tree.live$.observed).toBe(false);
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  test('that leaves while its store makes it wait hears of nothing, whatever the store says then', async () => {
    const asked = Promise.withResolvers<never>();
    const store = { events: () => ({ [Symbol.asyncIterator]: () => ({ next: () => asked.promise }) }) };
    const reader = openReader({ store, query: {}, live$: new Subject() });
    const waiting = reader.next();
    await settle();
    await reader.return?.();
    asked.reject(new Error('The disk is gone.'));
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  test('is given an error behind what came before it, and again when it asks again', async () => {
    const tree = openTrees();
    const reader = tree.open({ rootId: 'r' });
    tree.add('r');
    tree.live$.error(new Error('broken'));
    expect(await read(reader, 1)).toEqual(tree.stored);
    await expect(reader.next()).rejects.toThrow('broken');
    await expect(reader.next()).rejects.toThrow('broken');
  });

  test('is told what its store refuses', async () => {
    const events = () => {
      throw new Error('no such cursor');
    };
    const reader = openReader({ store: { events }, query: {}, live$: new Subject() });
    await expect(reader.next()).rejects.toThrow('no such cursor');
  });
});

describe('a store that is closed', () => {
  const closedAfter = (gate: Promise<void>) => ({
    events: () => ({
      [Symbol.asyncIterator]: (): AsyncIterator<ReadEvent> => ({
        async next() {
          await gate;
          throw new FaultError('store.closed', 'The store is closed.');
        },
      }),
    }),
  });

  test.each([
    ['ends a stream when nothing more is told', true],
    ['fails a stream that is told more', false],
  ])('%s', async (_what, isOver) => {
    const gate = Promise.withResolvers<void>();
    const live$ = new Subject<RunEvent>();
    const ends: unknown[] = [];
    const reading = { store: closedAfter(gate.promise), query: {}, live$ };
    eventsFrom(reading).subscribe({ error: (error: unknown) => ends.push(error), complete: () => ends.push('over') });
    const looped = openReader(reading).next();
    looped.catch(() => {});
    if (isOver) live$.complete();
    gate.resolve();
    await settle();
    const closed = { code: 'store.closed' };
    expect(ends).toEqual([isOver ? 'over' : expect.objectContaining(closed)]);
    if (isOver) expect(await looped).toEqual({ done: true, value: undefined });
    else await expect(looped).rejects.toMatchObject(closed);
  });
});
