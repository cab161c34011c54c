/** The runs that a worker executes now, by the placement that hands them over and by what they tell. */
import { type Activation, isTerminal, messageOf, type Placement, type RunEvent } from '@troupe/protocol';

/** Why a run is not executed here any more, though it has not ended. */
export type LeftBecause = 'waits' | 'given_back' | 'taken_over' | 'not_stored' | 'rejected';

/** What becomes of a run on a worker. */
export type Happening =
  | { type: 'run.taken'; runId: string; agent: string; event: RunEvent }
  | {
      type: 'run.ended';
      runId: string;
      agent: string;
      event: Extract<RunEvent, { type: 'run.completed' | 'run.failed' | 'run.interrupted' }>;
    }
  | { type: 'run.left'; runId: string; agent?: string; because: LeftBecause; error?: string };

export type Activations = {
  /** The same placement; what it hands over is seen. */
  watch(placement: Placement): Placement;
  /** An event of any run that is executed here. */
  hear(event: RunEvent): void;
  /** Runs that are executed now, and since when, in epoch milliseconds. */
  now(): { runId: string; agent: string | null; since: number }[];
};

/**
 * A run is told of once it has told something here: who only looks whether it has something to do, or finds it with another process,
 * has not taken it up.
 */
export const openActivations = (tell: (happening: Happening) => void, now: () => number): Activations => {
  const active = new Map<string, { since: number; agent: string | null }>();
  /** Runs that were taken up here and whose end is still to be told. */
  const taken = new Map<string, string>();

  const leave = (runId: string, because: LeftBecause, error?: string): void => {
    const agent = taken.get(runId);
    if (agent === undefined && because !== 'rejected') return;
    taken.delete(runId);
    tell({
      type: 'run.left',
      runId,
      because,
      ...(agent !== undefined && { agent }),
      ...(error !== undefined && { error }),
    });
  };

  const settle = (runId: string, outcome: Activation, isLeaving: boolean): void => {
    if (outcome === 'idle') leave(runId, isLeaving ? 'given_back' : 'waits');
    if (outcome === 'fenced') leave(runId, 'taken_over');
    if (outcome === 'held') leave(runId, 'not_stored');
  };

  return {
    watch: (placement) => ({
      name: placement.name,
      caps: placement.caps,
      dispatch: (request) => placement.dispatch(request),
      close: () => placement.close(),
      serve: (executor, options) =>
        placement.serve(
          {
            async run(runId, given) {
              active.set(runId, { since: now(), agent: null });
              try {
                const outcome = await executor.run(runId, given);
                settle(runId, outcome, given.signal.aborted);
                return outcome;
              } catch (error) {
                leave(runId, 'rejected', messageOf(error));
                throw error;
              } finally {
                active.delete(runId);
              }
            },
          },
          options,
        ),
    }),
    hear(event) {
      const { runId, agent } = event;
      const known = active.get(runId);
      if (isTerminal(event) && (known || taken.has(runId))) {
        taken.delete(runId);
        return tell({ type: 'run.ended', runId, agent, event });
      }
      if (!known || taken.has(runId)) return;
      known.agent = agent;
      taken.set(runId, agent);
      tell({ type: 'run.taken', runId, agent, event });
    },
    now: () => [...active].map(([runId, one]) => ({ runId, ...one })),
  };
};
