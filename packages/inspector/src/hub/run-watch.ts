/** A run that somebody looks at: what was said, its chart, what may be asked of it. Shared by all who look at it. */
import { agentMachine } from '@troupe/core';
import { type Clock, faultOf, isLive, type RunEvent } from '@troupe/protocol';
import { activeIn, chartOf } from '../chart/chart-of.ts';
import { contextOf, stepsOf } from '../chart/steps-of.ts';
import { later } from '../later.ts';
import { type Conversation, openConversation } from '../runs/conversation.ts';
import { shorten } from '../runs/text.ts';
import type { Can, Entry, RunLine, Step } from '../wire.ts';
import { canOf } from './commands.ts';
import type { RunSource } from './run-source.ts';
import { storedEvents } from './stored-events.ts';

/** The machine of every run. */
export const runMachine = chartOf(agentMachine, 'agent');

/** A chart as it stands, with all that is known of its steps. */
export type ChartState = { problem?: string; active: string[]; steps: Step[]; context?: unknown };

/** A chart that is not known, and why. */
const unknownChart = (error: unknown): ChartState => ({
  problem: faultOf(error, 'replay.failed').message,
  active: [],
  steps: [],
});

/** The chart of a run at a moment of its tree, or as it is now. */
export const chartAt = async (source: RunSource, runId: string, until?: number): Promise<ChartState> => {
  try {
    const replay = await source.replay(runId);
    const steps = stepsOf(replay, until);
    const last = replay.steps[steps.length - 1];
    return {
      active: last ? activeIn(last.snapshot as never) : [],
      steps,
      context: shorten(contextOf(replay, until)),
    };
  } catch (error) {
    return unknownChart(error);
  }
};

export type RunWatch = {
  /** Resolves when everything is known that was there when it was opened. */
  readonly ready: Promise<void>;
  take(event: RunEvent): void;
  entries(): Entry[];
  /** Entries that have changed since this was asked last. */
  news(): Entry[];
  chart(): ChartState;
  can(): Can | undefined;
  close(): void;
};

type About = {
  source: RunSource;
  clock: Clock;
  runId: string;
  line(): RunLine | undefined;
  /** What streamed of its turn in hand before anybody looked. */
  streamed(): readonly RunEvent[];
  /** Called when the chart, or what may be asked, has changed. */
  changed(): void;
};

/** A chart is not made again sooner than this, nor before twenty times as long has passed as it took: the program has better to do. */
const restMs = 50;
const restTimes = 20;

export const openRunWatch = ({ source, clock, runId, line, streamed, changed }: About): RunWatch => {
  let conversation: Conversation = openConversation();
  let early: RunEvent[] | null = [];
  let seq = 0;
  let chart: ChartState = { active: [], steps: [] };
  let can: Can | undefined;
  let isBusy = false;
  let isAsked = false;
  let isClosed = false;
  let stopResting = (): void => {};

  const take = (event: RunEvent): void => {
    if (isLive(event) ? event.seq !== seq : event.seq <= seq) return;
    if (!isLive(event)) seq = event.seq;
    conversation.take(event);
  };

  const look = async (): Promise<void> => {
    const began = clock.now();
    chart = await chartAt(source, runId);
    const row = line();
    if (row) can = await canOf(source, row);
    if (isClosed) return;
    changed();
    stopResting = later(clock, Math.max(restMs, restTimes * (clock.now() - began)), () => {
      isBusy = false;
      if (isAsked) refresh();
    });
  };
  const refresh = (): void => {
    isAsked = isBusy;
    if (isBusy || isClosed) return;
    isBusy = true;
    void look();
  };

  const load = async (): Promise<void> => {
    const events = await storedEvents(source, { runId }, line()?.seq ?? 0, clock);
    // From here on at once: what came meanwhile comes after what was read.
    conversation = openConversation();
    for (const event of [...events, ...streamed(), ...(early ?? [])]) take(event);
    early = null;
    conversation.news();
    isBusy = true;
    await look();
  };

  return {
    ready: load(),
    take(event) {
      if (early) early.push(event);
      else take(event);
      if (!early && !isLive(event)) refresh();
    },
    entries: () => conversation.entries(),
    news: () => conversation.news(),
    chart: () => chart,
    can: () => can,
    close() {
      isClosed = true;
      stopResting();
    },
  };
};
