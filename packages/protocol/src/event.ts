/**
 * Everything that can happen to a run: facts, named `noun.pastTense`.
 *
 * This union is the stored format and the wire format. A member may gain optional fields, never lose or change one.
 * Stored events carry a sequence for their run (`seq`) and one for their tree (`rootSeq`), both 1, 2, 3 … without gap.
 * Live events (`live: true`) are told as they come and never stored: replay, cursors, recovery and the laws know nothing of them.
 */
import * as z from 'zod';
import { Budget, Grant } from './budget.ts';
import { Fault } from './fault.ts';
import { JobData } from './job.ts';
import { JSONValue } from './json.ts';
import { Message } from './message.ts';
import { Answer, Question } from './question.ts';
import { ExitReason, RunStatus, UsageReport } from './report.ts';
import { Usage } from './usage.ts';

const about = {
  runId: z.string(),
  rootId: z.string(),
  parentId: z.string().optional(),
  /** The parent's call that started this run; in `call.*` events the call itself. */
  callId: z.string().optional(),
  depth: z.number(),
  agent: z.string(),
  /** Epoch milliseconds. */
  at: z.number(),
};

/** Where a stored event stands: in its run, in its tree, over all trees. */
const place = {
  id: z.string(),
  seq: z.number(),
  rootSeq: z.number(),
  /** Given by the store: what a reader over all trees goes on from. */
  cursor: z.string().optional(),
  /** Milliseconds that the run waited for a slot since its event before: no active time. */
  waitedMs: z.number().optional(),
};

/** The envelope with an event's own data, which may say more precisely what `callId` is. */
const shape = <E extends z.ZodRawShape, S extends z.ZodRawShape>(
  envelope: E,
  data: S,
): Omit<typeof about & E, keyof S> & S => ({
  ...about,
  ...envelope,
  ...data,
});

const fact = <const T extends string, S extends z.ZodRawShape>(type: T, data: S) =>
  z.object(shape({ ...place, type: z.literal(type) }, data));

const live = <const T extends string, S extends z.ZodRawShape>(type: T, data: S) =>
  z.object(shape({ type: z.literal(type), live: z.literal(true), seq: z.number(), part: z.number() }, data));

const usage = { usage: UsageReport };
/** A budget whose deadline is a point in time. */
const BoundBudget = Budget.extend({ deadlineAt: z.number().optional() });
const child = { childId: z.string(), callId: z.string(), childAgent: z.string(), grant: Grant };

