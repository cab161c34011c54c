import type { RunId } from '../ids.ts';

/**
 * What came of one activation of a run:
 * `done`: it has ended · `idle`: it waits for others and is not executed here any more; a message to it is worth another activation ·
 * `held`: another process executes it, or did until its lease runs out, or it could not be stored here any more: worth another
 * activation a little later ·
 * `fenced`: it was taken over while it was executed here · `gone`: it is not in the store.
 * An `idle` one whose signal was aborted may have more to do: it is worth another activation at once, by another server.
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
  /** Workers serve queues by their names. A run is always dispatched to the same one. */
  queue: string;
  /** Not before this moment, in epoch milliseconds. */
  notBefore?: number;
};

/** Serves queues: until it is drained. */
export type PlacementServer = {
  /**
   * Takes no more runs, aborts the signals of those that are executed, and waits for them for at most so many milliseconds. What was
   * interrupted, and what is executed still, is handed to another server at once, or to the next one that comes.
   */
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
   * `engine`: the same text in every process that shares this engine, and in no other: one of them looks for what it has lost, on
   * behalf of all. Default: the engine is this process's own.
   */
  readonly caps: { maxDetectMs: number; engine?: string };
  /**
   * Makes a run runnable. Idempotent: of one run at most one activation is under way and one waits, and what is dispatched while it is
   * under way is not lost. One that waits begins at the earliest of the moments that it was dispatched for. The engine is given the
   * run's id and nothing else of it.
   *
   * @throws FaultError `placement.unavailable`: the engine cannot be reached · `placement.invalid`: a queue or a moment that cannot be ·
   *   `placement.closed`
   */
  dispatch(request: DispatchRequest): Promise<void>;
  /**
   * Hands runs to an executor, at most `concurrency` at a time over all queues, in the name of `workerId`. One that its executor
   * rejects is handed out again, later each time.
   */
  serve(
    executor: RunExecutor,
    options: { queues: readonly string[]; concurrency: number; workerId: string },
  ): Promise<PlacementServer>;
  /** Drains every server without waiting, and gives back what the engine holds: connections, timers. */
  close(): Promise<void>;
}
