/**
 * Runs below a run that were let go while they waited for a person (BG-032). Until somebody answers one it is interrupted with the run
 * that minds it: the one that let it go, then whoever started that one, and so on up. Who is answered is on its own, and knows it;
 * who has to mind it does not, so now and then those are left out that have ended.
 */
import { added, countOf, itemsOf, rowsOf } from './rows.ts';
import type { Step } from './step.ts';

/** So few of them are not worth looking through. */
const few = 32;

const idsOf = ({ run }: Step): readonly string[] => itemsOf(run.strays ?? []);

/** Those below hear of the end of the run. */
export const interruptStrays = (step: Step, reason: string, runIds = idsOf(step)): void => {
  if (runIds.length === 0) return;
  step.orders.push({
    type: 'crew.reach',
    runIds,
    command: { type: 'interrupt', reason, exitReason: 'parent_interrupted' },
  });
};

/** From now on the run minds these, too. */
export const mindStrays = (step: Step, runIds: readonly string[]): void => {
  const { run, orders } = step;
  if (runIds.length === 0) return;
  run.strays = runIds.reduce((strays, runId) => added(strays, runId), run.strays ?? []);
  // All others have heard of it.
  if (run.end) return interruptStrays(step, run.end.reason ?? run.end.fault?.message ?? 'The run has ended.', runIds);
  const count = countOf(run.strays);
  if (count <= (run.mostStrays ?? few)) return;
  run.mostStrays = 2 * count;
  orders.push({ type: 'crew.review', runIds: idsOf(step) });
};

/** These need not be minded any more. */
export const leaveStrays = (step: Step, runIds: readonly string[]): void => {
  const gone = new Set(runIds);
  const left = idsOf(step).filter((runId) => !gone.has(runId));
  step.run.strays = rowsOf(left);
  step.run.mostStrays = 2 * left.length + few;
};
