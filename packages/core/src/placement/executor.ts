/**
 * Executes runs that are in the store, one activation at a time: takes a run up, lets it go on while there is something to do, and puts
 * it back when it waits for others. The same wherever it is: on a worker, or in the process that started the run.
 */
import { type Activation, isFaultError, type RunExecutor } from '@troupe/protocol';
import { withResolvers } from '../es2024.ts';
import { childrenHere, type LiveRun } from '../run/live-run.ts';
import type { Inbox } from '../runtime/inbox.ts';
import type { Recovery } from '../runtime/recovery.ts';
import { mayRest } from './quiet.ts';

export type Executor = RunExecutor & {
  /** A run has made a step, or has ended. */
  moved(run: LiveRun): void;
};

/** Where nobody is known to have taken a run over that stopped here, it is to be handed out again. Those of one tree stop together. */
const outcomeOf = (error: unknown, { runId }: LiveRun): Activation =>
  isFaultError(error) && error.code === 'store.fenced' && error.runId === runId ? 'fenced' : 'held';

const outcomes: Readonly<Record<string, Activation>> = {
  'run.unknown': 'gone',
  'run.ended': 'done',
  'run.claimed': 'held',
  'store.fenced': 'fenced',
};

export const openExecutor = (
  runs: ReadonlyMap<string, LiveRun>,
  { activate }: Pick<Recovery, 'activate'>,
  inbox: Pick<Inbox, 'look'>,
  /** Suspends a run and what is below it here, and gives it back. */
  letGo: (run: LiveRun) => Promise<void>,
  now: () => number,
): Executor => {
  /** Runs that are executed for somebody, by id, and how that is told what came of it. */
  const underway = new Map<string, (what: Activation) => void>();

  /** The run by whose activation a run is executed. */
  const headOf = (run: LiveRun): LiveRun => {
    const above = run.placed || run.detached ? undefined : runs.get(run.parentId ?? '');
    return above ? headOf(above) : run;
  };
  const isQuiet = (run: LiveRun): boolean =>
    mayRest(run.value, run.context, now()) &&
    !run.offspring?.spawns.size &&
    [...childrenHere(run, runs)].every(isQuiet);

  const rest = (head: LiveRun): void => {
    const tell = underway.get(head.runId);
    if (!tell || head.ended || head.broken || !isQuiet(head)) return;
    underway.delete(head.runId);
    void letGo(head).then(
      () => tell('idle'),
      (error: unknown) => tell(outcomeOf(error, head)),
    );
  };

  const moved = (run: LiveRun): void => {
    if (underway.size === 0) return;
    const tell = underway.get(run.runId);
    if (tell && run.ended) {
      if (run.writing && !run.broken) return;
      underway.delete(run.runId);
      if (run.broken) return tell(outcomeOf(run.broken.error, run));
      return tell(run.suspended ? 'held' : 'done');
    }
    if (!mayRest(run.value, run.context, now())) return;
    const head = headOf(run);
    // What the step has started is on its way: it is looked at once that is done.
    if (underway.has(head.runId)) queueMicrotask(() => rest(head));
  };

  const follow = async (run: LiveRun, signal: AbortSignal): Promise<Activation> => {
    const { promise, resolve } = withResolvers<Activation>();
    const leave = (): void => {
      if (!underway.delete(run.runId)) return;
      void letGo(run).then(
        () => resolve('idle'),
        (error: unknown) => resolve(outcomeOf(error, run)),
      );
    };
    // What was said to it meanwhile is heard before it may rest.
    await inbox.look();
    underway.set(run.runId, resolve);
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave);
    moved(run);
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  };

  return {
    moved,
    async run(runId, { signal }) {
      if (signal.aborted) return 'idle';
      try {
        const run = await activate(runId);
        return run ? await follow(run, signal) : 'idle';
      } catch (error) {
        const outcome = isFaultError(error) ? outcomes[error.code] : undefined;
        if (outcome) return outcome;
        throw error;
      }
    },
  };
};
