/** Runs that handles were made for and that are not alive here: kept for as long as somebody holds one. */
import type { LiveRun } from '../run/live-run.ts';

/** They come to life as the same objects, so that whoever holds a handle sees how they go on. */
export type Inert = {
  get(runId: string): LiveRun | undefined;
  set(run: LiveRun): void;
  delete(runId: string): void;
};

export const openInert = (): Inert => {
  const held = new Map<string, WeakRef<LiveRun>>();
  /** Those whose end is heard of. */
  const watched = new WeakSet<LiveRun>();
  const gone = new FinalizationRegistry((runId: string) => {
    if (held.get(runId)?.deref() === undefined) held.delete(runId);
  });
  return {
    get: (runId) => held.get(runId)?.deref(),
    set(run) {
      if (held.get(run.runId)?.deref() !== run) held.set(run.runId, new WeakRef(run));
      if (!watched.has(run)) gone.register(run, run.runId);
      watched.add(run);
    },
    delete: (runId) => void held.delete(runId),
  };
};
