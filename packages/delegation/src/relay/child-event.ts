import type { ExitReason, JSONValue } from '@troupe/protocol';
import type { Delegation } from '../delegation-of.ts';
import type { EntryStatus } from '../results/entry.ts';

/** What every event of a child says of it. */
export type ChildAbout = {
  runId: string;
  rootId: string;
  /** The run that started it, where that is a child itself. */
  parentId?: string;
  /** Children of a root have 0, theirs 1 … */
  depth: number;
  agent: string;
  /** Which task of its call it is, 0-based, and of how many; absent where another tool than `delegate_task` started it. */
  taskIndex?: number;
  taskCount?: number;
  role?: Delegation['role'];
  /** Of a task whose child ran out of time, and that is tried again: which of its fallbacks this child is, from 1. */
  fallback?: number;
  goal: string;
  /** Tool calls that it has begun. */
  toolCount: number;
  /** Known from its start. */
  model?: string;
  /** Names of its tools, where its job names them. */
  tools?: readonly string[];
  /** Epoch milliseconds. */
  at: number;
};

/** What the last tool calls of a child gave. */
export type ChildOutput = { tool: string; preview: string; isError: boolean };

/** How a child ended, for whoever watches. Tokens and cost are those of its own turns: its children tell theirs. */
export type ChildCompletion = {
  status: EntryStatus;
  exitReason: ExitReason;
  /** At most 160 characters on one line. */
  preview: string;
  /** Of the answer, at most 500 characters; the error of a child that failed; empty after a timeout or an exception. */
  summary: string;
  /** What a child that did not complete had said last, at most 500 characters. */
  partialText?: string;
  durationMs: number;
  inputTokens: number;
  outputTokens: number;
  reasoningTokens: number;
  /** Absent while no price is known. */
  costUsd?: number;
  /** Requests to a model: turns and failed attempts. */
  apiCalls: number;
  /** At most 40 paths each. */
  filesRead: string[];
  filesWritten: string[];
  /** At most 8, oldest first, each preview at most 600 characters. */
  outputTail: ChildOutput[];
  /** What it was told with `steer` and ended without having heard. */
  unheard?: string[];
};

/** What `childProgress` tells of children: discriminated by `type`. */
export type ChildEvent = ChildAbout &
  (
    | { type: 'child.spawn_requested' }
    | { type: 'child.start' }
    /** Live only. What an earlier `attempt` of the same `turn` said is void. */
    | { type: 'child.thinking'; text: string; turn: number; attempt: number }
    | { type: 'child.text'; text: string; turn: number; attempt: number }
    /** A tool call begins. `preview` is its arguments on one line, at most 160 characters. */
    | { type: 'child.tool'; callId: string; tool: string; preview: string; args: JSONValue }
    /** The tools of the last five calls, or of those that are left at the end; `text` names them, after `[n] ` in a batch. */
    | { type: 'child.progress'; called: string[]; text: string }
    | { type: 'child.warning'; code: string; message: string }
    | ({ type: 'child.complete' } & ChildCompletion)
  );
