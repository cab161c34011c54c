/**
 * The life of a worker, and beside it whether its store answers.
 *
 *   life    starting ──served──▶ serving ──stop──▶ draining ──drained──▶ over
 *                                                       ├──error──▶ broken: the store is gone; what it executed is as after a crash
 *                                                       └──stop───▶ left: the process goes, and the same
 *   store   answering ──nothing for a lease──▶ silent ──answered──▶ answering
 */
import { fromCallback, fromPromise, type SnapshotFrom, setup } from 'xstate';

const types = {} as {
  context: { leaseMs: number };
  input: { leaseMs: number };
  events: { type: 'served' } | { type: 'stop' } | { type: 'answered' };
};

/** The chart. Provided are its actors `drain`, which gives back what is executed, and `pulse`, which tells when the store has answered. */
export const workerMachine = setup({
  types,
  actors: { drain: fromPromise<void>(async () => {}), pulse: fromCallback(() => {}) },
  delays: { lease: ({ context }) => context.leaseMs },
}).createMachine({
  context: ({ input }) => input,
  invoke: { src: 'pulse' },
  type: 'parallel',
  states: {
    life: {
      initial: 'starting',
      states: {
        starting: { on: { served: 'serving' } },
        serving: { on: { stop: 'draining' } },
        draining: { invoke: { src: 'drain', onDone: 'over', onError: 'broken' }, on: { stop: 'left' } },
        over: {},
        broken: {},
        left: {},
      },
    },
    store: {
      initial: 'answering',
      states: {
        answering: { after: { lease: 'silent' }, on: { answered: { target: 'answering', reenter: true } } },
        silent: { on: { answered: 'answering' } },
      },
    },
  },
});

type Snapshot = Pick<SnapshotFrom<typeof workerMachine>, 'matches'>;

/** How a worker is: what its health says. */
export type WorkerStatus = 'starting' | 'serving' | 'draining' | 'store_silent';

export const statusOf = (snapshot: Snapshot): WorkerStatus => {
  if (snapshot.matches({ life: 'starting' })) return 'starting';
  if (!snapshot.matches({ life: 'serving' })) return 'draining';
  return snapshot.matches({ store: 'silent' }) ? 'store_silent' : 'serving';
};
