import type { Activation, Clock, Placement, PlacementServer, RunExecutor, RunId } from '@troupe/protocol';
import { expect } from 'vitest';

/** The time that a placement is tested in: it stands still until a test waits, or is the machine's. */
export type BenchTime = {
  readonly clock: Clock;
  /** Lets a moment pass. */
  tick(): Promise<void>;
};

/** One activation that has begun, and ends as the test says. */
type Begun = {
  readonly runId: RunId;
  readonly workerId: string;
  readonly signal: AbortSignal;
  /** In epoch milliseconds. */
  readonly at: number;
  end(outcome: Activation): void;
  reject(error: Error): void;
};

export type Bench = {
  /** A new placement, on an engine of its own. */
  readonly placement: Placement;
  /** Another one on the same engine, as in another process; the same one where there is only one process. */
  beside(): Promise<Placement>;
  readonly time: BenchTime;
};

/** What a placement promises: sentences, each with the steps that check it. */
export type PlacementSentences = readonly (readonly [sentence: string, check: (bench: Bench) => Promise<void>])[];

/** How long something may take to happen, in milliseconds. */
const patienceMs = 20_000;

/** Waits until something is so, in the time of the bench. @throws what is missing, when it has taken too long. */
const until = async ({ clock, tick }: BenchTime, what: string, isSo: () => boolean): Promise<void> => {
  const last = clock.now() + patienceMs;
  while (!isSo()) {
    if (clock.now() > last) throw new Error(`${what}: not within ${patienceMs} ms.`);
    await tick();
  }
};

/** Waits for a promise, in the time of the bench. */
export const inTime = async (time: BenchTime, what: string, promise: Promise<void>): Promise<void> => {
  let isOver = false;
  const over = promise.finally(() => {
    isOver = true;
  });
  over.catch(() => {});
  await until(time, what, () => isOver);
  await over;
};

export type Desk = {
  readonly executor: RunExecutor;
  /** The next activation that begins, or has begun since it was last asked. */
  next(): Promise<Begun>;
  /** How many are under way, and how many were at most. */
  readonly count: number;
  readonly peak: number;
};

/** An executor whose activations wait for the test. */
export const openDesk = (time: BenchTime): Desk => {
  const begun: Begun[] = [];
  let [taken, count, peak] = [0, 0, 0];
  return {
    executor: {
      run: (runId, { signal, workerId }) =>
        new Promise<Activation>((resolve, reject) => {
          count += 1;
          peak = Math.max(peak, count);
          begun.push({
            ...{ runId, signal, workerId, at: time.clock.now() },
            end(outcome) {
              count -= 1;
              resolve(outcome);
            },
            reject(error) {
              count -= 1;
              reject(error);
            },
          });
        }),
    },
    async next() {
      const index = taken++;
      await until(time, `Activation ${index + 1} begins`, () => begun.length > index);
      return begun[index] as Begun;
    },
    get count() {
      return count;
    },
    get peak() {
      return peak;
    },
  };
};

/** Serves one queue with a desk of its own, one run at a time unless said otherwise. */
export const serveDesk = async (
  { time }: Bench,
  placement: Placement,
  options: { queues?: readonly string[]; concurrency?: number; workerId?: string } = {},
): Promise<Desk & { server: PlacementServer }> => {
  const desk = openDesk(time);
  const serving = { queues: ['q'], concurrency: 1, workerId: 'worker', ...options };
  const server = await placement.serve(desk.executor, serving);
  return Object.assign(desk, { server });
};

/** Expects that nothing is waiting in the queue `q` but what is dispatched now, twice over. */
export const expectNothingWaits = async (placement: Placement, desk: Desk): Promise<void> => {
  for (const runId of ['first of none', 'last of none']) {
    await placement.dispatch({ runId, queue: 'q' });
    const begun = await desk.next();
    expect(begun.runId).toBe(runId);
    begun.end('done');
  }
};
