/** Who is here: runs that are alive in this process, those that leave it, and whose they are. */

import { sessionOf } from '../background/dispatch.ts';
import { isUnit } from '../background/unit.ts';
import { childrenHere, type LiveRun, offspringOf } from '../run/live-run.ts';

export type Here = ReturnType<typeof openHere>;

export const openHere = (on: {
  /** A run of a session has come to life, or its end is stored, or cannot be. */
  changed(sessionKey: string): void;
  /** The same, and for background units, too. @param lost It has not ended, and is not executed here any more. */
  stirred(sessionKey: string, lost: boolean): void;
}) => {
  /** Runs that have not ended, by id. */
  const runs = new Map<string, LiveRun>();
  /** Runs whose end is not stored yet. */
  const leaving = new Map<string, LiveRun>();
  /** Runs of a session that are alive here, or whose end is not stored yet; units left out. */
  const conversations = new Map<string, Set<LiveRun>>();
  /** The same for background units. */
  const units = new Map<string, Set<LiveRun>>();
  /** How many of a tree are alive. */
  const alive = new Map<string, number>();

  /** Where a root counts: among the runs of its session, or what is done in the background on behalf of one, or both. */
  const placesOf = (run: LiveRun): { key: string; here: Map<string, Set<LiveRun>> }[] => {
    if (run.parentId !== undefined) return [];
    const own = { key: sessionOf(run), here: isUnit(run) ? units : conversations };
    const askedBy = isUnit(run) ? undefined : run.origin?.sessionKey;
    return askedBy === undefined ? [own] : [own, { key: askedBy, here: units }];
  };

  /** The run above, where it is executed here and by the same: others are written to. */
  const parentOf = (run: LiveRun): LiveRun | undefined =>
    run.parentId === undefined || run.placed ? undefined : runs.get(run.parentId);
  /** A run and what is below it here. */
  const treeOf = (run: LiveRun): LiveRun[] => [run, ...[...childrenHere(run, runs)].flatMap(treeOf)];
  /** A run that nobody is below any more does what it has waited for. */
  const alone = (run: LiveRun): void => {
    if (!run.offspring?.below.size && !run.away?.size) run.whenAlone?.();
  };

  return {
    runs,
    leaving,
    conversations,
    units,
    parentOf,
    treeOf,
    alone,
    find: (runId: string): LiveRun | undefined => runs.get(runId) ?? leaving.get(runId),
    /** A run comes to life. */
    enter(run: LiveRun): void {
      runs.set(run.runId, run);
      const parent = run.detached ? undefined : parentOf(run);
      // Whoever comes to life below a run that is about to stop is as unstorable as the run is.
      if (parent?.broken) Object.assign(run, { broken: parent.broken, suspended: parent.suspended });
      if (parent) offspringOf(parent).below.add(run.runId);
      alive.set(run.rootId, (alive.get(run.rootId) ?? 0) + 1);
    },
    /** Whoever waits for its session finds it there. */
    announce(run: LiveRun): void {
      for (const { key, here } of placesOf(run)) {
        const known = here.get(key);
        if (known) known.add(run);
        else here.set(key, new Set([run]));
        if (here === conversations) on.changed(key);
        on.stirred(key, false);
      }
    },
    /** It has ended, and what it did last is not stored yet. */
    exit(run: LiveRun): void {
      runs.delete(run.runId);
      leaving.set(run.runId, run);
    },
    /** That is stored, or cannot be. */
    gone(run: LiveRun): void {
      leaving.delete(run.runId);
    },
    /** Only then: whoever waits for the session is not to find it still in between. */
    forget(run: LiveRun): void {
      for (const { key, here } of placesOf(run)) {
        const known = here.get(key);
        known?.delete(run);
        if (known?.size === 0) here.delete(key);
        if (here === conversations) on.changed(key);
        on.stirred(key, run.broken !== undefined);
      }
    },
    /** It is not below the run above any more. */
    leave(run: LiveRun): void {
      const parent = parentOf(run);
      if (parent?.offspring?.below.delete(run.runId)) alone(parent);
    },
    /** One less of its tree is alive: true when it was the last. */
    leaveTree(run: LiveRun): boolean {
      const left = (alive.get(run.rootId) ?? 1) - 1;
      if (left > 0) alive.set(run.rootId, left);
      else alive.delete(run.rootId);
      return left <= 0;
    },
    isTreeAlive: (rootId: string): boolean => alive.has(rootId),
  };
};
