import * as z from 'zod';
import { Fault } from './fault.ts';
import { JSONValue } from './json.ts';
import { Message } from './message.ts';
import { Question } from './question.ts';
import { Usage } from './usage.ts';

/** How a run can stand. `completed`, `failed` and `interrupted` are for ever. */
export const RunStatus = z.enum(['queued', 'running', 'paused', 'interrupting', 'completed', 'failed', 'interrupted']);
export type RunStatus = z.infer<typeof RunStatus>;

/** True for the statuses that nothing follows. */
export const isEnded = (status: RunStatus): status is 'completed' | 'failed' | 'interrupted' =>
  status === 'completed' || status === 'failed' || status === 'interrupted';

/** The statuses of runs that have not ended. */
export const unfinished = ['queued', 'running', 'paused', 'interrupting'] as const satisfies readonly RunStatus[];

/** Why a run ended, or waits. */
export const ExitReason = z.enum([
  'answered',
  'max_turns',
  'max_tool_calls',
  'budget',
  'timeout',
  'idle_timeout',
  'stalled',
  'no_answer',
  'invalid_output',
  'context_length',
  'model_error',
  'declined',
  'error',
  'agent_unknown',
  'agent_changed',
  'poison',
  'interrupted',
  'parent_interrupted',
  'stopped',
  'closed',
  'orphaned',
  'cancelled',
  'question',
  'paused',
]);
export type ExitReason = z.infer<typeof ExitReason>;

/** What a run and everything below it used. */
export const UsageReport = z.object({
  /** With all descendants. */
  total: Usage,
  /** Of the run's own turns. */
  own: Usage,
  /** By model id, with all descendants. */
  byModel: z.record(z.string(), Usage),
  /** The run's own model answers, executed calls and milliseconds of work. */
  turns: z.number(),
  toolCalls: z.number(),
  activeMs: z.number(),
  /** Of a forked run: what of `total` was used since then, by itself and everything below. What it cost, that is. */
  sinceFork: Usage.optional(),
});
export type UsageReport = z.infer<typeof UsageReport>;

/** One tool call as the report lists it. */
export const CallReport = z.object({
  callId: z.string(),
  tool: z.string(),
  arguments: JSONValue,
  /** What the model was told. */
  result: z.string(),
  /** What the tool gave besides text; absent for plain text and for calls that did not run. */
  data: JSONValue.optional(),
  status: z.enum(['ok', 'error', 'refused', 'skipped']),
  startedAt: z.number(),
  endedAt: z.number(),
});
export type CallReport = z.infer<typeof CallReport>;

/** One child as its parent's report lists it. */
export const ChildReport = z.object({
  runId: z.string(),
  agent: z.string(),
  status: RunStatus,
  exitReason: ExitReason,
  usage: Usage,
});
export type ChildReport = z.infer<typeof ChildReport>;

/** What a run gave, as stored. */
export const ReportData = z.object({
  runId: z.string(),
  /** The run, and its call, that started this one. */
  parentId: z.string().optional(),
  callId: z.string().optional(),
  agent: z.string(),
  status: z.enum(['completed', 'failed', 'interrupted', 'paused']),
  exitReason: ExitReason,
  /** Epoch milliseconds: when the run was first heard of, and when it ended. Absent where there was no run, or no end. */
  createdAt: z.number().optional(),
  endedAt: z.number().optional(),
  /** The answer; `null` unless the run completed with one. */
  text: z.string().nullable(),
  /** The answer as checked by the output schema. */
  data: JSONValue.optional(),
  /** What a run that did not complete had said last. Not an answer. */
  partialText: z.string().optional(),
  fault: Fault.optional(),
  questions: z.array(Question),
  usage: UsageReport,
  calls: z.array(CallReport),
  children: z.array(ChildReport),
  messages: z.array(Message),
});
export type ReportData = z.infer<typeof ReportData>;

/** What a run gave; `T` is the type of its agent's output schema. Never rejects a promise: a failed run is a report, too. */
export type Report<T = JSONValue> = Omit<ReportData, 'data'> & { data?: T };
