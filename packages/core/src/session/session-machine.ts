/**
 * A session: one conversation, run by run.
 *
 *   unread ─open─▶ reading ─▶ idle ─sent─▶ busy ─ended, nobody waits─▶ idle
 *      ▲             ▲  │      │             │ ended, somebody waits: begin
 *      │             │  │      └─open────────┼─found─▶ reading
 *      │         1 s │  │ failed             │
 *      └── lost ─────┘◀─┴────────────lost────┘
 *
 * It owns the order of its runs and nothing else: each run is an actor of its own, queued until the one before it has ended. The
 * order stands in the store, too (`after`): an idle session reads it again before it is sent anything, for others may have used it,
 * and one that lost a run reads it until it knows how to go on with those that wait.
 */
import type { Message } from '@troupe/protocol';
import { assign, type DoneActorEvent, fromPromise, not, setup } from 'xstate';

/** Runs of a session that have not ended, oldest first, and the newest of all. */
export type SessionRuns = { open: string[]; last: string | null };

/** What was said in a session from its first run to the end of a later one, all of which have ended: it stays what it is. */
export type Whole = {
  messages: readonly Message[];
  /** Its first run and its last one, and when each began: another run may have the id once one is forgotten. */
  first: string;
  began: number;
  last: string;
  lastBegan: number;
};
/** What was said in a session, and what of it need not be read again. */
export type Said = { messages: readonly Message[]; whole: Whole | undefined };

type Context = {
  readonly key: string;
  /** The run that was sent last, ended or not. */
  last: string | null;
  current: string | null;
  queue: string[];
};
type SessionEvent =
  | { type: 'open' }
  | { type: 'sent'; runId: string }
  | { type: 'ended'; runId: string }
  /** A run goes on elsewhere, or could not be stored: what comes next is not known here. */
  | { type: 'lost' }
  /** A run of it was brought back that it does not know. */
  | { type: 'found' };

const types = {} as { context: Context; events: SessionEvent; input: { key: string } };

/** The chart of every session. Importable, drawable, explorable. */
export const sessionMachine = setup({
  types,
  actors: {
    /** Reads what the store knows, and brings back what has not ended. */
    runs: fromPromise<SessionRuns, { key: string }>(() =>
      Promise.reject(new Error('A session was started without its actor "runs".')),
    ),
  },
  actions: {
    /** Lets the current run begin, if it waits. */
    begin: () => {},
  },
  guards: {
    hasQueue: ({ context }) => context.queue.length > 0,
    hasCurrent: ({ context }) => context.current !== null,
    isCurrent: ({ context, event }) => event.type === 'ended' && event.runId === context.current,
  },
}).createMachine({
  id: 'session',
  context: ({ input: { key } }) => ({ key, last: null, current: null, queue: [] }),
  initial: 'unread',
  states: {
    unread: { on: { open: 'reading', found: 'reading' } },
    reading: {
      invoke: {
        src: 'runs',
        input: ({ context: { key } }) => ({ key }),
        onDone: {
          target: 'read',
          actions: assign(({ event }: { event: DoneActorEvent<SessionRuns> }) => {
            const [current = null, ...queue] = event.output.open;
            return { last: event.output.last, current, queue };
          }),
        },
        onError: 'lost',
      },
    },
    read: {
      always: [{ guard: 'hasCurrent', target: 'busy', actions: 'begin' }, 'idle'],
    },
    idle: {
      on: {
        open: 'reading',
        found: 'reading',
        sent: {
          target: 'busy',
          actions: assign(({ event }) => ({ last: event.runId, current: event.runId })),
        },
      },
    },
    lost: {
      always: { guard: not('hasQueue'), target: 'unread' },
      after: { 1000: 'reading' },
      on: { open: 'reading', found: 'reading', lost: {} },
    },
    busy: {
      always: { guard: not('hasCurrent'), target: 'idle' },
      on: {
        found: 'reading',
        sent: {
          actions: assign(({ context, event }) => ({ last: event.runId, queue: [...context.queue, event.runId] })),
        },
        ended: [
          {
            guard: 'isCurrent',
            actions: [
              assign(({ context: { queue } }) => ({ current: queue[0] ?? null, queue: queue.slice(1) })),
              'begin',
            ],
          },
          // Interrupted while it was queued.
          { actions: assign(({ context, event }) => ({ queue: context.queue.filter((id) => id !== event.runId) })) },
        ],
      },
    },
  },
  on: { lost: '.lost' },
});
