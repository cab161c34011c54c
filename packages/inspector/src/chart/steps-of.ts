import type { ReplayStep } from '@troupe/core';
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

/** The steps of a run, numbered from `first` on. Of the last one, what was heard goes along. */
export const stepsOf = (steps: readonly ReplayStep[], first: number): Step[] =>
  steps.map((step, n) => ({
    ...stepOf(step, first + n),
    ...(n === steps.length - 1 && { data: shorten(step.heard) }),
  }));

/** What the machine knew after the last of these steps. */
export const contextOf = (steps: readonly ReplayStep[]): unknown => steps.at(-1)?.snapshot.context.run;
