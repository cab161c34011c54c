import { type EventQuery, FaultError, isLive, type StoredEvent } from '@troupe/protocol';
import type { RunSource } from './run-source.ts';

type Query = Extract<EventQuery, { runId: string } | { rootId: string }>;

const missing = (query: Query, found: number, until: number): FaultError => {
  const [what, id] = 'runId' in query ? ['run', query.runId] : ['tree', query.rootId];
  return new FaultError(
    'events.missing',
    `The store has ${found} of ${until} events of ${what} "${id}". It may have been forgotten meanwhile: look again.`,
    { retryable: true },
  );
};

/**
 * The stored events of a run or a tree, from the first to the one that is numbered `until`.
 *
 * @throws FaultError `events.missing` when the store does not have them.
 */
export const storedEvents = async (
  { events }: Pick<RunSource, 'events'>,
  query: Query,
  until: number,
): Promise<StoredEvent[]> => {
  const found: StoredEvent[] = [];
  if (until <= 0) return found;
  for await (const event of events(query, { follow: false })) {
    if (isLive(event)) continue;
    found.push(event);
    if (('runId' in query ? event.seq : event.rootSeq) >= until) return found;
  }
  throw missing(query, found.length, until);
};
