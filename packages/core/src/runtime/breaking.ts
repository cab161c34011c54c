/** What becomes of trees that cannot be stored any more. */
import { type Clock, FaultError, faultOf, isFaultError, type Logger, type RunEvent } from '@troupe/protocol';
import { enter } from '../run/ledger.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { Desk } from './desk.ts';
import type { Here } from './here.ts';
import { unstoredEnd } from './recorder.ts';

type Breaking = {
  /**
   * A commit of a tree was refused: all its runs stop before they do anything more, for what one of them did not store another may
   * have built on. Their ends are told, and not stored: `recover()` takes the tree up where its store left it.
   *
   * @param of Runs of it that have ended, too.
   */
  breakTree(rootId: string, of: readonly LiveRun[], error: unknown): void;
  /** The end of a run that nobody stores. */
  tellEnd(run: LiveRun, error: unknown): void;
};

/** Others execute it now, or may by now. */
const isElsewhere = (error: unknown): error is FaultError =>
  isFaultError(error) && (error.code === 'store.fenced' || error.code === 'store.silent');

/** Its session was sent another run since: whoever sent it sends it again, behind that one. */
export const isOvertaken = (error: unknown): error is FaultError =>
  isFaultError(error) && error.code === 'store.overtaken';

const exists = new Set(['store.fenced', 'store.conflict', 'store.ended']);
/** A run of this id was begun before this one, here or elsewhere, where the store could not be asked in time: that one is another. */
const wasThere = (root: LiveRun | undefined, error: unknown): boolean =>
  root?.stored === 0 && isFaultError(error) && exists.has(error.code);
const taken = (runId: string, cause: unknown): FaultError =>
  new FaultError('run.exists', `Run "${runId}" exists already. Use a new id, or await runtime.attach("${runId}").`, {
    runId,
    cause,
  });

/** Somebody has begun a run of its id before. */
export const isTaken = (error: unknown): error is FaultError => isFaultError(error) && error.code === 'run.exists';

/** There is no run of its id, or not any more. */
export const isUnknown = (error: unknown): error is FaultError => isFaultError(error) && error.code === 'run.unknown';

export const openBreaking = ({
  clock,
  logger,
  here,
  desk,
  push,
  stop,
  giveBack,
  moved,
}: {
  clock: Clock;
  logger: Logger;
  here: Here;
  desk: Desk;
  /** Tells an event of a tree. */
  push(rootId: string, event: RunEvent): void;
  stop(run: LiveRun): void;
  /** Whoever can store them may take them up. */
  giveBack(runIds: readonly string[]): void;
  moved(run: LiveRun): void;
}): Breaking => {
  const { runs } = here;
  const tellEnd: Breaking['tellEnd'] = (run, error) => {
    const events = unstoredEnd(run, error, clock.now());
    for (const event of events) enter(run.ledger, event);
    for (const event of events) push(run.rootId, event);
  };
  return {
    tellEnd,
    breakTree(rootId, of, error) {
      const tree = [...new Set([...runs.values(), ...of])].filter((run) => run.rootId === rootId && !run.broken);
      if (tree.length === 0) return;
      const isOther = wasThere(
        tree.find(({ runId }) => runId === rootId),
        error,
      );
      /** Why another owner tells its story, or nobody; whoever waits for it here is told. */
      const told = isOther ? taken(rootId, error) : isElsewhere(error) || isOvertaken(error) ? error : undefined;
      const what = isOther
        ? 'exists already'
        : isOvertaken(error)
          ? 'came too late into its session'
          : told
            ? 'is executed elsewhere, or may be by now'
            : 'cannot be stored';
      logger[told ? 'warn' : 'error'](
        `Run "${rootId}" ${what}, and stops here.`,
        faultOf(told ?? error, 'store.unavailable'),
      );
      for (const run of tree) {
        run.broken = { error: told ?? error };
        if (told) run.suspended = true;
        if (told) desk.dismiss(run.runId, told);
        else if (run.ended) tellEnd(run, error);
        if (run.ended) moved(run);
      }
      desk.forget(rootId);
      // Of what others have claimed by now nothing is given back.
      giveBack(tree.map(({ runId }) => runId));
      queueMicrotask(() => {
        for (const run of tree)
          if (!run.ended && (run.detached || run.placed || !runs.has(run.parentId ?? ''))) stop(run);
      });
    },
  };
};
