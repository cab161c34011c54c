/** The chart of a stored run: as it was at a moment of its tree, or as it is, again and again. */
import type { Replay } from '@troupe/core';
import { faultOf } from '@troupe/protocol';
import type { RunSource } from '../hub/run-source.ts';
import { shorten } from '../runs/text.ts';
import type { Step } from '../wire.ts';
import { activeIn } from './chart-of.ts';
import { contextOf, stepsOf } from './steps-of.ts';

/** A chart as it stands, with all that is known of its steps: the number of a step is its place among them. */
export type ChartState = { problem?: string; active: string[]; steps: readonly Step[]; context?: unknown };

/** A chart that is not known, and why. */
const unknownChart = (error: unknown): ChartState => ({
  problem: faultOf(error, 'replay.failed').message,
  active: [],
  steps: [],
});

/** The chart of a run at a moment of its tree. */
export const chartAt = async (source: RunSource, runId: string, until: number): Promise<ChartState> => {
  try {
    const { steps: all } = await source.replay(runId);
    const steps = all.filter(({ rootSeq }) => rootSeq <= until);
    const last = steps.at(-1);
    return {
      active: last ? activeIn(last.snapshot as never) : [],
      steps: stepsOf(steps, 0),
      context: shorten(contextOf(steps)),
    };
  } catch (error) {
    return unknownChart(error);
  }
};

export type FollowedChart = {
  /** Finds out how it is by now: costs what was added. Never rejects: a chart may have a problem. */
  read(): Promise<ChartState>;
};

/** The chart of a run as it is now. */
export const followChart = (source: Pick<RunSource, 'replay'>, runId: string): FollowedChart => {
  /** Where it was read to; its steps are drawn already. */
  let known: Replay | undefined;
  let drawn: Step[] = [];

  const goOn = async (): Promise<ChartState> => {
    const replay = await source.replay(runId, known && { after: known });
    // What a step heard is told of the last one alone.
    const last = drawn.at(-1);
    if (last && replay.steps.length > 0) {
      const { data: _, ...before } = last;
      drawn[drawn.length - 1] = before;
    }
    drawn.push(...stepsOf(replay.steps, drawn.length));
    known = { ...replay, steps: [] };
    const { snapshot } = replay;
    return { active: activeIn(snapshot as never), steps: drawn, context: shorten(snapshot.context.run) };
  };
  const beginAgain = (): Promise<ChartState> => {
    known = undefined;
    drawn = [];
    return goOn();
  };
  return {
    async read() {
      try {
        // What does not go on from there may be another run of the same name by now.
        return await (known ? goOn().catch(beginAgain) : goOn());
      } catch (error) {
        return unknownChart(error);
      }
    },
  };
};
