import * as z from 'zod';

const some = z.int().nonnegative().optional();

/**
 * What a run may spend. A limit that is missing does not exist: nothing is counted against it, nothing is reserved.
 *
 * Pooled over the tree, carved from the parent's: `tokens`, `costUsd`, `descendants`.
 * Counted for each run by itself: `turns`, `toolCalls`, `children`, `toolsPerChild`, `activeMs`, `idleMs`, `concurrency`.
 * Inherited as absolute bounds: `depth`, `deadlineMs`.
 */
export const Budget = z.object({
  /** Model answers. */
  turns: some,
  /** Tool calls that are executed; more in one answer are refused and end the run. */
  toolCalls: some,
  /** Input plus output tokens of the run and everything below it. */
  tokens: some,
  /** US dollars of the run and everything below it. */
  costUsd: z.number().nonnegative().optional(),
  /** Milliseconds of work: waiting for a person, for a slot or for `resume` does not count. */
  activeMs: some,
  /**
   * Milliseconds without progress: nothing is recorded and nothing is told, by the run or by anything below it. Waiting for a person,
   * for a slot or for `resume` is no silence; progress, and going on after any of these, begins a new one; what a clock says, a limit
   * that is raised and spawning that is paused or resumed are no progress. Ends the run with exit reason `idle_timeout`; of runs that
   * wait for each other the lowest ends first.
   */
  idleMs: some,
  /** Milliseconds of wall clock from the start; descendants end with their ancestor's. */
  deadlineMs: some,
  /** Runs that this run may start by itself. */
  children: some,
  /** Runs below this one, at any depth. */
  descendants: some,
  /** How deep runs may nest below the root, which has depth 0. */
  depth: some,
  /** Children that work at the same time; more wait their turn. The only limit that queues. */
  concurrency: z.int().positive().optional(),
  /** Tools that one child may be given. */
  toolsPerChild: some,
  /** Share of a limit at which `budget.warned` is told, once for each kind; of `idleMs` once for each silence. Default 0.8. */
  warnAt: z.number().positive().max(1).optional(),
  /** Share of its own `tokens` and `costUsd` that a run keeps from its children, so that it can still answer. Default 0.1. */
  keep: z.number().nonnegative().max(1).optional(),
});
export type Budget = z.infer<typeof Budget>;

/** The kinds of a budget that can be used up. */
export type BudgetKind = Exclude<keyof Budget, 'warnAt' | 'keep'>;

/** What a parent has set aside for a child. A kind that is missing is not limited. */
export const Grant = z.object({
  tokens: z.number().nonnegative().optional(),
  costUsd: z.number().nonnegative().optional(),
  descendants: z.number().nonnegative().optional(),
});
export type Grant = z.infer<typeof Grant>;
