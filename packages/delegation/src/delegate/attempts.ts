/** The tasks of a call, each with the children that it was given to, one after the other. */
import type { JSONValue, Report } from '@troupe/protocol';
import { entryStatusOf } from '../results/entry.ts';
import type { ChildPlan } from './child-plan.ts';
import type { DelegatePolicy } from './delegate-options.ts';

/** A child that a task was given to, and what it came to. */
export type Attempt = { report: Report; child: ChildPlan };

/** Of each task its attempts, the first one first. Children that were never started are none. @param data What each child was made of. */
export const attemptsIn = (reports: readonly Report[], data: readonly (JSONValue | undefined)[]): Attempt[][] => {
  const tasks: Attempt[][] = [];
  reports.forEach((report, n) => {
    if (data[n] === undefined) return;
    const child = data[n] as unknown as ChildPlan;
    tasks[child.index] = [...(tasks[child.index] ?? []), { report, child }];
  });
  return Object.values(tasks);
};

/** The reports of the children that the tasks were given to first: those are asked for together, so all of them have one, or none was started. */
export const firstOf = (reports: readonly Report[], data: readonly (JSONValue | undefined)[]): readonly Report[] => {
  const [any] = data.filter((child) => child !== undefined) as unknown as ChildPlan[];
  return reports.slice(0, any?.count);
};

/** Whether what a child was made of held a secret: what is stored of it holds none, and is another task. */
const hasLostSecret = (child: Partial<ChildPlan>): boolean => JSON.stringify(child).includes('[redacted]');

/**
 * The child that a task is given to next: the same one with the next of the fallback models, where it ran out of time. One that was
 * interrupted, failed or answered is not tried again, and neither is one whose plan held a secret: it is not stored.
 */
export const fallbackOf = (
  { report, child }: Attempt,
  { timeoutFallbacks = [] }: Pick<DelegatePolicy, 'timeoutFallbacks'>,
): ChildPlan | undefined => {
  const { fallback: tried = 0, warnings: _, ...same } = child;
  const next = timeoutFallbacks[tried];
  if (!next || entryStatusOf(report) !== 'timeout' || hasLostSecret(same)) return undefined;
  return { ...same, model: next.model, fallback: tried + 1 };
};

/** What is tried again when a round of children has ended: of each task that had one in it. One that was refused is left as it is. */
export const fallbacksIn = (
  tasks: readonly (readonly Attempt[])[],
  round: number,
  policy: Pick<DelegatePolicy, 'timeoutFallbacks'>,
): ChildPlan[] =>
  tasks.flatMap((attempts) => {
    const last = attempts.at(-1);
    return (last && attempts.length === round && fallbackOf(last, policy)) || [];
  });
