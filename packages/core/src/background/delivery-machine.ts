/**
 * How the completions of background units come to their session: each once, whoever crashes.
 *
 *   idle ─news─▶ looking ─nothing left─▶ idle
 *                  ▲ │ ├─a run of the session is at work here─▶ handed ─it has ended, or there is news─▶ looking
 *                  │ │ └─one is at work elsewhere or waits to be brought back, or it can wait─▶ waiting ─news─▶ looking
 *                  │ └─none is─▶ waking ─a new run has taken it all along─▶ looking
 *                  └─after a while─ failed ◀─ whatever went wrong (nobody knows the agent: waiting)
 *
 * What is delivered stands in the store, written with the step that heard it. The chart owns nothing but the next attempt.
 */
import { isFaultError } from '@troupe/protocol';
import { assign, type DoneActorEvent, fromPromise, type NonReducibleUnknown, setup } from 'xstate';
import type { Letter } from '../agent/context.ts';

/** What there is to deliver, and who could hear it. */
export type Outlook = {
  letters: Letter[];
  /** `later`: nobody is, and nobody need be woken for it. */
  atWork: 'here' | 'elsewhere' | 'nobody' | 'later';
  /** The root of the run that asked for the oldest of them: where the conversation began, if nothing was sent to the session. */
  rootId: string;
};

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
    wake: absent<void, { key: string; outlook: Outlook }>('wake'),
  },
  actions: {
    /** Tells the run at work. */
    hand: () => {},
    /** Says what went wrong. */
    complain: () => {},
    see: assign(({ event }) => ({
      outlook: (event as unknown as DoneActorEvent<Outlook>).output,
      failures: 0,
    })),
  },
  guards: {
    isStale: ({ context }) => context.isStale,
    isNothing: ({ event }) => (event as unknown as DoneActorEvent<Outlook>).output.letters.length === 0,
    isAtWork: ({ event }, { where }: { where: Outlook['atWork'] }) =>
      (event as unknown as DoneActorEvent<Outlook>).output.atWork === where,
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
    outlook: { letters: [], atWork: 'nobody', rootId: '' },
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
          { guard: 'isNothing', target: 'idle', actions: 'see' },
          { guard: { type: 'isAtWork', params: { where: 'here' } }, target: 'handed', actions: ['see', 'hand'] },
          { guard: { type: 'isAtWork', params: { where: 'nobody' } }, target: 'waking', actions: 'see' },
          { target: 'waiting', actions: 'see' },
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
        onDone: 'looking',
        onError: [
          { guard: 'isUnknown', target: 'waiting', actions: 'complain' },
          { target: 'failed', actions: 'complain' },
        ],
      },
    },
    failed: {
      entry: assign({ failures: ({ context }) => context.failures + 1 }),
      after: { aWhile: 'looking' },
      on: { news: 'looking' },
    },
  },
});
