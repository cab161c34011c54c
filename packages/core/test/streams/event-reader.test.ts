import { type EventQuery, isLive, type LiveEvent, type ReadEvent, type RunEvent } from '@troupe/protocol';
import fc from 'fast-check';
import { Subject } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { openReader, type ReadOptions } from '../../src/runtime/event-reader.ts';

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A tree of two runs, as a store has it and as it is told: what is stored is told at once or later, in order. */
const openTree = (isAsync = false) => {
  const live$ = new Subject<RunEvent>();
  const listeners = new Set<() => void>();
  const stored: ReadEvent[] = [];
  const untold: RunEvent[] = [];
  let asked = 0;
  const seqs = new Map<string, number>();
  const about = (runId: string, seq: number) => ({ runId, rootId: 'r', depth: 0, agent: 'a', at: 0, seq });
  const add = (runId: string): void => {
    const seq = (seqs.get(runId) ?? 0) + 1;
    seqs.set(runId, seq);
    const rootSeq = stored.length + 1;
    const said = { type: 'warning.raised', code: 'said', message: '' } as const;
    stored.push({ ...said, ...about(runId, seq), id: `${runId}:${seq}`, rootSeq, cursor: String(rootSeq) });
    untold.push(stored.at(-1) as ReadEvent);
  };
  const say = (runId: string, part: number): void => {
    const seq = seqs.get(runId) ?? 0;
    untold.push({ ...about(runId, seq), type: 'text.streamed', live: true, part, delta: '', turn: 1 } as LiveEvent);
  };
  /** Another process has stored what was added: nobody here is told of it. */
  const elsewhere = (): void => {
    untold.length = 0;
    for (const heard of listeners) heard();
  };
  const changes = (heard: () => void) => {
    listeners.add(heard);
    return () => listeners.delete(heard);
  };
  const tell = (): void => {
    for (const event of untold.splice(0)) live$.next(event);
  };
  const afterOf = (query: EventQuery): number => Number(query.after ?? 0);
  const events = (query: EventQuery) => {
    asked += 1;
    const wanted = function* () {
      const from = 'runId' in query ? 0 : afterOf(query);
      for (let i = from; i < stored.length; i++) {
        const event = stored[i] as ReadEvent;
        if (!('runId' in query) || (event.runId === query.runId && event.seq > afterOf(query))) yield event;
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
  const open = (query: EventQuery, options?: ReadOptions) => {
    const wanted = (event: RunEvent) =>
      !('runId' in query) || (event.runId === query.runId && event.seq > (query.after ?? 0)) || isLive(event);
    return openReader({ store: { events, changes }, query, live$, wanted }, options);
  };
  return {
    live$,
    stored,
    add,
    say,
    tell,
    elsewhere,
    listeners,
    open,
    get asked() {
      return asked;
    },
  };
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

const deeds = fc.constantFrom('add', 'add below', 'say', 'tell', 'read', 'read five' as const);

describe('a reader at its own pace', () => {
  test.each<[string, EventQuery]>([
    ['of a tree', { rootId: 'r', after: 0 }],
    ['of a run', { runId: 'r', after: 0 }],
    ['of everything', {}],
  ])(
    '%s gets each stored event once and in order, however slow it is and whatever is told meanwhile [F-17, L6]',
    async (_what, query) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(deeds, { maxLength: 60 }),
          fc.integer({ min: 1, max: 4 }),
          fc.integer({ min: 0, max: 3 }),
          fc.boolean(),
          async (steps, bound, after, isAsync) => {
            const tree = openTree(isAsync);
            let part = 0;
            for (let i = 0; i < after; i++) tree.add('r');
            tree.tell();
            const from = 'rootId' in query || 'runId' in query ? { ...query, after } : { after: String(after) };
            let dropped = 0;
            const reader = tree.open(from, {
              bound,
              lagged: (behind) => {
                dropped += behind.dropped;
              },
            });
            const got: RunEvent[] = [];
            const reads: Promise<unknown>[] = [];
            for (const step of steps) {
              if (step === 'add') tree.add('r');
              if (step === 'add below') tree.add('r/1-0/0');
              if (step === 'say') tree.say('r', part++);
              if (step === 'tell') tree.tell();
              for (let n = { read: 1, 'read five': 5 }[step as string] ?? 0; n > 0; n--)
                reads.push(reader.next().then(({ done, value }) => !done && got.push(value)));
              if (step.startsWith('read')) await settle();
            }
            tree.tell();
            tree.live$.complete();
            await Promise.all(reads);
            got.push(...(await rest(reader)));

            const mine = tree.stored.slice(after).filter(({ runId }) => !('runId' in query) || runId === 'r');
            expect(got.filter((event) => !isLive(event))).toEqual(mine);
            // and live parts in their order, behind what they follow, all of them unless it was told that it is too slow
            const parts = got.filter(isLive).map((event) => event.part);
            expect(parts).toEqual(parts.toSorted((a, b) => a - b));
            const numbers = got.filter(({ runId }) => runId === 'r').map(({ seq }) => seq);
            expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
            if (parts.length === part) return;
            expect(dropped > 0 || tree.stored.length > after).toBe(true);
          },
        ),
        { numRuns: 300 },
      );
    },
  );

  test('that keeps up is given live parts between stored events, and the store is asked once', async () => {
    const tree = openTree();
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
    const tree = openTree();
    const told: number[] = [];
    const reader = tree.open({ rootId: 'r' }, { bound: 10, lagged: ({ dropped }) => told.push(dropped) });
    for (let n = 0; n < 95; n++) tree.add('r');
    tree.tell();
    expect(told).toEqual(Array.from({ length: 9 }, () => 10));
    expect(await read(reader, 95)).toEqual(tree.stored);
  });

  test('that falls behind still hears of ends that could not be stored', async () => {
    const tree = openTree();
    const reader = tree.open({ rootId: 'r' }, { bound: 2 });
    tree.add('r');
    tree.tell();
    const unstored = { ...(tree.stored[0] as ReadEvent), id: 'r:2', seq: 2, rootSeq: 0 };
    tree.live$.next(unstored);
    for (let n = 0; n < 3; n++) tree.say('r', n);
    expect(await read(reader, 2)).toEqual([tree.stored[0], unstored]);
  });

  test('is given what another process stores, behind what is told here', async () => {
    const tree = openTree();
    const reader = tree.open({ rootId: 'r' });
    const next = reader.next();
    await settle();
    tree.add('r');
    tree.elsewhere();
    expect((await next).value).toEqual(tree.stored[0]);
    // and what was told here comes first
    const told = reader.next();
    await settle();
    tree.say('r', 1);
    tree.say('r', 2);
    tree.tell();
    tree.add('r');
    tree.elsewhere();
    const types = [(await told).value as RunEvent, ...(await read(reader, 2))].map(({ type }) => type);
    expect(types).toEqual(['text.streamed', 'text.streamed', 'warning.raised']);
    expect(tree.listeners.size).toBe(1);
    await reader.return?.();
    expect(tree.listeners.size).toBe(0);
  });

  test('misses nothing of what another process stored between events that are told here', async () => {
    const tree = openTree();
    const reader = tree.open({});
    const next = reader.next();
    await settle();
    tree.add('r');
    tree.elsewhere();
    expect((await next).value).toEqual(tree.stored[0]);
    const told = reader.next();
    await settle();
    // stored elsewhere, in another tree, and not heard of yet
    tree.stored.push({ ...(tree.stored[0] as ReadEvent), id: 's:1', runId: 's', rootId: 's', cursor: '2' });
    tree.add('r');
    tree.tell();
    expect((await told).value).toEqual(tree.stored[2]);
    tree.elsewhere();
    expect((await reader.next()).value).toEqual(tree.stored[1]);
  });

  test('that fails listens no more', async () => {
    const tree = openTree();
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
    const reader = openReader({ store, query: {}, live$: tree.live$, wanted: () => true });
    expect([changed.size, tree.live$.observed]).toEqual([1, true]);
    await expect(reader.next()).rejects.toThrow('no such cursor');
    expect([changed.size, tree.live$.observed]).toEqual([0, false]);
  });

  test('that leaves listens no more, and whoever waits is let go', async () => {
    const tree = openTree();
    const reader = tree.open({ rootId: 'r' });
    const waiting = reader.next();
    await reader.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(tree.live$.observed).toBe(false);
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  test('is given an error behind what came before it, and again when it asks again', async () => {
    const tree = openTree();
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
    const reader = openReader({ store: { events }, query: {}, live$: new Subject(), wanted: () => true });
    await expect(reader.next()).rejects.toThrow('no such cursor');
  });
});
