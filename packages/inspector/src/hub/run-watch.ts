/** A run that somebody looks at: what was said, its chart, what may be asked of it. Shared by all who look at it. */
import { agentMachine } from '@troupe/core';
import { type Clock, isLive, isTerminal, type RunEvent } from '@troupe/protocol';
import { createActor, fromPromise } from 'xstate';
import { chartOf } from '../chart/chart-of.ts';
import { type ChartState, followChart } from '../chart/follow-chart.ts';
import { quietTimers } from '../later.ts';
import { openConversation } from '../runs/conversation.ts';
import type { Can, Entry, RunLine } from '../wire.ts';
import { canOf } from './commands.ts';
import type { Problem } from './problem.ts';
import type { RunSource } from './run-source.ts';
import { storedEvents } from './stored-events.ts';
import { type Loaded, watchMachine } from './watch-machine.ts';

/** The machine of every run. */
export const runMachine = chartOf(agentMachine, 'agent');

export type RunWatch = {
  /** True once everything is known that was there when it was opened. */
  isKnown(): boolean;
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
  /** Called once when everything is known that was there. */
  known(): void;
  /** Called when that cannot be found out: it is no watch any more then. */
  failed(problem: Problem): void;
  /** Called when the chart, or what may be asked, has changed. */
  changed(): void;
};

export const openRunWatch = (about: About): RunWatch => {
  const { source, clock, runId, line, streamed } = about;
  const conversation = openConversation();
  const following = followChart(source, runId);
  /** What came while the stored events were read: it comes after them. */
  const meanwhile: RunEvent[] = [];
  let seq = 0;
  let chart: ChartState = { active: [], steps: [] };
  let can: Can | undefined;

  const converse = (event: RunEvent): void => {
    if (isLive(event) ? event.seq !== seq : event.seq <= seq) return;
    if (!isLive(event)) seq = event.seq;
    conversation.take(event);
  };
  const look = async (): Promise<{ tookMs: number }> => {
    const began = clock.now();
    chart = await following.read();
    const row = line();
    if (row) can = await canOf(source, row);
    return { tookMs: clock.now() - began };
  };
  const actor = createActor(
    watchMachine.provide({
      actors: {
        load: fromPromise<Loaded>(async () => {
          const events = await storedEvents(source, { runId }, line()?.seq ?? 0);
          return { events, ...(await look()) };
        }),
        refresh: fromPromise(look),
      },
      actions: {
        open: (_scene, events) => {
          for (const event of [...events, ...streamed(), ...meanwhile.splice(0)]) converse(event);
          conversation.news();
        },
        tell: about.changed,
      },
    }),
    { clock: quietTimers(clock), input: { isOver: line()?.endedAt !== undefined } },
  );
  const isLoading = (): boolean => actor.getSnapshot().matches('loading');
  const settling = actor.subscribe((snapshot) => {
    if (snapshot.matches('loading')) return;
    settling.unsubscribe();
    const { problem } = snapshot.context;
    if (problem) about.failed(problem);
    else about.known();
  });
  actor.start();

  return {
    isKnown: () => actor.getSnapshot().hasTag('known'),
    take(event) {
      if (isLoading()) meanwhile.push(event);
      else converse(event);
      if (!isLive(event)) actor.send({ type: 'heard', isLast: isTerminal(event) });
    },
    entries: () => conversation.entries(),
    news: () => conversation.news(),
    chart: () => chart,
    can: () => can,
    close: () => void actor.stop(),
  };
};
