/** Limits that are raised while a run goes on (L4): a pool only at the top of its tree, for what is below is carved from it. */
import type { RunContext } from './context.ts';
import type { Allowance, Limits } from './limits.ts';
import { type Step, say } from './step.ts';

/** Kinds that a run shares with its parent: what a child may spend of them is part of what its parent may. */
const shared = new Set<keyof Limits>(['tokens', 'costUsd', 'descendants', 'depth', 'deadlineAt']);

const nameOf = (kind: keyof Limits): string => (kind === 'deadlineAt' ? 'deadlineMs' : kind);
const kindsIn = (limits: Limits): (keyof Limits)[] =>
  (Object.keys(limits) as (keyof Limits)[]).filter((kind) => limits[kind] !== undefined);

/** Why limits of a run cannot be raised to these; `null` when they can. */
export const raiseProblem = (
  { runId, rootId, parentId, detached, allowance }: RunContext,
  wanted: Limits,
): string | null => {
  const kinds = kindsIn(wanted);
  if (kinds.length === 0) return 'no limit was given: name at least one, and what it is to be';
  for (const kind of kinds) {
    const limit = allowance.limits[kind];
    if (limit === undefined) return `${nameOf(kind)} of run "${runId}" is not limited`;
    if ((wanted[kind] ?? 0) <= limit)
      return kind === 'deadlineAt'
        ? 'deadlineMs ends no later than it does now'
        : `${nameOf(kind)} of run "${runId}" is ${limit} already: a limit can be raised, not lowered`;
    if (shared.has(kind) && parentId !== undefined && !detached)
      return `${nameOf(kind)} of run "${runId}" is part of what its parent has: raise it at the top, run "${rootId}"`;
  }
  return null;
};

/** What binds after that. A limit that was set on purpose binds children that start from now on as it is now. */
const raised = (allowance: Allowance, wanted: Limits): Allowance => {
  const ceilings: Limits = { ...allowance.ceilings };
  for (const kind of kindsIn(wanted))
    if (ceilings[kind] !== undefined) Object.assign(ceilings, { [kind]: wanted[kind] });
  return { ...allowance, limits: { ...allowance.limits, ...wanted }, ceilings };
};

/** Raises limits. What was warned of before is warned of again when it is nearly used up again. */
export const raiseLimits = (step: Step, wanted: Limits, by: string): void => {
  const { run } = step;
  run.allowance = raised(run.allowance, wanted);
  const names = new Set<string>(kindsIn(wanted).map(nameOf));
  run.warned = run.warned.filter((kind) => !names.has(kind));
  if (names.has('turns')) run.wrapUp = false;
  say(step, { type: 'budget.raised', budget: wanted, by });
};
