/**
 * What one page looks at, in which moment, and whether it keeps up: three things side by side.
 *
 *   row      none ─look─▶ finding ─▶ placing ─▶ live { reading ▶ shown }     the row as it is
 *                            │          ├─────▶ stored { reading ▶ shown }   the row in the past of its tree
 *                            ▼          └─────▶ waiting                      until that past is told
 *                          gone  ◀── forgotten, or it cannot be read
 *   moment   present ⇄ past; reading in between: the tree as it was is told before any row of it
 *   pace     keepingUp ⇄ behind ──for too long, or far and asks for more──▶ dropped
 *
 * Whatever is asked for overtakes what was asked before: leaving a state stops its actor. Frames are nobody's but the hub's.
 */
import { assign, fromCallback, fromPromise, raise, setup, stateIn } from 'xstate';
import type { ToPage } from '../wire.ts';
import type { Past, PastRow } from './past.ts';
import { type Problem, problemOf } from './problem.ts';

export type Moment = { rootId: string; rootSeq: number };
/** Whether a row is there to be looked at, and the tree that it is of: none for an actor. */
export type Found = { isThere: boolean; rootId: string | null };

export type ViewerEvent =
  | { type: 'look'; rowId: string | null }
  /** `head`: the last event of that tree that is known; 0 for a tree that is not. */
  | { type: 'travel'; rootId: string; rootSeq: number | null; head: number }
  /** Everything is known of the row as it is. */
  | { type: 'known' }
  | { type: 'failed'; problem: Problem }
  /** A tree is not stored any more. */
  | { type: 'forgotten'; rootId: string }
  /** Bytes that the page was sent, and has not read: looked at now and then. */
  | { type: 'unread'; bytes: number }
  /** The same when it asks for something. */
  | { type: 'asked'; bytes: number }
  /** It reads again. */
  | { type: 'caughtUp' };

/** `rootId`: the tree of the row that is looked at. */
type ViewerContext = { rowId: string | null; rootId: string | null; moment: Moment | null; mostBytes: number };

/** Milliseconds for which a page may be behind before it is dropped; and by how many times its limit it may be and still ask for more. */
export const patienceMs = 30_000;
const patienceTimes = 16;

const absent = (): never => {
  throw new Error('A viewer was started without its actors.');
};
const types = {} as { context: ViewerContext; events: ViewerEvent; input: { mostBytes: number } };

