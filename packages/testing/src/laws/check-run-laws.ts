import type { RunEvent } from '@troupe/protocol';
import { budgets } from './budgets.ts';
import { callAnswers } from './call-answers.ts';
import { childrenFirst } from './children-first.ts';
import { honestReports } from './honest-reports.ts';
import { readLog, type Violation } from './log.ts';
import { numbering } from './numbering.ts';
import { startAndEnd } from './start-and-end.ts';

export type LawOptions = {
  /** For logs of paused, suspended or crashed runs: the end may be missing, and calls may be without an answer. Default `false`. */
  open?: boolean;
};

/**
 * Looks for broken laws in what one or more whole trees of runs told, in the order it was told.
 *
 * - **L1** a run's first event is `run.queued` or `run.started`, its last its only terminal event
 * - **L2** a child ends before its parent, unless it was detached
 * - **L3** every call of a model is answered once, in call order, before the next turn and before the end
 * - **L4** pooled budget is conserved; one model answer may overshoot, and is charged
 * - **L5** a child that did not complete is not told as one that did
 * - **L6** events are numbered without gap, by run and by tree
 *
 * Live events are only checked for coming too late or too early. Gives one violation for each finding, none for a lawful log.
 */
export const checkRunLaws = (events: Iterable<RunEvent>, { open = false }: LawOptions = {}): Violation[] => {
  const log = readLog(events);
  return [
    ...startAndEnd(log, open),
    ...childrenFirst(log),
    ...callAnswers(log),
    ...budgets(log),
    ...honestReports(log),
    ...numbering(log),
  ];
};
