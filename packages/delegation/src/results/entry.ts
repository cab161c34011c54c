/** What the model of a parent is told of one child: one shape, however the child ended (B-60). */
import { beginningOf, type ExitReason, type Report, shorten, type Usage } from '@troupe/protocol';
import { timeoutTextOf } from './timeout-text.ts';
import { type OutputTailEntry, outputTailOf, type ToolTraceEntry, toolTraceOf } from './tool-trace.ts';

/**
 * How a child is said to have ended. `partial`: its turns ran out, and what it had said by then is no answer. `timeout`: out of time,
 * idle or stalled. `error`: it broke, or was never started. What exactly it was stands in the exit reason.
 */
export type EntryStatus = 'completed' | 'partial' | 'failed' | 'interrupted' | 'timeout' | 'error';

/** One child, in the words of the tool's own schema. What is optional is absent where it does not apply; the rest is always there. */
export type DelegationEntry = {
  /** 0-based. */
  task_index: number;
  status: EntryStatus;
  exit_reason: ExitReason;
  /** The answer; `null` unless the child completed. */
  summary: string | null;
  /** What a child that did not complete had said last. Not an answer. */
  partial_text?: string;
  /** Why it did not complete. */
  error?: string;
  run_id: string;
  /** `null` when nobody knows it. */
  model: string | null;
  api_calls: number;
  tool_calls: number;
  duration_seconds: number;
  /** With all descendants. */
  tokens: { input: number; output: number; cached?: number; reasoning?: number };
  /** With all descendants; 0 where no price is known. */
  cost_usd: number;
  tool_trace: ToolTraceEntry[];
  output_tail: OutputTailEntry[];
  /** The summary is only the beginning of the answer. */
  truncated?: true;
  /** A log of a child that timed out before its first answer. */
  diagnostic_path?: string;
  /** Of a child that waits for a person. */
  question_ids?: string[];
};

/** What a report does not know of its run. Everything but `index` has a default. */
export type EntryAbout = {
  /** 0-based. */
  index: number;
  /** Default: the first model that the run used. */
  model?: string;
  /** Requests to a model, attempts included. Default: the turns of the report. */
  apiCalls?: number;
  /** Default: from its creation to its end; else its active time. */
  durationMs?: number;
  /** The limit that a timeout ran into. Default: the duration. */
  timeoutMs?: number;
  diagnosticPath?: string;
  /** Characters that are shown of the answer, or of what was said last. Default: all. */
  maxSummaryChars?: number;
};

type Outcome = Pick<Report, 'status' | 'exitReason' | 'text' | 'data' | 'partialText' | 'fault'>;

/** The answer of a run that completed. `(empty)` is what some models say when they say nothing. */
export const answerOf = ({ status, text, data }: Pick<Outcome, 'status' | 'text' | 'data'>): string | null => {
  if (status !== 'completed') return null;
  const answer = text?.trim() ? text : data === undefined ? '' : JSON.stringify(data);
  return ['', '(empty)'].includes(answer.trim()) ? null : answer;
};

const outOfTime: readonly ExitReason[] = ['timeout', 'idle_timeout', 'stalled'];

/** How a run is said to have ended; see {@link EntryStatus}. */
export const entryStatusOf = (outcome: Outcome): EntryStatus => {
  const { status, exitReason, partialText, fault } = outcome;
  if (status === 'completed') return answerOf(outcome) === null ? 'failed' : 'completed';
  if (status === 'interrupted') return 'interrupted';
  if (status === 'paused') return 'failed';
  if (outOfTime.includes(exitReason)) return 'timeout';
  if (exitReason === 'max_turns' && partialText) return 'partial';
  return exitReason === 'error' || fault?.details?.errorType !== undefined ? 'error' : 'failed';
};

/** Why a run did not complete, where its fault does not say. */
export const problemOf = ({ status, exitReason, fault }: Outcome): string => {
  const message = fault?.message.trim();
  if (message) return message;
  if (status === 'interrupted') return `Subagent was interrupted (${exitReason}).`;
  if (status === 'paused') return 'Subagent waits for a person, and was let go: it is answered by its run id.';
  return 'Subagent did not produce a response.';
};

/** A number as it can be shown and added up. */
const amount = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0);

/** Tokens of a usage, in the words of an entry: what is missing or no number counts 0. */
export const tokenCountsOf = ({ inputTokens, outputTokens, cachedTokens, reasoningTokens }: Usage) => ({
  input: amount(inputTokens),
  output: amount(outputTokens),
  ...(cachedTokens !== undefined && { cached: amount(cachedTokens) }),
  ...(reasoningTokens !== undefined && { reasoning: amount(reasoningTokens) }),
});

/** Milliseconds from the creation of a run to its end; of one without an end, those that it worked. */
export const durationMsOf = ({ createdAt, endedAt, usage }: Pick<Report, 'createdAt' | 'endedAt' | 'usage'>): number =>
  createdAt === undefined || endedAt === undefined ? amount(usage.activeMs) : Math.max(0, endedAt - createdAt);

const shownOf = (answer: string, max: number, runId: string): { summary: string; truncated?: true } => {
  if (answer.length <= max) return { summary: answer };
  const banner = `[Truncated: the first ${max} of ${answer.length} characters. The full text is the answer of run "${runId}".]`;
  return { summary: `${banner}\n\n${beginningOf(answer, max)}`, truncated: true };
};

/** The entry of a child, whatever became of it: its spending is there on every path. */
export const entryOf = (report: Report, about: EntryAbout): DelegationEntry => {
  const { runId, usage, partialText, questions } = report;
  const {
    index,
    diagnosticPath,
    durationMs = durationMsOf(report),
    maxSummaryChars = Number.POSITIVE_INFINITY,
  } = about;
  const status = entryStatusOf(report);
  const answer = answerOf(report);
  const error = status === 'timeout' ? timeoutTextOf(report, { ...about, durationMs }) : problemOf(report);
  return {
    task_index: index,
    status,
    exit_reason: report.status === 'completed' && answer === null ? 'no_answer' : report.exitReason,
    ...(answer === null ? { summary: null, error } : shownOf(answer, maxSummaryChars, runId)),
    ...(partialText && { partial_text: shorten(partialText, maxSummaryChars) }),
    run_id: runId,
    model: about.model ?? Object.keys(usage.byModel)[0] ?? null,
    api_calls: amount(about.apiCalls ?? usage.turns),
    tool_calls: amount(usage.toolCalls),
    duration_seconds: Math.round(amount(durationMs) / 10) / 100,
    tokens: tokenCountsOf(usage.total),
    cost_usd: amount(usage.total.costUsd),
    tool_trace: toolTraceOf(report),
    output_tail: outputTailOf(report),
    ...(diagnosticPath !== undefined && { diagnostic_path: diagnosticPath }),
    ...(questions.length > 0 && { question_ids: questions.map(({ id }) => id) }),
  };
};
