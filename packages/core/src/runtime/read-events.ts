import { type EventQuery, isLive, isTerminal, type RunEvent, type RunStore, type StoredEvent } from '@troupe/protocol';
import { Observable } from 'rxjs';

const isAsync = <T>(source: Iterable<T> | AsyncIterable<T>): source is AsyncIterable<T> =>
  Symbol.asyncIterator in source;

/**
 * Stored events, then live ones: no gap, no double (F-17). Listens before it reads, holds what comes meanwhile, and drops of that
 * what it has read.
 *
 * @param wanted Which live events belong to the reader.
 * @param isLast True for the event after which nothing can follow.
 */
export const eventsFrom = (
  store: Pick<RunStore, 'events'>,
  query: EventQuery,
  live$: Observable<RunEvent>,
  wanted: (event: RunEvent) => boolean,
  isLast: (event: RunEvent) => boolean = () => false,
): Observable<RunEvent> =>
  new Observable((subscriber) => {
    const seen = new Map<string, number>();
    let held: RunEvent[] | null = [];
    let over = false;
    const ended = new Set<string>();
    const emit = (event: RunEvent): void => {
      if (!wanted(event) || (isLive(event) && ended.has(event.runId))) return;
      if (isTerminal(event)) ended.add(event.runId);
      if (!isLive(event)) {
        if (event.rootSeq > 0 && event.rootSeq <= (seen.get(event.rootId) ?? 0)) return;
        seen.set(event.rootId, event.rootSeq);
      }
      subscriber.next(event);
      if (isLast(event)) subscriber.complete();
    };
    const after = 'rootId' in query ? (query.after ?? 0) : 0;
    if ('rootId' in query) seen.set(query.rootId, after);
    const subscription = live$.subscribe({
      next: (event) => (held ? held.push(event) : emit(event)),
      error: (error: unknown) => subscriber.error(error),
      complete: () => {
        over = true;
        if (!held) subscriber.complete();
      },
    });
    subscriber.add(subscription);
    const drain = () => {
      const waiting = held ?? [];
      held = null;
      for (const event of waiting) {
        if (subscriber.closed) return;
        // A live part that came before its run's stored events were read is told after them, or not at all once the run has ended.
        emit(event);
      }
      if (over) subscriber.complete();
    };
    const read = async (source: AsyncIterable<StoredEvent>): Promise<void> => {
      for await (const event of source) {
        if (subscriber.closed) return;
        emit(event);
      }
    };
    const source = store.events(query);
    if (isAsync(source)) {
      read(source).then(drain, (error: unknown) => subscriber.error(error));
      return;
    }
    for (const event of source) {
      if (subscriber.closed) return;
      emit(event);
    }
    drain();
  });
