import type { Replay, ReplayStep } from '@troupe/core';
import { shorten } from '../runs/text.ts';
import type { Step } from '../wire.ts';
import { activeIn, edgeIdOf } from './chart-of.ts';

const stepOf = ({ heard, at, snapshot, taken, said, rootSeq }: ReplayStep, n: number): Step => ({
  n,
  at,
  event: heard.type,
  edges: taken.map(edgeIdOf),
  active: activeIn(snapshot as never),
  said: said.map(({ type }) => type),
  rootSeq,
});

/** The steps of a run until a moment of its tree, or all of them. Of the last one, what was heard goes along. */
export const stepsOf = ({ steps }: Pick<Replay, 'steps'>, until = Number.POSITIVE_INFINITY): Step[] => {
  const had = steps.filter(({ rootSeq }) => rootSeq <= until);
  return had.map((step, n) =>
    n === had.length - 1 ? { ...stepOf(step, n), data: shorten(step.heard) } : stepOf(step, n),
  );
};

/** What the machine knew after the last of these steps. */
export const contextOf = ({ steps }: Pick<Replay, 'steps'>, until = Number.POSITIVE_INFINITY): unknown =>
  steps.findLast(({ rootSeq }) => rootSeq <= until)?.snapshot.context.run;
