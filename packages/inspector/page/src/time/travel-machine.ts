/**
 * Where in a tree's time this page is.
 *
 *   present ──go──▶ past { asking ─shown─▶ there }     present, or another tree ──▶ present
 *
 * A hand that drags asks for a hundred moments a second; only one is asked for at a time, and then the one that is wanted by then.
 */
import { assign, setup } from 'xstate';

type TravelEvent =
  | { type: 'go'; rootId: string; rootSeq: number }
  | { type: 'shown' }
  | { type: 'refused' }
  /** The connection was made again: whatever was asked for is asked for anew. */
  | { type: 'greeted' }
  | { type: 'present' };

/** `asked`: what the hub was asked for last; `wanted` may have moved on since. */
type TravelContext = { rootId: string; wanted: number | null; asked: number | null };

type Asking = { rootId: string; rootSeq: number | null };

const types = {} as { context: TravelContext; events: TravelEvent };

export const travelMachine = setup({
  types,
  actions: {
    /** Tells the hub where we want to be. */
    ask: (_scene, _to: Asking) => {},
    want: assign(({ event }) => (event.type === 'go' ? { rootId: event.rootId, wanted: event.rootSeq } : {})),
  },
  guards: {
    isElsewhere: ({ context }) => context.asked !== context.wanted,
    isOther: ({ context, event }) => event.type === 'go' && event.rootId !== context.rootId,
  },
}).createMachine({
  id: 'travel',
  context: { rootId: '', wanted: null, asked: null },
  initial: 'present',
  states: {
    present: { on: { go: { target: 'past', actions: 'want' } } },
    past: {
      initial: 'asking',
      exit: [
        { type: 'ask', params: ({ context }) => ({ rootId: context.rootId, rootSeq: null }) },
        assign({ wanted: null }),
      ],
      on: {
        present: 'present',
        refused: 'present',
        go: [{ guard: 'isOther', target: 'past', reenter: true, actions: 'want' }, { actions: 'want' }],
        greeted: '.asking',
      },
      states: {
        asking: {
          entry: [
            { type: 'ask', params: ({ context }) => ({ rootId: context.rootId, rootSeq: context.wanted }) },
            assign({ asked: ({ context }) => context.wanted }),
          ],
          on: { shown: [{ guard: 'isElsewhere', target: 'asking', reenter: true }, { target: 'there' }] },
        },
        there: {
          on: {
            go: [
              { guard: 'isOther', target: '#travel.past', reenter: true, actions: 'want' },
              { target: 'asking', actions: 'want' },
            ],
          },
        },
      },
    },
  },
});
