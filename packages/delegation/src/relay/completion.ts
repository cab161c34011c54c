import { messageOf, redact, shorten, type TerminalEvent } from '@troupe/protocol';
import { answerOf, type EntryStatus, entryStatusOf, problemOf, tokenCountsOf } from '../results/entry.ts';
import { shortLine } from '../results/shorten.ts';
import { secondsOf } from '../results/timeout-text.ts';
import type { ChildCompletion, ChildEvent } from './child-event.ts';
import { outcomeOf, type WatchedChild, workedMs } from './watched-child.ts';

/** Paths that a child has read and written. */
export type TouchedFiles = { read: readonly string[]; written: readonly string[] };

/** Preview and summary of a child that ended. */
const wordsOf = (
  status: EntryStatus,
  outcome: ReturnType<typeof outcomeOf>,
  event: TerminalEvent,
  durationMs: number,
): { preview: string; summary: string } => {
  if (status === 'timeout') return { preview: `Timed out after ${secondsOf(durationMs)}s`, summary: '' };
  const problem = event.type === 'run.interrupted' ? event.reason : problemOf(outcome);
  const text = answerOf(outcome) ?? problem;
  return { preview: shortLine(text, 160), summary: status === 'error' ? '' : shorten(text, 500) };
};

/** At most this many paths are told. */
export const maxPaths = 40;

/** How a child ended, from its last event and what was seen of it. */
export const completionOf = (child: WatchedChild, event: TerminalEvent, files: TouchedFiles): ChildCompletion => {
  const outcome = outcomeOf(event);
  const status = entryStatusOf(outcome);
  const durationMs = workedMs(child, event);
  const { own } = event.usage;
  const { input, output, reasoning = 0 } = tokenCountsOf(own);
  const { partialText } = outcome as { partialText?: string };
  return {
    status,
    exitReason: outcome.exitReason,
    ...wordsOf(status, outcome, event, durationMs),
    ...(partialText && { partialText: shorten(partialText, 500) }),
    durationMs,
    inputTokens: input,
    outputTokens: output,
    reasoningTokens: reasoning,
    ...(own.costUsd !== undefined && { costUsd: own.costUsd }),
    apiCalls: child.apiCalls,
    filesRead: files.read.slice(0, maxPaths),
    filesWritten: files.written.slice(0, maxPaths),
    outputTail: child.tail.map(({ tool, preview, is_error: isError }) => ({ tool, preview, isError })),
    ...(child.unheard.length > 0 && { unheard: child.unheard }),
  };
};

/** What a child is called in a list: the first 40 characters of its goal, on one line. */
export const childLabel = (goal: string): string =>
  goal
    .slice(0, 400)
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 40)
    .replace(/[\uD800-\uDBFF]$/, '');

/** The line of a child that has ended: `✓ [2/3] Find the cause (12s)`, with `✗` for every status but `completed`. */
export const completionLine = ({
  status,
  goal,
  durationMs,
  taskIndex,
  taskCount,
}: Pick<
  Extract<ChildEvent, { type: 'child.complete' }>,
  'status' | 'goal' | 'durationMs' | 'taskIndex' | 'taskCount'
>): string => {
  const place = taskIndex === undefined || taskCount === undefined ? '' : `[${taskIndex + 1}/${taskCount}] `;
  return `${status === 'completed' ? '✓' : '✗'} ${place}${childLabel(goal)} (${Math.round(durationMs / 1_000)}s)`;
};

/** The message of what a plugged-in function threw, as it may be told. */
export const whyNot = (error: unknown): string => redact(messageOf(error));
