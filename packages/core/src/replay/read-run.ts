import type { Checkpoint, ReadEntry, RunStore, StoredEvent } from '@troupe/protocol';

/** Everything that is stored of one run. */
export type RunRecord = { entries: ReadEntry[]; events: StoredEvent[]; checkpoint: Checkpoint | undefined };

/** Everything that a store gives, at once or by and by. */
export const listOf = async <T>(items: Iterable<T> | AsyncIterable<T>): Promise<T[]> => {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
};

/** Read as often as something is added meanwhile: what is given back belongs together. */
export const readRun = async (store: RunStore, runId: string): Promise<RunRecord> => {
  for (let before: ReadEntry[] = await listOf(store.journal(runId)); ; ) {
    const checkpoint = await store.checkpoint(runId);
    const events = await listOf(store.events({ runId }));
    const entries = await listOf(store.journal(runId));
    if (entries.length === before.length) return { entries, events, checkpoint };
    before = entries;
  }
};