/** Events that are stored before they are told. */
export const StoredEvent = z.discriminatedUnion('type', [
  fact('run.queued', { job: JobData }),
  fact('run.started', {
    job: JobData,
    model: z.string(),
    /** What binds the run: everything that was set, and defaults where nothing was. A deadline is a point in time here. */
    budget: BoundBudget,
    sessionKey: z.string().optional(),
    /** The call that started it in the background; of a run that was sent to another session, with the session that asked for it. */
    origin: z
      .object({
        runId: z.string(),
        rootId: z.string(),
        callId: z.string(),
        each: z.literal(true).optional(),
        sessionKey: z.string().optional(),
      })
      .optional(),
  }),
  fact('run.paused', { reason: z.enum(['question', 'paused']), questionIds: z.array(z.string()) }),
  fact('run.resumed', { by: z.enum(['answer', 'command']) }),
  fact('run.steered', { text: z.string() }),
  fact('run.recovered', {}),
  fact('run.detached', {}),
  /** Everything before it is a copy of what happened in another tree; everything after it is this tree's own. */
  fact('run.forked', {
    /** The event of the other tree from which this one goes on. */
    from: z.string(),
    changed: z.array(z.enum(['turn', 'answer', 'budget'])),
    /** What the other tree had used for all that this one begins with. */
    carried: Usage,
    /** What binds the run from here on, where that was changed. */
    budget: BoundBudget.optional(),
  }),
  fact('run.completed', { text: z.string().nullable(), data: JSONValue.optional(), ...usage }),
  fact('run.failed', { exitReason: ExitReason, fault: Fault, partialText: z.string().optional(), ...usage }),
  fact('run.interrupted', { exitReason: ExitReason, reason: z.string(), partialText: z.string().optional(), ...usage }),

  fact('turn.started', {
    turn: z.number(),
    model: z.string(),
    /** What the run was told before this turn, in order: steering, and notes on its own answers. */
    heard: z.array(z.string()).optional(),
    /** Background units whose completions are among it: they are delivered now. */
    delivered: z.array(z.string()).optional(),
  }),
  fact('turn.attempted', {
    turn: z.number(),
    number: z.number(),
    provider: z.string(),
    model: z.string(),
    credentialId: z.string().optional(),
    fault: Fault.optional(),
    waitMs: z.number().optional(),
    usage: Usage.optional(),
  }),
  fact('turn.completed', {
    turn: z.number(),
    message: Message,
    reasoning: z.string().optional(),
    usage: Usage,
    costUsd: z.number().nullable(),
    /** Who answered, where that is not the model of `turn.started`: usage counts for it. */
    model: z.string().optional(),
    finish: z.enum(['stop', 'calls', 'length', 'filter']),
  }),

  fact('call.started', { callId: z.string(), tool: z.string(), arguments: JSONValue }),
  fact('call.completed', {
    callId: z.string(),
    tool: z.string(),
    /** The first 200 characters of what the model is told (see `previewLength` of the tool), `…` when there is more. */
    preview: z.string(),
    truncated: z.boolean(),
    result: z.string(),
    data: JSONValue.optional(),
  }),
  fact('call.failed', {
    callId: z.string(),
    tool: z.string(),
    error: z.string(),
    timedOut: z.boolean().optional(),
    cancelled: z.boolean().optional(),
    /** `error` when the call ran or could not; `refused` over a limit; `skipped` behind a question. */
    status: z.enum(['error', 'refused', 'skipped']).optional(),
    /** What the model is told. */
    result: z.string(),
    data: JSONValue.optional(),
  }),

  fact('question.asked', { question: Question }),
  fact('question.answered', { questionId: z.string(), answer: Answer, by: z.string() }),

  fact('child.requested', child),
  fact('child.started', child),
  fact('child.settled', {
    ...child,
    status: RunStatus,
    exitReason: ExitReason,
    /** The child's total, its own children included; `byModel` splits it. */
    usage: Usage,
    byModel: z.record(z.string(), Usage).optional(),
  }),
  fact('child.refused', { callId: z.string(), code: z.string(), message: z.string(), limit: z.number().optional() }),

  fact('budget.warned', { kind: z.string(), spent: z.number(), limit: z.number() }),
  fact('budget.exhausted', { kind: z.string(), spent: z.number(), limit: z.number() }),
  /** Somebody has raised limits of the run: what they are from now on. */
  fact('budget.raised', { budget: BoundBudget, by: z.string() }),
  /** From now on the run, and each below it, is refused new children, until spawning is resumed; those that are there go on. */
  fact('spawning.paused', { by: z.string() }),
  fact('spawning.resumed', { by: z.string() }),
  fact('context.compacted', {
    model: z.string(),
    /** Messages that became the summary, and messages that stayed as they were. */
    summarized: z.number(),
    kept: z.number(),
    proactive: z.boolean(),
    summary: z.string(),
    /** What the summary cost; part of the run's own usage. */
    usage: Usage,
    costUsd: z.number().nullable(),
  }),
  fact('memory.read', {
    scope: z.string(),
    key: z.string(),
    found: z.boolean(),
    /** What was found, as the model is told. */
    text: z.string().optional(),
  }),
  fact('memory.written', { scope: z.string(), key: z.string() }),
  fact('policy.applied', { policy: z.string(), decision: z.string(), subject: z.string() }),
  fact('warning.raised', { code: z.string(), message: z.string() }),
]);
export type StoredEvent = z.infer<typeof StoredEvent>;

/** Events that are told as they come. Another process may get neighbours merged, never reordered. */
export const LiveEvent = z.discriminatedUnion('type', [
  live('text.streamed', { delta: z.string() }),
  live('reasoning.streamed', { delta: z.string() }),
  live('call.progressed', { callId: z.string(), note: z.string() }),
]);
export type LiveEvent = z.infer<typeof LiveEvent>;

/** Everything that can happen to a run. Parse with it where events come from outside. */
export const RunEvent = z.union([StoredEvent, LiveEvent]);
export type RunEvent = StoredEvent | LiveEvent;

/** An event of one type, or of several. */
export type EventOf<T extends RunEvent['type']> = Extract<RunEvent, { type: T }>;

/** The events after which a run says nothing more. */
export type TerminalEvent = EventOf<'run.completed' | 'run.failed' | 'run.interrupted'>;

export const isTerminal = (event: Pick<RunEvent, 'type'>): event is TerminalEvent =>
  event.type === 'run.completed' || event.type === 'run.failed' || event.type === 'run.interrupted';

export const isLive = (event: RunEvent): event is LiveEvent => 'live' in event;

type Distribute<E, K extends PropertyKey> = E extends unknown ? Omit<E, K> : never;
type Stamp =
  | 'id'
  | 'seq'
  | 'rootSeq'
  | 'cursor'
  | 'waitedMs'
  | 'at'
  | 'runId'
  | 'rootId'
  | 'parentId'
  | 'depth'
  | 'agent';

/** A stored event before the recorder stamps it: its type and its own data. */
export type EventDraft = Distribute<StoredEvent, Stamp>;
/** A live event before it is stamped. */
export type LiveDraft = Distribute<LiveEvent, Stamp | 'live' | 'part'>;
