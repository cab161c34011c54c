/**
 * Which trees of the store are shown: at first those that began last and those that go on, then older ones as somebody asks for them.
 *
 *   opening ─▶ loading ─▶ ready ──older──▶ listing ─▶ loading
 *      │          │                 ▲        └─ all that was listed is shown, and there is more: listing
 *      └─error    └─error─▶ ready   └─error
 *      ▼
 *   closed ──older──▶ opening
 *
 * What fails is told to whoever asked, and may be asked for again.
 */
import { assign, fromPromise, setup } from 'xstate';
import { type Problem, problemOf } from './problem.ts';

/** Trees that are to be shown, the run behind which the list goes on, and whether it does. */
export type Listed = { rootIds: string[]; before: string | null; hasOlder: boolean };

/** `letGo`: some that were shown are not any more, so the list goes on from its top. */
type TreesEvent = { type: 'older' } | { type: 'letGo' };
type TreesContext = Listed & { problem: Problem | null };

const absent = (): never => {
  throw new Error('Trees were looked for without their actors.');
};
const types = {} as { context: TreesContext; events: TreesEvent };

export const treesMachine = setup({
  types,
  actors: {
    /** Hears of what comes from then on, and lists what is shown at first. */
    open: fromPromise<Listed>(absent),
    list: fromPromise<Listed, { before: string | null }>(absent),
    load: fromPromise<void, { rootIds: string[] }>(absent),
  },
  actions: {
    take: assign((_scene, listed: Listed) => listed),
    startOver: assign({ before: null, hasOlder: true }),
    fail: assign((_scene, problem: Problem) => ({ problem })),
    begin: assign({ problem: null }),
    /** Nobody may have asked. */
    complain: (_scene, _problem: Problem) => {},
  },
  guards: {
    isAllKnown: (_scene, { rootIds, hasOlder }: Listed) => rootIds.length === 0 && hasOlder,
  },
}).createMachine({
  id: 'trees',
  context: { rootIds: [], before: null, hasOlder: false, problem: null },
  initial: 'opening',
  states: {
    opening: {
      entry: 'begin',
      invoke: {
        src: 'open',
        onDone: { target: 'loading', actions: { type: 'take', params: ({ event }) => event.output } },
        onError: {
          target: 'closed',
          actions: [
            'startOver',
            { type: 'fail', params: ({ event }) => problemOf(event.error) },
            { type: 'complain', params: ({ event }) => problemOf(event.error) },
          ],
        },
      },
    },
    loading: {
      invoke: {
        src: 'load',
        input: ({ context: { rootIds } }) => ({ rootIds }),
        onDone: 'ready',
        onError: {
          target: 'ready',
          actions: [
            'startOver',
            { type: 'fail', params: ({ event }) => problemOf(event.error) },
            { type: 'complain', params: ({ event }) => problemOf(event.error) },
          ],
        },
      },
    },
    ready: { tags: 'settled', on: { older: 'listing', letGo: { actions: 'startOver' } } },
    listing: {
      entry: 'begin',
      invoke: {
        src: 'list',
        input: ({ context: { before } }) => ({ before }),
        onDone: [
          {
            guard: { type: 'isAllKnown', params: ({ event }) => event.output },
            target: 'listing',
            reenter: true,
            actions: { type: 'take', params: ({ event }) => event.output },
          },
          { target: 'loading', actions: { type: 'take', params: ({ event }) => event.output } },
        ],
        onError: { target: 'ready', actions: { type: 'fail', params: ({ event }) => problemOf(event.error) } },
      },
    },
    closed: { tags: 'settled', on: { older: 'opening' } },
  },
});
