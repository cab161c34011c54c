import { Answer, Fault, JSONValue, Question, RunStatus, Usage } from '@troupe/protocol';
import * as z from 'zod';

const about = {
  /** Unique in the run. The same id again takes the place of what was there. */
  id: z.string(),
  /** Epoch milliseconds. */
  at: z.number(),
  /** The event that it is from: what may be forked from. Missing while it only streams. */
  eventId: z.string().optional(),
  rootSeq: z.number().optional(),
};

/** One thing that was said in a run, or done. In the order in which it began. */
export const Entry = z.discriminatedUnion('type', [
  /** What it was asked. */
  z.object({
    ...about,
    type: z.literal('job'),
    input: JSONValue,
    constraints: z.array(z.string()).optional(),
    attachments: z.number().optional(),
  }),
  /** What somebody told it on the way, and what it heard before a turn. */
  z.object({ ...about, type: z.literal('told'), by: z.enum(['person', 'system']), text: z.string() }),
  /** An answer of the model; while `streaming`, what there is of it so far. */
  z.object({
    ...about,
    type: z.literal('turn'),
    turn: z.number(),
    model: z.string(),
    text: z.string(),
    reasoning: z.string().optional(),
    streaming: z.boolean(),
    usage: Usage.optional(),
    costUsd: z.number().nullable().optional(),
    finish: z.string().optional(),
    /** Attempts at it that failed, oldest first. */
    attempts: z.array(z.string()).optional(),
  }),
  /** A tool call, and its result once there is one. */
  z.object({
    ...about,
    type: z.literal('call'),
    callId: z.string(),
    tool: z.string(),
    arguments: JSONValue,
    /** `open` until it has its result. */
    status: z.enum(['open', 'ok', 'error', 'refused', 'skipped']),
    result: z.string().optional(),
    /** What it told of its progress last. */
    note: z.string().optional(),
    endedAt: z.number().optional(),
    children: z.array(z.object({ runId: z.string(), agent: z.string(), status: RunStatus.optional() })),
  }),
  z.object({ ...about, type: z.literal('question'), question: Question, answer: Answer.optional() }),
  /** What was left out of the conversation, and the summary in its place. */
  z.object({ ...about, type: z.literal('compacted'), summary: z.string(), summarized: z.number() }),
  z.object({ ...about, type: z.literal('warning'), code: z.string(), message: z.string() }),
  /** How it ended. */
  z.object({
    ...about,
    type: z.literal('end'),
    status: RunStatus,
    exitReason: z.string(),
    text: z.string().nullable(),
    fault: Fault.optional(),
  }),
]);
export type Entry = z.infer<typeof Entry>;
