/**
 * Events at a reader's own pace: what was stored is fetched when it is asked for, what is told meanwhile is held. A reader that falls
 * too far behind has nothing held for it any more, is told so, and reads on from the store: it slows no run and misses no stored event.
 * What other processes store is read once everything told here is.
 */
import {
  type EventQuery,
  isLive,
  isTerminal,
  type ReadEvent,
  type RunEvent,
  type RunStore,
  type StoredEvent,
} from '@troupe/protocol';
import type { Observable } from 'rxjs';

export type ReadOptions = {
  /** How many events are held for a reader that does not ask for them. Default: 10,000. */
  bound?: number;
  /**
   * Called when a reader is further behind: `dropped` events were let go. Stored ones among them are read again from the store; live
   * parts, such as `text.streamed`, are not told to it.
   */
  lagged?: (behind: { dropped: number }) => void;
};

type About = {
  store: Pick<RunStore, 'events' | 'changes'>;
  query: EventQuery;
  live$: Observable<RunEvent>;
  /** Which events belong to the reader. */
  wanted(event: RunEvent): boolean;
  /** True for the event after which nothing can follow. */
  isLast?(event: RunEvent): boolean;
};

type Source = Iterator<ReadEvent> | AsyncIterator<ReadEvent>;

/** Stored events, then live ones: no gap, no double (F-17), however slowly they are read. Leaving early frees everything. */
export const openReader = (
  { store, query, live$, wanted, isLast }: About,
  { bound = 10_000, lagged }: ReadOptions = {},
): AsyncIterator<RunEvent> => {
  /** What was given last: of each tree its place, of each run its number. A run that has ended says nothing more. */
  const places = new Map<string, number>();
  const numbers = new Map<string, number>();
  if ('rootId' in query) places.set(query.rootId, query.after ?? 0);
  let held: RunEvent[] = [];
  let taken: RunEvent[] = [];
  let mustRead = true;
  let mayRead = false;
  let source: Source | undefined;
  let from = query;
  let over: { error: unknown } | 'complete' | undefined;
  let wake = (): void => {};

  const end = (how: NonNullable<typeof over>): void => {
    over ??= how;
    wake();
  };
  const hold = (event: RunEvent): void => {
    if (!wanted(event)) return;
    if (held.length >= bound) {
      // What no store has is kept, or nobody would ever hear of it.
      const kept = held.filter((each) => !isLive(each) && each.rootSeq === 0);
      const dropped = held.length - kept.length;
      held = kept;
      mustRead = true;
      lagged?.({ dropped });
    }
    held.push(event);
    wake();
  };
  const subscription = live$.subscribe({
    next: hold,
    error: (error: unknown) => end({ error }),
    complete: () => end('complete'),
  });

  const unwatch = store.changes?.(() => {
    mayRead = true;
    wake();
  });

  const stopListening = (): void => {
    subscription.unsubscribe();
    unwatch?.();
  };

  /** Takes note of an event; false when the reader has it, or is past it. */
  const isNews = (event: RunEvent): boolean => {
    if (!wanted(event)) return false;
    const { runId, rootId, seq } = event;
    const number = numbers.get(runId) ?? 0;
    if (isLive(event)) return seq >= number;
    if (event.rootSeq > 0) {
      if (event.rootSeq <= (places.get(rootId) ?? 0)) return false;
      places.set(rootId, event.rootSeq);
    }
    numbers.set(runId, isTerminal(event) ? Number.POSITIVE_INFINITY : seq);
    return true;
  };
  const placeAfter = ({ rootSeq, seq, cursor }: StoredEvent): EventQuery => {
    if ('rootId' in query) return { rootId: query.rootId, after: rootSeq };
    if ('runId' in query) return { runId: query.runId, after: seq };
    return cursor === undefined ? from : { after: cursor };
  };

  const take = async (): Promise<RunEvent | undefined> => {
    for (;;) {
      if (source) {
        const { done, value } = await source.next();
        if (done) {
          source = undefined;
          continue;
        }
        // Only what was read says where to read on: between events that are told others may be stored elsewhere.
        from = placeAfter(value);
        if (isNews(value)) return value;
        continue;
      }
      const event = taken.pop();
      if (event) {
        if (isNews(event)) return event;
        continue;
      }
      if (mustRead) {
        mustRead = false;
        source = iteratorOf(store.events(from));
        continue;
      }
      if (held.length > 0) {
        // Taken from the end, which costs the same however many there are.
        taken = held.reverse();
        held = [];
        continue;
      }
      if (mayRead) {
        mayRead = false;
        mustRead = true;
        continue;
      }
      if (typeof over === 'object') throw over.error;
      if (over) return undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };

  const leave = async (): Promise<void> => {
    stopListening();
    over = 'complete';
    held = [];
    taken = [];
    mustRead = false;
    mayRead = false;
    const left = source;
    source = undefined;
    wake();
    await left?.return?.();
  };
  const step = async (): Promise<IteratorResult<RunEvent>> => {
    const event = await take().catch((error: unknown) => {
      // Nobody tells a reader that has failed to leave.
      stopListening();
      throw error;
    });
    if (!event || isLast?.(event)) await leave();
    return event ? { done: false, value: event } : { done: true, value: undefined };
  };

  let last: Promise<unknown> = Promise.resolve();
  return {
    next() {
      const result = last.then(step);
      last = result.catch(() => {});
      return result;
    },
    async return() {
      await leave();
      return { done: true, value: undefined };
    },
  };
};

const iteratorOf = (events: Iterable<ReadEvent> | AsyncIterable<ReadEvent>): Source =>
  Symbol.asyncIterator in events ? events[Symbol.asyncIterator]() : events[Symbol.iterator]();
