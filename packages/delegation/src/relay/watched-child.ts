/**
 * What the events of a child add up to, while it lives: enough for a UI, a registry and hooks, and never more than a few entries of
 * what it did. The same events give the same child, live or replayed.
 */
import {
  type CallReport,
  type EventOf,
  isTerminal,
  type JSONValue,
  type RunEvent,
  type RunStatus,
  type TerminalEvent,
} from '@troupe/protocol';
import { type Delegation, delegationOf, goalOf } from '../delegation-of.ts';
import { isErrorResult } from '../results/error-result.ts';
import { shortLine } from '../results/shorten.ts';
import { bytesOf, type OutputTailEntry, tailEntryOf } from '../results/tool-trace.ts';

/** A tool call that has ended, without what was said in it. Sizes are bytes of UTF-8. */
export type PastCall = {
  tool: string;
  /** The arguments on one line, at most 160 characters. */
  preview: string;
  argsBytes: number;
  resultBytes: number;
  status: 'ok' | 'error';
};

type OpenCall = { callId: string; tool: string; arguments: JSONValue };
/** A call as its answer is told. */
export type AnsweredCall = OpenCall & {
  /** The run that made it. */
  runId: string;
  status: CallReport['status'];
  result: string;
  data?: JSONValue;
};

export type WatchedChild = {
  readonly runId: string;
  readonly rootId: string;
  /** Whoever started it; absent for a root that was delegated. */
  readonly startedBy?: string;
  /** The same, where that is a child itself. */
  readonly parentId?: string;
  /** Children of a root have 0. */
  readonly depth: number;
  readonly agent: string;
  readonly goal: string;
  readonly delegation: Delegation | undefined;
  readonly tools?: readonly string[];
  readonly createdAt: number;
  startedAt?: number;
  status: RunStatus;
  model?: string;
  turn: number;
  /** Of the turn in hand, counted from 1. */
  attempt: number;
  apiCalls: number;
  toolCount: number;
  lastTool?: string;
  toolErrors: number;
  /** Calls of the turn in hand; those before `answered` have their answer. */
  calls: OpenCall[];
  answered: number;
  tail: OutputTailEntry[];
  past: PastCall[];
  /** What it was told to do and has not heard yet. */
  unheard: string[];
};

const tailEntries = 8;
const tailChars = 600;
const pastCalls = 50;

/** The arguments of a call on one line: a lone text as it stands, anything else as JSON. */
export const callPreview = (args: JSONValue): string => {
  const values = typeof args === 'object' && args !== null ? Object.values(args) : [args];
  const [only] = values;
  return shortLine(values.length === 1 && typeof only === 'string' ? only : JSON.stringify(args), 160);
};

/** A list of the last `max` things, with one more. */
const withLast = <T>(list: readonly T[], item: T, max: number): T[] => [...list.slice(1 - max), item];

const openChild = (event: EventOf<'run.queued' | 'run.started'>): WatchedChild | undefined => {
  const { runId, rootId, parentId, depth, agent, job, at } = event;
  const delegation = delegationOf(job);
  if (parentId === undefined && !delegation) return undefined;
  return {
    runId,
    rootId,
    ...(parentId !== undefined && { startedBy: parentId }),
    ...(parentId !== undefined && depth > 1 && { parentId }),
    depth: Math.max(0, depth - 1),
    agent,
    goal: goalOf(job),
    delegation,
    ...(job.tools && { tools: job.tools }),
    createdAt: at,
    status: 'queued',
    turn: 0,
    attempt: 1,
    apiCalls: 0,
    toolCount: 0,
    toolErrors: 0,
    calls: [],
    answered: 0,
    tail: [],
    past: [],
    unheard: [],
  };
};

