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

/** Read as often as something is added meanwhile: what is given back belongs together. */
export const readRun = async (
  store: RunStore,
  runId: string,
  { seq, heard }: Place = beginning,
): Promise<RunRecord> => {
  // A store or a wrapper that is older than `from` gives all there is, and the compiler does not mind.
  const heardSince = async () =>
    (await listOf(store.journal(runId, seq))).filter((entry) => entry.seq >= seq).slice(heard);
  for (let before: ReadEntry[] = await heardSince(); ; ) {
    const checkpoint = await store.checkpoint(runId);
    const events = await listOf(store.events({ runId, after: seq }));
    const entries = await heardSince();
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
