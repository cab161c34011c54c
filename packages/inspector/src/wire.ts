/**
 * What the page and the hub say to each other, over one WebSocket: JSON texts, one message each.
 *
 * The page opens `ws://127.0.0.1:<port>/page?token=<token>`; the token is that of the page's own address. The hub begins with `hello`:
 * every row that is shown, what happened last, and what is asked. From then on it tells changes in frames, at most 20 a second, each row at
 * most once in a frame. A viewer that reads slowly misses frames, never rows: what changed meanwhile comes with the next frame that
 * reaches it, and `missed` counts the happenings that do not.
 *
 * The page says what it looks at (`watch`, `travel`), and the hub tells details of that alone: first all of it (`details`), then what
 * changes (`progress`). Everything else is asked for with an `id` that comes back with its one answer: `receipt`, `history`, `exported`,
 * `older` or `error`. A message that is understood by nobody is answered with `error` and changes nothing.
 */
import { Answer, Budget, JSONValue, Question } from '@troupe/protocol';
import * as z from 'zod';
import { Machine, Step } from './wire/chart.ts';
import { Entry } from './wire/conversation.ts';
import { Happening } from './wire/happening.ts';
import { Line } from './wire/row.ts';

export { ChartEdge, ChartState, Machine, Step } from './wire/chart.ts';
export { Entry } from './wire/conversation.ts';
export { Happening } from './wire/happening.ts';
export { ActorLine, Gauge, Line, RunLine, Spending } from './wire/row.ts';

/** Raised with every change that an older page would not understand. */
export const wireVersion = 3;

/** What a command comes to, or would come to: see `Receipt` of the protocol. */
export const ReceiptLine = z.discriminatedUnion('status', [
  z.object({ status: z.literal('accepted') }),
  z.object({
    status: z.literal('deferred'),
    until: z.enum(['question.answered', 'call.settled', 'turn.completed', 'resumed']),
  }),
  z.object({ status: z.literal('rejected'), reason: z.string() }),
]);
export type ReceiptLine = z.infer<typeof ReceiptLine>;

/** What a person may ask of a run. */
export const Command = z.discriminatedUnion('type', [
  z.object({ type: z.literal('steer'), runId: z.string(), text: z.string() }),
  z.object({ type: z.literal('pause'), runId: z.string() }),
  z.object({ type: z.literal('resume'), runId: z.string() }),
  z.object({ type: z.literal('interrupt'), runId: z.string(), reason: z.string().optional() }),
  z.object({ type: z.literal('answer'), runId: z.string(), questionId: z.string(), answer: Answer }),
  /** Raises limits of a run, each to what is given. A deadline is given as milliseconds from the run's start. */
  z.object({ type: z.literal('raise'), runId: z.string(), budget: Budget }),
  /** Starts a new tree from an event of this one. The receipt names the new root. */
  z.object({
    type: z.literal('fork'),
    /** The root of the tree. */
    runId: z.string(),
    /** The id of an event of it. */
    at: z.string(),
    change: z
      .object({
        turn: z
          .object({
            text: z.string().optional(),
            calls: z.array(z.object({ name: z.string(), arguments: JSONValue })).optional(),
          })
          .optional(),
        answer: Answer.optional(),
        budget: Budget.optional(),
      })
      .optional(),
  }),
  /** Refuses new children to the run and all below it, until spawning is resumed. */
  z.object({ type: z.literal('pauseSpawning'), runId: z.string() }),
  z.object({ type: z.literal('resumeSpawning'), runId: z.string() }),
]);
export type Command = z.infer<typeof Command>;

/** What the buttons of a run would come to now, by what its machine says. `answer` is asked for with `can`, with the answer. */
export const Can = z.object({
  steer: ReceiptLine,
  pause: ReceiptLine,
  resume: ReceiptLine,
  interrupt: ReceiptLine,
  raise: ReceiptLine,
  pauseSpawning: ReceiptLine,
  resumeSpawning: ReceiptLine,
  /** Whether the tree can be forked from here at all. */
  fork: ReceiptLine,
});
export type Can = z.infer<typeof Can>;

/** What a run can be taken along as: `sequence` and `chart` are Mermaid. */
export const ExportFormat = z.enum(['html', 'markdown', 'jsonl', 'sequence', 'chart']);
export type ExportFormat = z.infer<typeof ExportFormat>;