export const viewerMachine = setup({
  types,
  actors: {
    find: fromPromise<Found, { rowId: string }>(absent),
    /** A row as it is: it says `known` or `failed`. Stopping it looks away. */
    watch: fromCallback<ViewerEvent, { rowId: string }>(absent),
    readTree: fromPromise<Past, Moment>(absent),
    readRow: fromPromise<PastRow | undefined, Moment & { rowId: string }>(absent),
  },
  actions: {
    /** Tells everything about the row as it is, or as it was. */
    show: (_scene, _of: { rowId: string }) => {},
    showStored: (_scene, _of: { rowId: string; moment: Moment; row: PastRow | undefined }) => {},
    tellPast: (_scene, _past: Extract<ToPage, { type: 'past' }>) => {},
    tellProblem: (_scene, _problem: Problem) => {},
    /** Lets go of a page that does not read. */
    drop: () => {},
    look: assign((_scene, { rowId }: { rowId: string | null }) => ({ rowId, rootId: null })),
    place: assign((_scene, { rootId }: { rootId: string | null }) => ({ rootId })),
    go: assign((_scene, moment: Moment | null) => ({ moment })),
  },
  guards: {
    isAway: (_scene, { rowId }: { rowId: string | null }) => rowId === null,
    isThere: (_scene, { isThere }: Found) => isThere,
    isNoTree: (_scene, { rootSeq, head }: { rootSeq: number | null; head: number }) => rootSeq !== null && head === 0,
    isPresent: (_scene, { rootSeq }: { rootSeq: number | null }) => rootSeq === null,
    /** The row is of the tree that is travelled in, or was. */
    isOfTree: ({ context }, { rootId }: { rootId: string }) =>
      context.rootId !== null && (context.rootId === rootId || context.rootId === context.moment?.rootId),
    isOf: ({ context }, { rootId }: { rootId: string }) => context.rootId === rootId,
    isThen: ({ context }) => context.moment !== null && context.rootId === context.moment.rootId,
    isBehind: ({ context }, { bytes }: { bytes: number }) => bytes > context.mostBytes,
    isFarBehind: ({ context }, { bytes }: { bytes: number }) => bytes > patienceTimes * context.mostBytes,
  },
  delays: { patience: patienceMs },
}).createMachine({
  id: 'viewer',
  context: ({ input }) => ({ rowId: null, rootId: null, moment: null, mostBytes: input.mostBytes }),
  type: 'parallel',
  states: {
    moment: {
      initial: 'present',
      on: {
        travel: [
          {
            guard: { type: 'isNoTree', params: ({ event }) => event },
            target: '.present',
            actions: { type: 'tellProblem', params: ({ event }) => noTree(event.rootId) },
          },
          { guard: { type: 'isPresent', params: ({ event }) => event }, target: '.present' },
          {
            target: '.reading',
            actions: { type: 'go', params: ({ event: { rootId, rootSeq } }) => ({ rootId, rootSeq: rootSeq ?? 0 }) },
          },
        ],
      },
      states: {
        present: { entry: { type: 'go', params: null } },
        reading: {
          invoke: {
            src: 'readTree',
            input: ({ context }) => momentOf(context),
            onDone: { target: 'past', actions: { type: 'tellPast', params: ({ event }) => event.output } },
            onError: {
              target: 'present',
              actions: { type: 'tellProblem', params: ({ event }) => problemOf(event.error) },
            },
          },
        },
        past: {},
      },
    },
    row: {
      initial: 'none',
      on: {
        look: [
          {
            guard: { type: 'isAway', params: ({ event }) => event },
            target: '.none',
            actions: { type: 'look', params: ({ event }) => event },
          },
          { target: '.finding', actions: { type: 'look', params: ({ event }) => event } },
        ],
        forgotten: { guard: { type: 'isOf', params: ({ event }) => event }, target: '.gone' },
      },
      states: {
        none: {},
        finding: {
          invoke: {
            src: 'find',
            input: ({ context }) => ({ rowId: context.rowId ?? '' }),
            onDone: [
              {
                guard: { type: 'isThere', params: ({ event }) => event.output },
                target: 'placing',
                actions: { type: 'place', params: ({ event }) => event.output },
              },
              {
                target: 'gone',
                actions: { type: 'tellProblem', params: ({ context }) => noRow(context.rowId ?? '') },
              },
            ],
            onError: {
              target: 'gone',
              actions: { type: 'tellProblem', params: ({ event }) => problemOf(event.error) },
            },
          },
        },
        placing: {
          always: [{ guard: { type: 'isThen' }, target: 'waiting' }, { target: 'live' }],
        },
        waiting: {
          on: { travel: 'placing' },
          always: [
            { guard: stateIn({ moment: 'past' }), target: 'stored' },
            { guard: stateIn({ moment: 'present' }), target: 'live' },
          ],
        },
        live: {
          invoke: { src: 'watch', input: ({ context }) => ({ rowId: context.rowId ?? '' }) },
          initial: 'reading',
          on: {
            travel: { guard: { type: 'isOfTree', params: ({ event }) => event }, target: 'placing' },
            failed: { target: 'gone', actions: { type: 'tellProblem', params: ({ event }) => event.problem } },
          },
          states: {
            reading: {
              on: {
                known: {
                  target: 'shown',
                  actions: { type: 'show', params: ({ context }) => ({ rowId: context.rowId ?? '' }) },
                },
              },
            },
            shown: {
              on: {
                caughtUp: { actions: { type: 'show', params: ({ context }) => ({ rowId: context.rowId ?? '' }) } },
              },
            },
          },
        },
        stored: {
          initial: 'reading',
          on: { travel: { guard: { type: 'isOfTree', params: ({ event }) => event }, target: 'placing' } },
          states: {
            reading: {
              invoke: {
                src: 'readRow',
                input: ({ context }) => ({ rowId: context.rowId ?? '', ...momentOf(context) }),
                onDone: {
                  target: 'shown',
                  actions: {
                    type: 'showStored',
                    params: ({ context, event }) => ({
                      rowId: context.rowId ?? '',
                      moment: momentOf(context),
                      row: event.output,
                    }),
                  },
                },
                onError: {
                  target: '#viewer.row.gone',
                  actions: { type: 'tellProblem', params: ({ event }) => problemOf(event.error) },
                },
              },
            },
            shown: {},
          },
        },
        gone: {},
      },
    },
    pace: {
      initial: 'keepingUp',
      on: { asked: { guard: { type: 'isFarBehind', params: ({ event }) => event }, target: '.dropped' } },
      states: {
        keepingUp: {
          on: { unread: { guard: { type: 'isBehind', params: ({ event }) => event }, target: 'behind' } },
        },
        behind: {
          after: { patience: 'dropped' },
          on: {
            unread: [
              { guard: { type: 'isBehind', params: ({ event }) => event } },
              { target: 'keepingUp', actions: raise({ type: 'caughtUp' }) },
            ],
          },
        },
        dropped: { entry: 'drop', on: { asked: {} } },
      },
    },
  },
});

const momentOf = ({ moment }: ViewerContext): Moment => moment ?? { rootId: '', rootSeq: 0 };
const noTree = (rootId: string): Problem => ({
  code: 'run.unknown',
  message: `There is no tree "${rootId}" here.`,
});
const noRow = (rowId: string): Problem => ({ code: 'row.unknown', message: `There is no row "${rowId}" here.` });
