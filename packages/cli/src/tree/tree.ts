/**
 * A tree of runs, folded from its events.
 *
 * The tree is a pure function of the stored events: the same events give the same tree, told live or replayed. Live events
 * change nothing. An event copies the path from the root to its run, with the list of siblings at each
 * level, and nothing else: the cost does not grow with history.
 */
import {
  addUsage,
  type Budget,
  isEnded,
  isWithin,
  noUsage,
  type Question,
  type RunEvent,
  type RunStatus,
  type Usage,
} from '@troupe/protocol';
import { type Batch, batchOf, noBatch, withAnswer, withChild } from './batch.ts';

/** One run as the tree shows it. */
export type RunNode = {
  readonly runId: string;
  readonly agent: string;
  readonly status: RunStatus;
  /** Why it ended, or waits. */
  readonly exitReason?: string;
  readonly turns: number;
  /** Tool calls that were executed. */
  readonly toolCalls: number;
  /** What it may spend: what was set, and defaults. */
  readonly limits: Budget;
  /** Calls in progress, by call id. */
  readonly calls: Readonly<Record<string, string>>;
  /** What its last turn asked for, and how much of that is done. */
  readonly batch: Batch;
  /** True while it, and each below it, may start no children. */
  readonly spawningPaused?: boolean;
  /** What it asks a person now. */
  readonly questions: readonly Question[];
  /** Of its own turns, without descendants. */
  readonly usage: Usage;
  /** Epoch milliseconds: when it was first heard of, began to work, ended. */
  readonly since: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly children: readonly RunNode[];
};

/** Every root that was heard of, oldest first, with its descendants. */
export type Tree = { readonly roots: readonly RunNode[] };

export const emptyTree: Tree = { roots: [] };

/** The tree after all of these events. */
export const treeOf = (events: Iterable<RunEvent>): Tree => {
  let tree = emptyTree;
  for (const event of events) tree = growTree(tree, event);
  return tree;
};

/** The tree after one more event. */
export const growTree = (tree: Tree, event: RunEvent): Tree => {
  if ('live' in event) return tree;
  const roots = withRun(tree.roots, event, event.runId, (run) => afterEvent(run, event));
  return roots === tree.roots ? tree : { roots };
};

/** Every run of the tree with its distance from the top, parents first. */
export function* runsOf(tree: Tree): Generator<{ run: RunNode; level: number }> {
  const walk = function* (runs: readonly RunNode[], level: number): Generator<{ run: RunNode; level: number }> {
    for (const run of runs) {
      yield { run, level };
      yield* walk(run.children, level + 1);
    }
  };
  yield* walk(tree.roots, 0);
}

/** The named run among these and below, changed by `change`; a run that is not there yet is added under its ancestor. */
const withRun = (
  runs: readonly RunNode[],
  about: { at: number; agent: string },
  runId: string,
  change: (run: RunNode) => RunNode,
): readonly RunNode[] => {
  const index = runs.findLastIndex((run) => isWithin(runId, run.runId));
  const found = runs[index];
  if (found === undefined) return [...runs, change(newRun(runId, about))];
  const next =
    found.runId === runId ? change(found) : withChildren(found, withRun(found.children, about, runId, change));
  return next === found ? runs : runs.with(index, next);
};

const withChildren = (run: RunNode, children: readonly RunNode[]): RunNode =>
  children === run.children ? run : { ...run, children };

const newRun = (runId: string, { at, agent }: { at: number; agent: string }): RunNode => ({
  runId,
  agent,
  status: 'queued',
  turns: 0,
  toolCalls: 0,
  limits: {},
  calls: {},
  batch: noBatch,
  questions: [],
  usage: noUsage,
  since: at,
  children: [],
});

