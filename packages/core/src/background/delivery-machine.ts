/**
 * How what is left for a session, by background units or by the program, comes to it: each once, whoever crashes.
 *
 *   idle ─news─▶ looking ─nothing left─▶ idle
 *                  ▲ │ ├─a run of the session is at work here─▶ handed ─it has ended, or there is news─▶ looking
 *                  │ │ └─one is at work elsewhere or waits to be brought back, or it can wait─▶ waiting ─news─▶ looking
 *                  │ └─none is─▶ waking ─a new run has taken it all along─▶ looking
 *                  │                └─somebody else has begun one─▶ waiting
 *                  └─after a while─ failed ◀─ whatever went wrong (nobody knows the agent: waiting)
 *
 * What is delivered stands in the store, written with the step that heard it. The chart owns nothing but the next attempt.
 */
import { isFaultError, type JSONValue } from '@troupe/protocol';
import { assign, type DoneActorEvent, fromPromise, type NonReducibleUnknown, setup } from 'xstate';
import type { Letter } from '../agent/context.ts';

/** A letter, and what a run that is started for it knows besides. */
export type SealedLetter = Letter & { metadata?: JSONValue };

/** What there is to deliver, and what is to be done about it. */
export type Outlook = {
  /** Those that nobody was given yet. */
  letters: SealedLetter[];
  /** `nothing` is left; a run here is to `hand` it to; `wait` for whoever hears it next; or `wake` somebody, for nobody is at work. */
  next: 'nothing' | 'hand' | 'wait' | 'wake';
  /** The run that the conversation began with, if nothing was sent to the session; its key, if there is none. */
  rootId: string;
};

/** Whether a run was begun with it, or another one was there before. */
export type Woken = 'woken' | 'busy';

export type DeliveryEvent = { type: 'news' };
type Context = { key: string; outlook: Outlook; isStale: boolean; failures: number };

const absent = <T, Input extends NonReducibleUnknown = NonReducibleUnknown>(name: string) =>
  fromPromise<T, Input>(() => Promise.reject(new Error(`A delivery was started without its actor "${name}".`)));
const types = {} as { context: Context; events: DeliveryEvent; input: { key: string } };

/** The chart of every delivery. Importable, drawable, explorable. */
export const deliveryMachine = setup({
  types,
  actors: {
    /** Reads what nobody has heard, and who is at work. */
    look: absent<Outlook, { key: string }>('look'),
    /** Starts a run of the session that begins with it all, and waits until that is stored. */
    wake: absent<Woken, { key: string; outlook: Outlook }>('wake'),
  },
  actions: {
    /** Tells the run at work. */
    hand: () => {},
    /** Says what went wrong. */
    complain: () => {},
    see: assign(({ event }) => ({ outlook: (event as unknown as DoneActorEvent<Outlook>).output })),
    recover: assign({ failures: 0 }),
  },
  guards: {
    isStale: ({ context }) => context.isStale,
    isNext: ({ event }, { next }: { next: Outlook['next'] }) =>
      (event as unknown as DoneActorEvent<Outlook>).output.next === next,
    isBusy: ({ event }) => (event as unknown as DoneActorEvent<Woken>).output === 'busy',
    /** Nobody knows the session's agent here: nothing helps but somebody who does. */
    isUnknown: ({ event }) => {
      const { error } = event as { error?: unknown };
      return isFaultError(error) && error.code === 'agent.unknown';
    },
  },
  // Twice as long each time, up to a minute.
  delays: { aWhile: ({ context }) => Math.min(1_000 * 2 ** (context.failures - 1), 60_000) },
}).createMachine({
  id: 'delivery',
  context: ({ input: { key } }) => ({
    key,
    outlook: { letters: [], next: 'nothing', rootId: '' },
    isStale: false,
    failures: 0,
  }),
  initial: 'idle',
  on: { news: { actions: assign({ isStale: true }) } },
  states: {
    idle: { always: { guard: 'isStale', target: 'looking' }, on: { news: 'looking' } },
    looking: {
      entry: assign({ isStale: false }),
      invoke: {
        src: 'look',
        input: ({ context: { key } }) => ({ key }),
        onDone: [
          { guard: { type: 'isNext', params: { next: 'nothing' } }, target: 'idle', actions: ['see', 'recover'] },
          {
            guard: { type: 'isNext', params: { next: 'hand' } },
            target: 'handed',
            actions: ['see', 'recover', 'hand'],
          },
          { guard: { type: 'isNext', params: { next: 'wake' } }, target: 'waking', actions: 'see' },
          { target: 'waiting', actions: ['see', 'recover'] },
        ],
        onError: { target: 'failed', actions: 'complain' },
      },
    },
    handed: { always: { guard: 'isStale', target: 'looking' }, on: { news: 'looking' } },
    waiting: { always: { guard: 'isStale', target: 'looking' }, on: { news: 'looking' } },
    waking: {
      invoke: {
        src: 'wake',
        input: ({ context: { key, outlook } }) => ({ key, outlook }),
        onDone: [
          { guard: 'isBusy', target: 'waiting' },
          { target: 'looking', actions: 'recover' },
        ],
        onError: [
          { guard: 'isUnknown', target: 'waiting', actions: 'complain' },
          { target: 'failed', actions: 'complain' },
        ],
      },
    },
    // A run that could not be begun is news, too: only time leads on from here.
    failed: {
      entry: assign({ failures: ({ context }) => context.failures + 1 }),
      after: { aWhile: 'looking' },
    },
  },
});
