import type { RunStore, StoredEvent } from '@troupe/protocol';
import { storedIn } from '../lead.ts';

/** What a store that answers at once holds of a tree. */
export const eventsIn = (store: RunStore, rootId: string) => [...(store.events({ rootId }) as Iterable<StoredEvent>)];
/** The id of an event of a run: the last of its type, unless said otherwise. */
export const idOf = <T extends StoredEvent['type']>(store: RunStore, type: T, which = -1, runId = 'r'): string =>
  storedIn(store, runId)
    .filter((event) => event.type === type)
    .at(which)?.id ?? `no ${type}`;
