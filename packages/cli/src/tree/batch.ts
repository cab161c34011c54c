/**
 * What one turn asked for, as units that can be counted: each call is one, and a call that is several children is as many.
 *
 * The end is known, so there is a bar. When it comes is said only where units wait in line behind a few that are at work: there the pace of
 * those that have ended is the pace of the rest. Units that all work at once end when they end.
 */

/** Children of one call. */
type Crew = { readonly of: number; readonly started: number; readonly done: number };

export type Batch = {
  /** Calls of the turn. */
  readonly calls: number;
  /** Calls without children that have a result. */
  readonly answered: number;
  /** By call id. */
  readonly crews: Readonly<Record<string, Crew>>;
  /** Epoch milliseconds: when the turn asked for it. */
  readonly since: number;
};

export const noBatch: Batch = { calls: 0, answered: 0, crews: {}, since: 0 };

/** What a turn with so many calls begins. */
export const batchOf = (calls: number, at: number): Batch => ({ calls, answered: 0, crews: {}, since: at });

const steps = { 'child.requested': 'of', 'child.started': 'started', 'child.settled': 'done' } as const;

/** After something happened to a child of a call. */
export const withChild = (batch: Batch, callId: string, type: keyof typeof steps): Batch => {
  const crew = batch.crews[callId] ?? { of: 0, started: 0, done: 0 };
  const step = steps[type];
  return { ...batch, crews: { ...batch.crews, [callId]: { ...crew, [step]: crew[step] + 1 } } };
};

/** After a call has a result: what its children have not done is not done any more. */
export const withAnswer = (batch: Batch, callId: string): Batch => {
  const crew = batch.crews[callId];
  if (!crew) return { ...batch, answered: batch.answered + 1 };
  return { ...batch, crews: { ...batch.crews, [callId]: { of: crew.of, started: crew.of, done: crew.of } } };
};

/** How much of a batch is done. `leftMs` is absent where nobody can know. */
export type Progress = { done: number; of: number; leftMs?: number };

/** Ended units from which a pace can be read. */
const paceFrom = 3;

/** `null` where there is nothing to count: fewer than two units, or all of them done. */
export const progressOf = ({ calls, answered, crews, since }: Batch, now: number): Progress | null => {
  const all = Object.values(crews);
  const sum = (key: keyof Crew): number => all.reduce((total, crew) => total + crew[key], 0);
  const of = Math.max(calls - all.length, answered) + sum('of');
  const done = answered + sum('done');
  if (of < 2 || done >= of) return null;
  const isInLine = sum('started') < sum('of');
  if (!isInLine || sum('done') < paceFrom) return { done, of };
  return { done, of, leftMs: ((now - since) / sum('done')) * (sum('of') - sum('done')) };
};