const afterEvent = (run: RunNode, event: Exclude<RunEvent, { live: true }>): RunNode => {
  switch (event.type) {
    case 'run.started':
      return { ...run, agent: event.agent, status: 'running', startedAt: event.at, limits: event.budget };
    case 'budget.raised':
      return { ...run, limits: event.budget };
    case 'run.forked':
      return event.budget === undefined ? run : { ...run, limits: event.budget };
    case 'run.paused':
      return { ...run, status: 'paused', exitReason: event.reason };
    case 'run.resumed': {
      const { exitReason: _, ...rest } = run;
      return { ...rest, status: 'running' };
    }
    case 'run.completed':
      return ended(run, 'completed', 'answered', event.usage.own, event.at);
    case 'run.failed':
      return ended(run, 'failed', event.exitReason, event.usage.own, event.at);
    case 'run.interrupted':
      return ended(run, 'interrupted', event.exitReason, event.usage.own, event.at);
    case 'spawning.paused':
    case 'spawning.resumed':
      return { ...run, spawningPaused: event.type === 'spawning.paused' };
    case 'turn.started':
      return { ...run, turns: Math.max(run.turns, event.turn) };
    case 'turn.attempted':
      return event.usage === undefined ? run : { ...run, usage: addUsage(run.usage, event.usage) };
    case 'turn.completed': {
      const batch = batchOf(event.message.calls?.length ?? 0, event.at);
      return { ...run, batch, usage: addUsage(run.usage, priced(event.usage, event.costUsd)) };
    }
    case 'call.started':
      return { ...run, toolCalls: run.toolCalls + 1, calls: { ...run.calls, [event.callId]: event.tool } };
    case 'call.completed':
    case 'call.failed': {
      const { [event.callId]: _, ...calls } = run.calls;
      return { ...run, calls, batch: withAnswer(run.batch, event.callId) };
    }
    case 'question.asked':
      return { ...run, questions: [...run.questions, event.question] };
    case 'question.answered':
      return { ...run, questions: run.questions.filter(({ id }) => id !== event.questionId) };
    case 'child.requested':
    case 'child.started': {
      const about = { at: event.at, agent: event.childAgent };
      const batch = withChild(run.batch, event.callId, event.type);
      return withChildren(
        { ...run, batch },
        withRun(run.children, about, event.childId, (child) => child),
      );
    }
    case 'child.settled': {
      // Tells of the end of a child whose own events are told elsewhere; one that told it itself is left alone.
      const { status, exitReason, usage, at } = event;
      const about = { at, agent: event.childAgent };
      const settle = (child: RunNode): RunNode =>
        isEnded(child.status) || !isEnded(status) ? child : ended(child, status, exitReason, usage, at);
      const batch = withChild(run.batch, event.callId, event.type);
      return withChildren({ ...run, batch }, withRun(run.children, about, event.childId, settle));
    }
    default:
      return run;
  }
};

const ended = (run: RunNode, status: RunStatus, exitReason: string, usage: Usage, at: number): RunNode => ({
  ...run,
  status,
  exitReason,
  usage,
  calls: {},
  batch: noBatch,
  questions: [],
  endedAt: at,
});

const priced = (usage: Usage, costUsd: number | null): Usage => (costUsd === null ? usage : { ...usage, costUsd });

/** What all runs of a tree used together: the cost is missing while no run's is known, `ms` while a run has not ended. */
export const totalOf = (tree: Tree): { runs: number; turns: number; usage: Usage; ms?: number } => {
  let runs = 0;
  let turns = 0;
  let usage = noUsage;
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const { run } of runsOf(tree)) {
    runs += 1;
    turns += run.turns;
    usage = addUsage(usage, run.usage);
    from = Math.min(from, run.startedAt ?? run.since);
    to = Math.max(to, run.endedAt ?? Number.POSITIVE_INFINITY);
  }
  return { runs, turns, usage, ...(Number.isFinite(to) && { ms: to - from }) };
};

/** What a run and everything below it have used. */
export const usageWithin = (run: RunNode): Usage =>
  run.children.reduce((sum, child) => addUsage(sum, usageWithin(child)), run.usage);
