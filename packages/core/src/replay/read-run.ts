import type { Checkpoint, JournalEntry, ReadEntry, RunStore, StoredEvent } from '@troupe/protocol';
import type { Place } from '../run/checkpoint.ts';

export const beginning: Place = Object.freeze({ seq: 0, heard: 0 });

/** Everything that is stored of one run, or what is stored of it from a place on. */
export type RunRecord = { entries: ReadEntry[]; events: StoredEvent[]; checkpoint: Checkpoint | undefined };

/** Everything that a store gives, at once or by and by. */
export const listOf = async <T>(items: Iterable<T> | AsyncIterable<T>): Promise<T[]> => {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
};

/** What a run heard from a place on. */
export const heardAfter = async (store: RunStore, runId: string, { seq, heard }: Place): Promise<ReadEntry[]> =>
  // A store or a wrapper that is older than `from` gives all there is, and the compiler does not mind.
  (await listOf(store.journal(runId, seq))).filter((entry) => entry.seq >= seq).slice(heard);

/** Read as often as something is added meanwhile: what is given back belongs together. */
export const readRun = async (store: RunStore, runId: string, from: Place = beginning): Promise<RunRecord> => {
  for (let before = await heardAfter(store, runId, from); ; ) {
    const checkpoint = await store.checkpoint(runId);
    const events = await listOf(store.events({ runId, after: from.seq }));
    const entries = await heardAfter(store, runId, from);
    if (entries.length === before.length) return { entries, events, checkpoint };
    before = entries;
  }
};

/** Where a run is after what was read of it from a place on. */
export const placeAfter = (
  from: Place,
  { entries, events }: { entries: readonly JournalEntry[]; events: readonly StoredEvent[] },
): Place => {
  const seq = from.seq + events.length;
  const heard = entries.filter((entry) => entry.seq === seq).length;
  return { seq, heard: events.length === 0 ? from.heard + heard : heard };
};
