/**
 * What one turn asked for, as units that can be counted: each call is one, and a call that is several children is as many.
 *
 * The end is known, so there is a bar. When it comes is said only where units wait in line behind a few that are at work: there the pace of
 * those that have ended is the pace of the rest. Units that all work at once end when they end.
 */

export type Batch = {
  /** Calls of the turn. */
  readonly calls: number;
  /** Calls without children that have a result. */
  readonly answered: number;
  /** Calls that are children, and these children: how many there are to be, began and have ended. */
  readonly crews: number;
  readonly of: number;
  readonly started: number;
  readonly done: number;
  /** Epoch milliseconds: when the turn asked for it. */
  readonly since: number;
};

/** A batch that is being done. */
export type Counting = {
  readonly batch: Batch;
  /** Something happened to a child of a call. */
  child(callId: string, type: keyof typeof steps): void;
  /** A call has a result: what its children have not done is not done any more. */
  answer(callId: string): void;
};

const steps = { 'child.requested': 'of', 'child.started': 'started', 'child.settled': 'done' } as const;

/** What a turn with so many calls begins. */
export const countBatch = (calls: number, at: number): Counting => {
  const crews = new Map<string, { of: number; started: number; done: number }>();
  const sum = { of: 0, started: 0, done: 0 };
  let answered = 0;
  return {
    get batch() {
      return { calls, answered, crews: crews.size, ...sum, since: at };
    },
    child(callId, type) {
      const crew = crews.get(callId) ?? { of: 0, started: 0, done: 0 };
      crews.set(callId, crew);
      crew[steps[type]] += 1;
      sum[steps[type]] += 1;
    },
    answer(callId) {
      const crew = crews.get(callId);
      if (!crew) {
        answered += 1;
        return;
      }
      sum.started += crew.of - crew.started;
      sum.done += crew.of - crew.done;
      crew.started = crew.done = crew.of;
    },
  };
};

/** How much of a batch is done. `leftMs` is absent where nobody can know. */
export type Progress = { done: number; of: number; leftMs?: number };

/** Ended units from which a pace can be read. */
const paceFrom = 3;

/** `null` where there is nothing to count: fewer than two units, or all of them done. */
export const progressOf = (batch: Batch, now: number): Progress | null => {
  const { calls, answered, crews, started, since } = batch;
  const of = Math.max(calls - crews, answered) + batch.of;
  const done = answered + batch.done;
  if (of < 2 || done >= of) return null;
  const isInLine = started < batch.of;
  if (!isInLine || batch.done < paceFrom) return { done, of };
  return { done, of, leftMs: ((now - since) / batch.done) * (batch.of - batch.done) };
};
