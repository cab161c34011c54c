/**
 * What Ctrl-C comes to while runs are attended.
 *
 *   working ──stop──▶ interrupting ──stop──▶ left: the process goes, the runs stay as they are stored
 *      └──────────settled──────┴──────────▶ settled
 *
 * The first stop interrupts the tree, which takes what its children need to end; the second does not wait for that.
 */
import { fromPromise, setup } from 'xstate';

const types = {} as { events: { type: 'stop' } | { type: 'settled' } };

/** The chart. Its actor `interrupt`, which ends the tree, is provided. */
export const stopMachine = setup({
  types,
  actors: { interrupt: fromPromise<void>(async () => {}) },
}).createMachine({
  initial: 'working',
  states: {
    working: { on: { stop: 'interrupting', settled: 'settled' } },
    // An interrupt that is not taken finds a run that is about to end, or a store that is gone: both are told elsewhere.
    interrupting: { invoke: { src: 'interrupt', onError: {} }, on: { stop: 'left', settled: 'settled' } },
    settled: { type: 'final' },
    left: { type: 'final' },
  },
});
