/**
 * Somebody waits until a session is at rest: nothing of it goes on, and nothing will, before somebody does something.
 *
 *   opening ─what is stored is known─▶ astir ─nothing is at work or on its way─▶ still
 *    ▲ ▲  └─could not be read─▶ failed  │ │
 *    │ └─────── news from elsewhere ────┘ │
 *    └─────── 1 s ─────── apart ◀── lost ─┘
 *
 * It asks whether the session is still whenever that may have changed: something of it has begun, has ended, asks a person, was
 * delivered. It owns nothing but the wait.
 */
import { fromEventObservable, fromPromise, type NonReducibleUnknown, setup } from 'xstate';

/** What a wait hears of its session. */
export type RestEvent =
  /** It may be still now. */
  | { type: 'changed' }
  /** A unit that is executed elsewhere has ended: what came of it is stored. */
  | { type: 'news' }
  /** A run of it that has not ended is not executed here any more: what became of it is stored. */
  | { type: 'lost' };

const absent = (name: string) => new Error(`Somebody waits for a session without its "${name}".`);

const types = {} as { events: RestEvent };

/** The chart of every wait for a session. Importable, drawable, explorable. */
export const restMachine = setup({
  types,
  actors: {
    /** Brings back what was sent and has not ended, and finds the units that are executed elsewhere. */
    open: fromPromise<void>(() => Promise.reject(absent('open'))),
    /** Says what there is to hear. */
    changes: fromEventObservable<RestEvent, NonReducibleUnknown>(() => {
      throw absent('changes');
    }),
    /** Says when a run of it asks a person. */
    asking: fromEventObservable<RestEvent, NonReducibleUnknown>(() => {
      throw absent('asking');
    }),
  },
  guards: {
    /** Nothing of the session is at work or on its way to it, or everything waits for a person. */
    isStill: (): boolean => {
      throw absent('isStill');
    },
  },
}).createMachine({
  id: 'rest',
  initial: 'opening',
  states: {
    opening: { invoke: { src: 'open', onDone: 'astir', onError: 'failed' } },
    astir: {
      invoke: [{ src: 'changes' }, { src: 'asking' }],
      always: { guard: 'isStill', target: 'still' },
      on: { changed: { guard: 'isStill', target: 'still' }, news: 'opening', lost: 'apart' },
    },
    apart: { after: { 1000: 'opening' } },
    still: { type: 'final' },
    failed: { type: 'final' },
  },
});
