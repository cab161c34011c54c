import { type Clock, type EventQuery, FaultError, isLive, type StoredEvent } from '@troupe/protocol';
import { later } from '../later.ts';
import type { RunSource } from './run-source.ts';

type Query = Extract<EventQuery, { runId: string } | { rootId: string }>;

/** A store that does not give what it is known to have, as after a tree was forgotten, is waited for no longer than this. */
const patienceMs = 5_000;

const missing = (query: Query, found: number, until: number): FaultError => {
  const [what, id] = 'runId' in query ? ['run', query.runId] : ['tree', query.rootId];
  return new FaultError(
    'events.missing',
    `The store has given ${found} of ${until} events of ${what} "${id}", and no more within ${patienceMs / 1_000} s. It may have been forgotten, or the store is busy: look again.`,
    { retryable: true },
  );
};

/**
 * The stored events of a run or a tree, from the first to the one that is numbered `until`.
 *
 * @throws FaultError `events.missing` when the store does not give them.
 */
export const storedEvents = async (
  { events }: Pick<RunSource, 'events'>,
  query: Query,
  until: number,
  clock: Clock,
): Promise<StoredEvent[]> => {
  const found: StoredEvent[] = [];
  if (until <= 0) return found;
  const reader = events(query)[Symbol.asyncIterator]();
  const tired = Promise.withResolvers<'tired'>();
  let stop = later(clock, patienceMs, () => tired.resolve('tired'));
  try {
    for (;;) {
      const next = await Promise.race([reader.next(), tired.promise]);
      if (next === 'tired' || next.done) throw missing(query, found.length, until);
      const event = next.value;
      if (isLive(event)) continue;
      found.push(event);
      if (('runId' in query ? event.seq : event.rootSeq) >= until) return found;
      stop();
      stop = later(clock, patienceMs, () => tired.resolve('tired'));
    }
  } finally {
    stop();
    await reader.return?.();
  }
};
