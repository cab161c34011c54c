import { isLive, isTerminal, type RunEvent, type RunStore } from '@troupe/protocol';
import type { Observable } from 'rxjs';

/** All that was told of a tree of runs, from its beginning. */
export type Log = {
  readonly rootId: string;
  /** The test that made the runtime. */
  readonly test: string;
  readonly events: readonly RunEvent[];
};

type Source = { store: RunStore | undefined; test: string | undefined };
type Told = Source & { rootId: string; events: RunEvent[] };

/**
 * The logs of all trees that some runtimes tell of.
 *
 * @param full Called whenever trees that have ended hold that many events.
 */
export const gatherLogs = (heldAtMost: number, full: () => void) => {
  const goingOn = new Set<Told>();
  let ended: Told[] = [];
  let held = 0;

  const end = (told: Told): void => {
    goingOn.delete(told);
    ended.push(told);
    held += told.events.length;
    if (held > heldAtMost) full();
  };

  return {
    /** Hears a tree until its root has ended: what was let go and tells more has no place in the AG-UI run. */
    listen(events$: Observable<RunEvent>, source: Source): void {
      const trees = new Map<string, Told | 'ended'>();
      events$.subscribe((event) => {
        const { rootId } = event;
        const told = trees.get(rootId) ?? { ...source, rootId, events: [] };
        if (told === 'ended') return;
        told.events.push(event);
        const isOver = event.runId === rootId && isTerminal(event);
        trees.set(rootId, isOver ? 'ended' : told);
        if (isOver) end(told);
        else goingOn.add(told);
      });
    },
    /** What was gathered. Where a tree was brought back, with what was told of it before, if its store still says so. */
    take(which: 'ended' | 'all'): Log[] {
      const taken = which === 'ended' ? ended : [...ended, ...goingOn];
      ended = [];
      held = 0;
      if (which === 'all') goingOn.clear();
      return taken.flatMap(({ rootId, test = 'no test', store, events }) => {
        const before = toldBefore(rootId, events[0], store);
        return before ? [{ rootId, test, events: [...before, ...events] }] : [];
      });
    },
  };
};

const toldBefore = (rootId: string, first: RunEvent | undefined, store?: RunStore): RunEvent[] | undefined => {
  if (!first || isLive(first)) return undefined;
  const begins = first.type === 'run.queued' || first.type === 'run.started';
  if (begins && first.runId === rootId) return [];
  const stored = storedEvents(rootId, store);
  // What could not be stored has no number.
  if (first.rootSeq === 0) return stored;
  const before = stored?.filter(({ rootSeq }) => rootSeq < first.rootSeq);
  return before?.length === first.rootSeq - 1 ? before : undefined;
};

/** Nothing of a store that answers later, or is closed by now. */
const storedEvents = (rootId: string, store?: RunStore) => {
  try {
    const events = store?.events({ rootId }) ?? [];
    return Symbol.asyncIterator in events ? undefined : [...events];
  } catch {
    return undefined;
  }
};