/** Page to hub. */
export const ToHub = z.discriminatedUnion('type', [
  /** Looks at a row, or at none. Answered with `details`; the row before is told of no more. */
  z.object({ type: z.literal('watch'), rowId: z.string().nullable() }),
  /**
   * Goes to a moment of a tree: after its event `rootSeq`, or back to the present with `null`. Answered with `past` (not for `null`)
   * and, where a row of the tree is looked at, with its `details` at that moment. Frames go on telling the present.
   */
  z.object({ type: z.literal('travel'), rootId: z.string(), rootSeq: z.int().positive().nullable() }),
  /** What happened in a tree before a point of it (default: its end), newest last. Answered with `history`. */
  z.object({
    type: z.literal('history'),
    id: z.string(),
    rootId: z.string(),
    before: z.int().positive().optional(),
    /** At most 5,000, the default. */
    limit: z.int().positive().max(5_000).optional(),
  }),
  /**
   * Shows older trees of the store, or with `runId` that of one run. Their rows come with frames, to every page, and are answered with
   * `older` once they are known.
   */
  z.object({ type: z.literal('older'), id: z.string(), runId: z.string().optional() }),
  /** A run with all below it as one file. Answered with `exported`. */
  z.object({ type: z.literal('export'), id: z.string(), runId: z.string(), as: ExportFormat }),
  /** What a command would come to: nothing is done. Answered with `receipt`. */
  z.object({ type: z.literal('can'), id: z.string(), command: Command }),
  /** Answered with `receipt`. */
  z.object({ type: z.literal('command'), id: z.string(), command: Command }),
]);
export type ToHub = z.infer<typeof ToHub>;

/** A run's chart: its machine was sent before, as `machine`. Missing where no machine is known; `problem` says why. */
export const Chart = z.object({
  machineId: z.string().optional(),
  problem: z.string().optional(),
  /** Ids of the active states. */
  active: z.array(z.string()),
  /** The last 500 steps, oldest first. The last of them is the last transition. */
  steps: z.array(Step),
  /** What the machine knows: its context, shortened. */
  context: JSONValue.optional(),
});

export type Chart = z.infer<typeof Chart>;

/** Hub to page. */
export const ToPage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    version: z.number(),
    /** What is looked at: a running program, a store, or programs that send Stately's messages. */
    source: z.enum(['runtime', 'store', 'actors']),
    /** For the page's title: a file, or the program. */
    name: z.string(),
    /** Where programs may send Stately's inspection messages: the `url` of `createWebSocketInspector`. Holds the token. */
    inspectUrl: z.string(),
    /** Epoch milliseconds of the hub: ages are counted from here. */
    now: z.number(),
    /** Those that are shown: of the trees that began last, of those that go on, and of older ones that somebody asked for. */
    lines: z.array(Line),
    /** The last 2,000 that happened, oldest first. */
    happenings: z.array(Happening),
    /** What is asked in the trees that are shown, oldest first. */
    questions: z.array(Question),
    /** Whether the program refuses every new child, of whatever run; `null` where no program is looked at. */
    spawningPaused: z.boolean().nullable(),
    /** Whether older trees are stored than those that are shown. */
    older: z.boolean(),
  }),
  z.object({
    type: z.literal('frame'),
    now: z.number(),
    /** Rows that are new or have changed, whole. */
    lines: z.array(Line),
    /** Rows that are forgotten, or have made room for others. */
    gone: z.array(z.string()),
    happenings: z.array(Happening),
    /** Happenings of frames that this viewer was too slow for: ask for the `history` of a tree where they matter. */
    missed: z.number(),
    /** All of them, when any has changed. */
    questions: z.array(Question).optional(),
    spawningPaused: z.boolean().nullable().optional(),
    older: z.boolean().optional(),
  }),
  /** A machine, before the first chart that is of it. */
  z.object({ type: z.literal('machine'), machine: Machine }),
  /** Everything about the row that is looked at. */
  z.object({
    type: z.literal('details'),
    rowId: z.string(),
    /** The moment, while the viewer is in the past of its tree; `null` for the present. */
    rootSeq: z.number().nullable(),
    chart: Chart,
    entries: z.array(Entry),
    /** Missing in the past, and for actors. */
    can: Can.optional(),
  }),
  /** What has changed about the row that is looked at, since `details`. Only in the present. */
  z.object({
    type: z.literal('progress'),
    rowId: z.string(),
    /** All of it but its steps: `steps` are those that are new. */
    chart: Chart.optional(),
    /** Entries that are new or have changed: the same `id` takes the place of what was there, others come last. */
    entries: z.array(Entry).optional(),
    can: Can.optional(),
  }),
  /** A tree at a moment: its rows, and what was asked then. Rows of it that are not here had not begun. */
  z.object({
    type: z.literal('past'),
    rootId: z.string(),
    rootSeq: z.number(),
    /** When that was, in epoch milliseconds: ages of the past are counted to here. */
    at: z.number(),
    lines: z.array(Line),
    questions: z.array(Question),
  }),
  z.object({
    type: z.literal('history'),
    id: z.string(),
    rootId: z.string(),
    happenings: z.array(Happening),
    /** True when nothing happened before the first of them. */
    complete: z.boolean(),
  }),
  /** `rows`: how many have come. */
  z.object({ type: z.literal('older'), id: z.string(), rows: z.number() }),
  z.object({ type: z.literal('exported'), id: z.string(), name: z.string(), mediaType: z.string(), text: z.string() }),
  /** `runId`: of a fork that was accepted. */
  z.object({ type: z.literal('receipt'), id: z.string(), receipt: ReceiptLine, runId: z.string().optional() }),
  /** Something could not be done. `id`: of the message that it answers, where there was one. */
  z.object({ type: z.literal('error'), id: z.string().optional(), code: z.string(), message: z.string() }),
]);
export type ToPage = z.infer<typeof ToPage>;
