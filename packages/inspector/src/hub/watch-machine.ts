/**
 * A run that somebody looks at, as it goes on.
 *
 *   loading ─▶ resting ──rested──▶ watching ──heard──▶ refreshing ─▶ resting
 *      └─error─▶ failed   └─ behind: refreshing         └─ its end is shown ─▶ ended ──heard──▶ refreshing
 *
 * `refreshing` asks where its machine is and what may be asked of it; that costs, so however much is heard, it rests in between. What
 * was heard meanwhile is refreshed after the rest, once. A run that ended because its store failed may go on: it is heard again.
 */
import type { StoredEvent } from '@troupe/protocol';
import { assign, fromPromise, setup } from 'xstate';
import { type Problem, problemOf } from './problem.ts';

type WatchEvent = { type: 'heard'; isLast: boolean };

/** Everything that was there when the watch began, and what finding it out took. */
export type Loaded = { events: readonly StoredEvent[]; tookMs: number };
export type Refreshed = { tookMs: number };

/** `heard` counts what it was told; `shown` is how much of that is in what it shows. */
type WatchContext = { heard: number; shown: number; isOver: boolean; tookMs: number; problem: Problem | null };

/** A rest is never shorter than this, nor than twenty times what a refresh took: the program has better to do. */
const restMs = 50;
const restTimes = 20;

const types = {} as {
  context: WatchContext;
  events: WatchEvent;
  input: { isOver: boolean };
};

const absent = (): never => {
  throw new Error('A watch was started without its actors.');
};

export const watchMachine = setup({
  types,
  actors: {
    load: fromPromise<Loaded>(absent),
    refresh: fromPromise<Refreshed>(absent),
  },
  actions: {
    /** Begins the conversation with what was stored. */
    open: (_scene, _events: Loaded['events']) => {},
    /** Tells whoever looks that there is something new. */
    tell: () => {},
    note: assign(({ context, event }) => ({ heard: context.heard + 1, isOver: event.isLast })),
    begin: assign(({ context }) => ({ shown: context.heard })),
    took: assign((_scene, { tookMs }: Refreshed) => ({ tookMs })),
    fail: assign((_scene, problem: Problem) => ({ problem })),
  },
  guards: {
    isBehind: ({ context }) => context.heard > context.shown,
    isShownToTheEnd: ({ context }) => context.isOver && context.heard === context.shown,
  },
  delays: { rest: ({ context }) => Math.max(restMs, restTimes * context.tookMs) },
}).createMachine({
  id: 'watch',
  context: ({ input }) => ({ heard: 0, shown: 0, isOver: input.isOver, tookMs: 0, problem: null }),
  initial: 'loading',
  on: { heard: { actions: 'note' } },
  states: {
    loading: {
      invoke: {
        src: 'load',
        onDone: {
          target: 'resting',
          actions: [
            { type: 'open', params: ({ event }) => event.output.events },
            { type: 'took', params: ({ event }) => event.output },
          ],
        },
        onError: {
          target: 'failed',
          actions: { type: 'fail', params: ({ event }) => problemOf(event.error) },
        },
      },
    },
    resting: {
      tags: 'known',
      always: { guard: 'isShownToTheEnd', target: 'ended' },
      after: { rest: [{ guard: 'isBehind', target: 'refreshing' }, { target: 'watching' }] },
    },
    watching: { tags: 'known', on: { heard: { target: 'refreshing', actions: 'note' } } },
    refreshing: {
      tags: 'known',
      entry: 'begin',
      invoke: {
        src: 'refresh',
        onDone: { target: 'resting', actions: [{ type: 'took', params: ({ event }) => event.output }, 'tell'] },
        // What could not be found out is found out with what is heard next.
        onError: 'resting',
      },
    },
    ended: { tags: 'known', on: { heard: { target: 'refreshing', actions: 'note' } } },
    failed: {},
  },
});