/** Calls are answered in the order in which they were made (L3). */
const answer = (child: WatchedChild, event: EventOf<'call.completed' | 'call.failed'>): AnsweredCall | undefined => {
  const call = child.calls[child.answered];
  if (!call) return undefined;
  child.answered += 1;
  const status = event.type === 'call.completed' ? 'ok' : (event.status ?? 'error');
  const { result, data } = event;
  const isError = isErrorResult(result, status);
  if (isError) child.toolErrors += 1;
  child.tail = withLast(child.tail, tailEntryOf({ tool: call.tool, result, status }, tailChars), tailEntries);
  const past: PastCall = {
    tool: call.tool,
    preview: callPreview(call.arguments),
    argsBytes: bytesOf(call.arguments),
    resultBytes: bytesOf(result),
    status: isError ? 'error' : 'ok',
  };
  child.past = withLast(child.past, past, pastCalls);
  return { ...call, runId: child.runId, status, result, ...(data !== undefined && { data }) };
};

/** Takes note of an event of the child. Gives back the call that it answers, if it does. */
const enter = (child: WatchedChild, event: RunEvent): AnsweredCall | undefined => {
  switch (event.type) {
    case 'run.started':
      child.startedAt ??= event.at;
      child.status = 'running';
      child.model = event.model;
      break;
    case 'run.paused':
      child.status = 'paused';
      break;
    case 'run.resumed':
      child.status = child.startedAt === undefined ? 'queued' : 'running';
      break;
    case 'run.steered':
      child.unheard.push(event.text);
      break;
    case 'turn.started':
      child.turn = event.turn;
      child.attempt = 1;
      child.calls = [];
      child.answered = 0;
      child.unheard = [];
      break;
    case 'turn.attempted':
      child.attempt += 1;
      child.apiCalls += 1;
      break;
    case 'turn.completed':
      child.apiCalls += 1;
      if (event.model !== undefined) child.model = event.model;
      break;
    case 'call.started': {
      const { callId, tool, arguments: args } = event;
      child.toolCount += 1;
      child.lastTool = tool;
      child.calls.push({ callId, tool, arguments: args });
      break;
    }
    case 'call.completed':
    case 'call.failed':
      return answer(child, event);
    default:
      break;
  }
  return undefined;
};

/** What an event was to a child. */
export type Sighting = {
  child: WatchedChild;
  /** Nothing was heard of the child before. */
  isNew: boolean;
  answered?: AnsweredCall;
};

/** Children that have begun and not ended, by run id. Whoever's beginning was not heard is no child here. */
export type Watch = {
  readonly children: ReadonlyMap<string, WatchedChild>;
  /** Takes note of an event; `undefined` when it is of no child. A child is forgotten with its last event. */
  take(event: RunEvent): Sighting | undefined;
  /** Forgets a child without waiting for its end, or all of them. */
  forget(runId?: string): void;
};

export const openWatch = (): Watch => {
  const children = new Map<string, WatchedChild>();
  const find = (event: RunEvent): { child: WatchedChild; isNew: boolean } | undefined => {
    const known = children.get(event.runId);
    if (known) return { child: known, isNew: false };
    if (event.type !== 'run.queued' && event.type !== 'run.started') return undefined;
    const child = openChild(event);
    return child && { child, isNew: true };
  };
  return {
    children,
    take(event) {
      const found = find(event);
      if (!found) return undefined;
      const { child, isNew } = found;
      if (isNew) children.set(child.runId, child);
      const answered = enter(child, event);
      if (isTerminal(event)) children.delete(child.runId);
      return answered ? { child, isNew, answered } : { child, isNew };
    },
    forget(runId) {
      if (runId === undefined) children.clear();
      else children.delete(runId);
    },
  };
};

/** How a run's last event reads as an outcome. */
export const outcomeOf = (event: TerminalEvent) => {
  if (event.type === 'run.completed') {
    const { text, data } = event;
    const status = 'completed' as const;
    return { status, exitReason: 'answered' as const, text, ...(data !== undefined && { data }) };
  }
  const { exitReason, partialText } = event;
  const partial = partialText === undefined ? {} : { partialText };
  return event.type === 'run.failed'
    ? { status: 'failed' as const, exitReason, text: null, fault: event.fault, ...partial }
    : { status: 'interrupted' as const, exitReason, text: null, ...partial };
};

/** Milliseconds from its start to its end; 0 of a child that never began to work. */
export const workedMs = ({ startedAt }: WatchedChild, { at }: TerminalEvent): number =>
  startedAt === undefined ? 0 : at - startedAt;
