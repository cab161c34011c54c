/**
 * How this page stands with its hub.
 *
 *   attached { connecting ─greeted─▶ open } ──closed──▶ lost ──after a while, or retry──▶ attached
 *        └──greeted by another version──▶ outdated
 *
 * It never gives up by itself: a program that was started again is found again. What was asked meanwhile is told again by `hello`.
 */
import { assign, fromCallback, setup } from 'xstate';

export type LinkEvent =
  | { type: 'greeted'; version: number }
  | { type: 'closed'; reason: string }
  /** Somebody wants it now: the network is back, or a person asked. */
  | { type: 'retry' };

type LinkContext = { version: number; failures: number; reason: string; lostAfterOpen: boolean };

/** Milliseconds until the next attempt: at once at first, then more and more patiently. */
const patienceMs = (failures: number): number => Math.min(200 * 2 ** Math.max(0, failures - 1), 5_000);

const types = {} as { context: LinkContext; events: LinkEvent; input: { version: number } };

export const linkMachine = setup({
  types,
  actors: {
    /** One connection, for as long as it lasts. Stopping it closes it. */
    connection: fromCallback<LinkEvent>(() => {
      throw new Error('The link was started without its connection.');
    }),
  },
  delays: { patience: ({ context }) => patienceMs(context.failures) },
  guards: { isOther: ({ context, event }) => event.type === 'greeted' && event.version !== context.version },
}).createMachine({
  id: 'link',
  context: ({ input }) => ({ version: input.version, failures: 0, reason: '', lostAfterOpen: false }),
  initial: 'attached',
  states: {
    attached: {
      invoke: { src: 'connection' },
      initial: 'connecting',
      on: {
        greeted: [
          { guard: 'isOther', target: '#link.outdated' },
          { target: '.open', actions: assign({ failures: 0 }) },
        ],
        closed: {
          target: 'lost',
          actions: assign(({ context, event }) => ({ failures: context.failures + 1, reason: event.reason })),
        },
      },
      states: { connecting: {}, open: { exit: assign({ lostAfterOpen: true }) } },
    },
    lost: { after: { patience: 'attached' }, on: { retry: 'attached' } },
    outdated: { type: 'final' },
  },
});
