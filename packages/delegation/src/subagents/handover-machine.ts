/**
 * How the result of one run is pushed to the session that asked for it.
 *
 *   pushing ─left there─▶ pushed
 *      ▲ └─refused─▶ waiting (1 s, 2 s, 4 s)  ─▶ pushing …
 *      └──────────────┘ └─refused again─▶ kept: it can be collected
 */
import { assign, fromPromise, sendParent, setup } from 'xstate';
import type { SubagentResult } from './subagent-manager.ts';

/** What its manager hears. */
export type Handed = { type: 'handed'; result: SubagentResult; how: 'pushed' | 'kept' };
/** `wakes`: whether a run is started for it where none is at work. */
export type Push = { result: SubagentResult; wakes: boolean };
type Context = Push & { refusals: number };

const types = {} as { context: Context; input: Push };

/** Attempts after the first. */
const retries = 3;

/** The chart of every result that is pushed. Importable, drawable, explorable. */
export const handoverMachine = setup({
  types,
  actors: {
    /** Leaves it for the session; resolves once that is stored. */
    push: fromPromise<void, Push>(() =>
      Promise.reject(new Error('A result was handed over without its actor "push".')),
    ),
  },
  actions: {
    /** Says that it could not be pushed. */
    complain: () => {},
    say: sendParent(({ context: { result } }, { how }: Pick<Handed, 'how'>) => ({ type: 'handed', result, how })),
    count: assign({ refusals: ({ context }) => context.refusals + 1 }),
  },
  guards: { mayTryAgain: ({ context }) => context.refusals < retries },
  delays: { backOff: ({ context }) => 1_000 * 2 ** (context.refusals - 1) },
}).createMachine({
  id: 'handover',
  context: ({ input: { result, wakes } }) => ({ result, wakes, refusals: 0 }),
  initial: 'pushing',
  states: {
    pushing: {
      invoke: {
        src: 'push',
        input: ({ context: { result, wakes } }) => ({ result, wakes }),
        onDone: 'pushed',
        onError: [
          { guard: 'mayTryAgain', target: 'waiting', actions: 'count' },
          { target: 'kept', actions: 'complain' },
        ],
      },
    },
    waiting: { after: { backOff: 'pushing' } },
    pushed: { type: 'final', entry: { type: 'say', params: { how: 'pushed' } } },
    kept: { type: 'final', entry: { type: 'say', params: { how: 'kept' } } },
  },
});
