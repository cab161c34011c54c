/**
 * One sub-agent: it does one thing after another, each as a run of its session.
 *
 *   idle ─asked─▶ beginning ─begun─▶ working ─its last run has ended─▶ idle
 *                  ▲   ▲ └─could not be stored─▶ settling           │
 *                  │   └───────────asked for something else──────────┤
 *                  └─── what was asked meanwhile ── settling ◀───────┘
 *
 *   beginning: noting (what it is asked is stored) ─▶ sending (its run is)
 *
 * Being steered is being asked while at work: the new run is stored first and waits for the old one, which is stopped then. A cancel
 * wins over everything that was asked before it: what has not begun by then never does, what has is stopped, and what waits behind
 * something else is stopped before that.
 */
import { FaultError, faultOf } from '@troupe/protocol';
import { and, assign, type ErrorActorEvent, fromPromise, raise, sendParent, setup } from 'xstate';
import type { Member } from './roster.ts';
import type { SubagentRecord } from './subagent-record.ts';

/** Something to do. */
export type Ask = {
  /** As the sub-agent is stored once it has begun. */
  record: SubagentRecord;
  /** How it stood before; absent for a new one. */
  before?: Member;
  /** Who is told what came of it; absent where nobody waits. */
  requestId?: number;
};

export type SubagentCommand =
  | { type: 'ask'; ask: Ask }
  | { type: 'cancel'; reason: string }
  /** Runs that another one has taken the place of. */
  | { type: 'drop'; runIds: string[] }
  /** A run of its session has begun, whoever sent it: it is woken by what it waited for. */
  | { type: 'began'; runId: string }
  | { type: 'ended'; runId: string };

/** What its manager hears. */
export type SubagentNews =
  | { type: 'subagent.begun'; ask: Ask }
  | { type: 'subagent.unbegun'; ask: Ask; error: unknown }
  /** It has nothing to do. */
  | { type: 'subagent.idle'; agentId: string };

type Context = {
  agentId: string;
  /** What is to begin, first the one that is about to. */
  asks: Ask[];
  /** Runs that have not ended, oldest first. */
  open: string[];
  /** How many of what is to begin, from the first, were asked for before it was cancelled, and why it was. */
  doomed: number;
  reason: string;
};

const types = {} as {
  context: Context;
  events: SubagentCommand | { type: 'sent' };
  input: { agentId: string; open: string[] };
};

const runIdOf = (ask: Ask | undefined): string => ask?.record.run?.runId ?? '';

const steeredAway = 'It was steered: it does something else now.';

const unbegun = ({ asks }: Context, error: unknown): SubagentNews => ({
  type: 'subagent.unbegun',
  ask: asks[0] as Ask,
  error,
});
const overtaken = (context: Context): SubagentNews =>
  unbegun(context, new FaultError('subagent.cancelled', context.reason));

/** What waits behind something else is stopped before that. */
const stopAll = {
  type: 'stop',
  params: ({ context, event }: { context: Context; event: Extract<SubagentCommand, { type: 'cancel' }> }) => ({
    runIds: context.open.toReversed(),
    reason: event.reason,
  }),
} as const;

const begun = ({ asks }: Context): SubagentNews => ({ type: 'subagent.begun', ask: asks[0] as Ask });

const failed = [
  {
    type: 'say',
    params: ({ context, event }: { context: Context; event: ErrorActorEvent }) => unbegun(context, event.error),
  },
  'unopens',
  'giveUp',
  'next',
] as const;

