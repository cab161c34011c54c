/** Rows that are looked at, each watched once however many look at it, and no longer than somebody does. */
import type { RunEvent } from '@troupe/protocol';
import type { Problem } from './problem.ts';
import type { RunWatch } from './run-watch.ts';

/** Who looks at a row: told once, when there is something to see or when there never will be. */
export type Holder = { known(): void; failed(problem: Problem): void };

export type Watches = {
  /** Looks at a row. Gives back how to look away. */
  hold(rowId: string, holder: Holder): () => void;
  /** True when somebody looks at the run, which has heard of it then. */
  take(event: RunEvent): boolean;
  get(rowId: string): RunWatch | undefined;
  /** True while somebody looks at the row. */
  has(rowId: string): boolean;
  all(): Iterable<[rowId: string, watch: RunWatch]>;
};

type Entry = { holders: Set<Holder>; watch: RunWatch | undefined };

/** @param open Watches a run for its holders; `undefined` for a row that is no run, of which everything is known. */
export const openWatches = (open: (rowId: string, holders: Holder) => RunWatch | undefined): Watches => {
  const entries = new Map<string, Entry>();

  const begin = (rowId: string): Entry => {
    const entry: Entry = { holders: new Set(), watch: undefined };
    entries.set(rowId, entry);
    entry.watch = open(rowId, {
      known() {
        for (const holder of entry.holders) holder.known();
      },
      failed(problem) {
        // Whoever is told looks away, and the last of them closes it: it can be looked at again.
        for (const holder of entry.holders) holder.failed(problem);
      },
    });
    return entry;
  };

  return {
    hold(rowId, holder) {
      const entry = entries.get(rowId) ?? begin(rowId);
      entry.holders.add(holder);
      if (!entry.watch || entry.watch.isKnown()) holder.known();
      return () => {
        entry.holders.delete(holder);
        if (entry.holders.size > 0) return;
        entries.delete(rowId);
        entry.watch?.close();
      };
    },
    take(event) {
      const watch = entries.get(event.runId)?.watch;
      watch?.take(event);
      return watch !== undefined;
    },
    get: (rowId) => entries.get(rowId)?.watch,
    has: (rowId) => entries.has(rowId),
    *all() {
      for (const [rowId, { watch }] of entries) if (watch) yield [rowId, watch];
    },
  };
};
