/**
 * A command on its way to a run that another process executes: left in the store, until a commit says what came of it, the run has
 * ended, or nobody executes it any more and it is taken up here.
 */
import { faultOf, isFaultError, type Receipt } from '@troupe/protocol';
import { assign, fromPromise, type NonReducibleUnknown, setup } from 'xstate';

const absent = <T, Input extends NonReducibleUnknown = NonReducibleUnknown>(name: string) =>
  fromPromise<T, Input>(() => Promise.reject(new Error(`The parcel was sent without its actor "${name}".`)));
const types = {} as {
  context: { receipt: Receipt | null; isStale: boolean; waitMs: number };
  input: { waitMs: number };
  output: Receipt;
  events: { type: 'changed' } | { type: 'close' };
};

/** The chart of every command that crosses processes. */
export const parcelMachine = setup({
  types,
  actors: {
    /** Leaves the message in the store. */
    post: absent<void>('post'),
    /** What came of it; `null` while nothing did. */
    look: absent<Receipt | null>('look'),
    /** Brings the run to life here. Fails while somebody executes it. */
    takeUp: absent<void>('takeUp'),
    /** Takes the message back, if nothing came of it yet. */
    withdraw: absent<Receipt | null, Receipt | null>('withdraw'),
  },
  actions: {
    fail: assign({
      receipt: ({ event }): Receipt => ({
        status: 'rejected',
        reason: faultOf((event as { error?: unknown }).error, 'store.unavailable').message,
      }),
    }),
  },
  delays: { aWhile: ({ context }) => context.waitMs },
  guards: {
    isStale: ({ context }) => context.isStale,
    isExecuted: ({ event }) => {
      const { error } = event as { error?: unknown };
      return isFaultError(error) && error.code === 'run.claimed';
    },
  },
}).createMachine({
  id: 'parcel',
  context: ({ input }) => ({ receipt: null, isStale: false, ...input }),
  initial: 'posting',
  on: {
    close: {
      target: '.withdrawing',
      actions: assign({ receipt: { status: 'rejected', reason: 'the runtime is closed' } }),
    },
    // What has changed while it was looked at is looked at again.
    changed: { actions: assign({ isStale: true }) },
  },
  states: {
    posting: {
      invoke: { src: 'post', onDone: 'underway', onError: { target: 'answered', actions: 'fail' } },
    },
    // However often it is looked at meanwhile: a store in which much happens is no sign of life of whoever executes the run.
    underway: {
      initial: 'looking',
      after: { aWhile: 'takingUp' },
      states: {
        looking: {
          entry: assign({ isStale: false }),
          invoke: {
            src: 'look',
            onDone: [
              {
                guard: ({ event }) => event.output !== null,
                target: '#parcel.answered',
                actions: assign({ receipt: ({ event }) => event.output }),
              },
              { target: 'waiting' },
            ],
            onError: { target: '#parcel.withdrawing', actions: 'fail' },
          },
        },
        waiting: { always: { guard: 'isStale', target: 'looking' } },
      },
    },
    takingUp: {
      invoke: {
        src: 'takeUp',
        onDone: 'underway',
        onError: [
          { guard: 'isExecuted', target: 'underway' },
          { target: 'withdrawing', actions: 'fail' },
        ],
      },
    },
    withdrawing: {
      invoke: {
        src: 'withdraw',
        input: ({ context }) => context.receipt,
        onDone: { target: 'answered', actions: assign({ receipt: ({ event }) => event.output }) },
        onError: { target: 'answered', actions: 'fail' },
      },
    },
    answered: { type: 'final' },
  },
  output: ({ context }) => context.receipt ?? { status: 'rejected', reason: 'the message was lost' },
});