/** The chart of every sub-agent. Importable, drawable, explorable. */
export const subagentMachine = setup({
  types,
  actors: {
    /** Stores what it is asked: whatever crashes then, its run begins later, once. */
    note: fromPromise<void, Ask>(() => Promise.reject(new Error('A sub-agent was started without its actor "note".'))),
    /** Sends its run; resolves once that is stored. */
    send: fromPromise<void, Ask>(() => Promise.reject(new Error('A sub-agent was started without its actor "send".'))),
  },
  actions: {
    say: sendParent((_, news: SubagentNews) => news),
    /** Interrupts runs, in their order. */
    stop: (_args, _params: { runIds: string[]; reason: string }) => {},
    take: assign({
      asks: ({ context, event }) => (event.type === 'ask' ? [...context.asks, event.ask] : context.asks),
    }),
    opens: assign({ open: ({ context }) => [...context.open, runIdOf(context.asks[0])] }),
    sees: assign({
      open: ({ context, event }) =>
        event.type === 'began' && !context.open.includes(event.runId) ? [...context.open, event.runId] : context.open,
    }),
    unopens: assign({ open: ({ context }) => context.open.filter((runId) => runId !== runIdOf(context.asks[0])) }),
    closes: assign({
      open: ({ context, event }) =>
        event.type === 'ended' ? context.open.filter((runId) => runId !== event.runId) : context.open,
    }),
    next: assign({
      asks: ({ context }) => context.asks.slice(1),
      doomed: ({ context }) => Math.max(context.doomed - 1, 0),
    }),
    /** Who never was is asked nothing more. What it did before it was steered goes on. */
    giveUp: assign(({ context, event }) =>
      context.asks[0]?.record.run?.restarted
        ? {}
        : {
            doomed: context.asks.length,
            reason: faultOf((event as unknown as ErrorActorEvent).error, 'store.unavailable').message,
          },
    ),
    mark: assign({
      doomed: ({ context }) => context.asks.length,
      reason: ({ context, event }) => (event.type === 'cancel' ? event.reason : context.reason),
    }),
  },
  guards: {
    hasAsk: ({ context }) => context.asks.length > 0,
    isCancelled: ({ context }) => context.doomed > 0,
    isSteering: ({ context }) => context.asks[0]?.record.run?.restarted === true,
    isOwn: ({ context, event }) => event.type === 'began' && event.runId === runIdOf(context.asks[0]),
    isAtWork: ({ context }) => context.open.length > 0,
  },
}).createMachine({
  id: 'subagent',
  context: ({ input: { agentId, open } }) => ({ agentId, asks: [], open, doomed: 0, reason: '' }),
  initial: 'settling',
  on: {
    ask: { actions: 'take' },
    began: { actions: 'sees' },
    ended: { actions: 'closes' },
    drop: {
      actions: { type: 'stop', params: ({ event }) => ({ runIds: event.runIds, reason: steeredAway }) },
    },
    cancel: {
      actions: ['mark', stopAll],
    },
  },
  states: {
    settling: {
      always: [
        {
          guard: 'isCancelled',
          target: 'settling',
          reenter: true,
          actions: [{ type: 'say', params: ({ context }) => overtaken(context) }, 'next'],
        },
        { guard: 'hasAsk', target: 'beginning' },
        { guard: 'isAtWork', target: 'working' },
        'idle',
      ],
    },
    idle: {
      entry: { type: 'say', params: ({ context: { agentId } }) => ({ type: 'subagent.idle', agentId }) },
      on: {
        ask: { target: 'settling', actions: 'take' },
        began: { target: 'working', actions: 'sees' },
      },
    },
    beginning: {
      entry: 'opens',
      initial: 'noting',
      states: {
        noting: {
          invoke: {
            src: 'note',
            input: ({ context }) => context.asks[0] as Ask,
            onDone: 'sending',
            onError: { target: '#subagent.settling', actions: failed },
          },
          // Nobody has heard of its run yet, and somebody is at work: that is what was cancelled.
          on: {
            cancel: {
              guard: 'isSteering',
              target: '#subagent.settling',
              actions: ['unopens', 'mark', stopAll],
            },
          },
        },
        sending: {
          invoke: {
            src: 'send',
            input: ({ context }) => context.asks[0] as Ask,
            onDone: { actions: raise({ type: 'sent' }) },
            onError: {
              target: '#subagent.settling',
              // It may be there all the same.
              actions: [
                {
                  type: 'stop',
                  params: ({ context, event }) => ({
                    runIds: [runIdOf(context.asks[0])],
                    reason: faultOf(event.error, 'store.unavailable').message,
                  }),
                },
                ...failed,
              ],
            },
          },
          on: {
            began: { guard: 'isOwn', actions: raise({ type: 'sent' }) },
            sent: [
              {
                guard: and(['isCancelled', 'isSteering']),
                target: '#subagent.settling',
                actions: [{ type: 'say', params: ({ context }) => overtaken(context) }, 'next'],
              },
              {
                guard: 'isCancelled',
                target: '#subagent.settling',
                actions: [
                  { type: 'say', params: ({ context }) => begun(context) },
                  {
                    type: 'stop',
                    params: ({ context }) => ({ runIds: [runIdOf(context.asks[0])], reason: context.reason }),
                  },
                  'next',
                ],
              },
              {
                target: '#subagent.settling',
                actions: [
                  { type: 'say', params: ({ context }) => begun(context) },
                  {
                    type: 'stop',
                    // What came before it does not go on.
                    params: ({ context: { asks, open } }) => ({
                      runIds: open.filter((runId) => runId !== runIdOf(asks[0])),
                      reason: steeredAway,
                    }),
                  },
                  'next',
                ],
              },
            ],
          },
        },
      },
    },
    working: {
      on: {
        ask: { target: 'settling', actions: 'take' },
        ended: { target: 'settling', actions: 'closes' },
      },
    },
  },
});
