import type { RunId } from '../ids.ts';

/**
 * What came of one activation of a run:
 * `done`: it has ended · `idle`: it waits for others and is not executed here any more; a message to it is worth another activation ·
 * `held`: another process executes it, or did until its lease runs out: worth another activation a little later ·
 * `fenced`: it was taken over while it was executed here · `gone`: it is not in the store.
 */
export type Activation = 'done' | 'idle' | 'held' | 'fenced' | 'gone';

/** Executes runs that are in the store: claims one, takes it up where it stands, and goes on with it as long as there is something to do. */
export interface RunExecutor {
  /**
   * Executes a run until it has ended or waits. Two activations of one run at a time are harmless: the store lets one of them write.
   *
   * @param options `signal`: aborted when the process is to be left; the run is suspended then, and the activation `idle`.
   * @returns Rejects only when nothing is known of the run: the store cannot be reached, or is of a newer version.
   */
  run(runId: RunId, options: { signal: AbortSignal; workerId: string }): Promise<Activation>;
}

/** Makes a run runnable. */
export type DispatchRequest = {
  runId: RunId;
  /** Workers serve queues by their names. */
  queue: string;
  /** Not before this moment, in epoch milliseconds. */
  notBefore?: number;
};

/** Serves queues: until it is drained. */
export type PlacementServer = {
  /** Takes no more runs, aborts the signals of those that are executed, and waits for them for at most so many milliseconds. */
  drain(ms: number): Promise<void>;
};

/**
 * Where runs are executed: an engine that hands run ids to workers. The store is the only truth. An engine may hand out an id twice,
 * late, or for a worker that is gone; it may lose one: whoever reconciles dispatches it again.
 * Implementations pass `placementContract` of `@troupe/testing`.
 */
export interface Placement {
  readonly name: string;
  /**
   * `maxDetectMs`: after so many milliseconds at most a run of a worker that is gone is handed to another one.
   */
  readonly caps: { maxDetectMs: number };
  /**
   * Makes a run runnable. Idempotent: of one run at most one activation is under way and one waits, and what is dispatched while it is
   * under way is not lost. The engine is given the run's id and nothing else of it.
   */
  dispatch(request: DispatchRequest): Promise<void>;
  /** Hands runs to an executor, at most `concurrency` at a time, in the name of `workerId`. */
  serve(
    executor: RunExecutor,
    options: { queues: readonly string[]; concurrency: number; workerId: string },
  ): Promise<PlacementServer>;
  /** Gives back what the engine holds: connections, timers. */
  close(): Promise<void>;
}
