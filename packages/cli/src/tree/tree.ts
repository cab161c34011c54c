/**
 * A tree of runs, folded from its events.
 *
 * The tree is a pure function of the stored events: the same events give the same tree, told live or replayed. Live events
 * change nothing. An event costs the same, however many runs there are and whatever they have behind them; a tree is made when it is
 * looked at, of what has changed since and of what is above that.
 */
import {
  addUsage,
  type Budget,
  type EventOf,
  isEnded,
  lineOf,
  noUsage,
  type Question,
  type RunEvent,
  type RunStatus,
  type Usage,
} from '@troupe/protocol';
import { type Batch, type Counting, countBatch } from './batch.ts';

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

/** A tree that grows with what is told. */
export type GrowingTree = {
  take(event: RunEvent): void;
  /** The tree as it is now. Those that were looked at before stay as they were. */
  readonly tree: Tree;
};

export const openTree = (): GrowingTree => {
  const branches = new Map<string, Branch>();
  const roots: Branch[] = [];
  let tree: Tree | undefined;

  /** What was looked at last of it, and of all that is above it, is out of date. */
  const touch = (branch: Branch | undefined): void => {
    for (let one = branch; one?.node; one = one.above) one.node = undefined;
    tree = undefined;
  };
  /** The nearest run above that was heard of. */
  const aboveOf = (runId: string): Branch | undefined => {
    for (const id of lineOf(runId)) {
      const above = branches.get(id);
      if (above) return above;
    }
    return undefined;
  };
  const branchOf = (runId: string, about: { at: number; agent: string }): Branch => {
    const known = branches.get(runId);
    if (known) return known;
    const above = aboveOf(runId);
    const branch = newBranch(runId, about, above);
    branches.set(runId, branch);
    (above?.children ?? roots).push(branch);
    touch(above);
    return branch;
  };

  return {
    take(event) {
      if ('live' in event) return;
      const branch = branchOf(event.runId, event);
      change(branch, event);
      touch(branch);
      if (event.type !== 'child.requested' && event.type !== 'child.started' && event.type !== 'child.settled') return;
      branch.batch.child(event.callId, event.type);
      const child = branchOf(event.childId, { at: event.at, agent: event.childAgent });
      if (event.type === 'child.settled') settle(child, event);
      touch(child);
    },
    get tree() {
      tree ??= { roots: roots.map(nodeOf) };
      return tree;
    },
  };
};

/** The tree after all of these events. */
export const treeOf = (events: Iterable<RunEvent>): Tree => {
  const growing = openTree();
  for (const event of events) growing.take(event);
  return growing.tree;
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

type Listed = 'calls' | 'batch' | 'questions' | 'children';
/** A run that grows: what is listed of it is added to, all else is replaced. */
type Branch = {
  shown: Omit<RunNode, Listed>;
  calls: Map<string, string>;
  batch: Counting;
  questions: Map<string, Question>;
  readonly children: Branch[];
  readonly above: Branch | undefined;
  /** As it was looked at last, if it still is that. */
  node: RunNode | undefined;
};

const newBranch = (runId: string, { at, agent }: { at: number; agent: string }, above: Branch | undefined): Branch => ({
  shown: { runId, agent, status: 'queued', turns: 0, toolCalls: 0, limits: {}, usage: noUsage, since: at },
  calls: new Map(),
  batch: countBatch(0, 0),
  questions: new Map(),
  children: [],
  above,
  node: undefined,
});

const nodeOf = (branch: Branch): RunNode => {
  branch.node ??= {
    ...branch.shown,
    calls: Object.fromEntries(branch.calls),
    batch: branch.batch.batch,
    questions: [...branch.questions.values()],
    children: branch.children.map(nodeOf),
  };
  return branch.node;
};

const change = (branch: Branch, event: Exclude<RunEvent, { live: true }>): void => {
  const { shown } = branch;
  const show = (what: Partial<Branch['shown']>): void => {
    branch.shown = { ...shown, ...what };
  };
  switch (event.type) {
    case 'run.started':
      return show({ agent: event.agent, status: 'running', startedAt: event.at, limits: event.budget });
    case 'budget.raised':
      return show({ limits: event.budget });
    case 'run.forked':
      return event.budget && show({ limits: event.budget });
    case 'run.paused':
      return show({ status: 'paused', exitReason: event.reason });
    case 'run.resumed': {
      const { exitReason: _, ...rest } = shown;
      branch.shown = { ...rest, status: 'running' };
      return;
    }
    case 'run.completed':
      return end(branch, 'completed', 'answered', event.usage.own, event.at);
    case 'run.failed':
      return end(branch, 'failed', event.exitReason, event.usage.own, event.at);
    case 'run.interrupted':
      return end(branch, 'interrupted', event.exitReason, event.usage.own, event.at);
    case 'spawning.paused':
    case 'spawning.resumed':
      return show({ spawningPaused: event.type === 'spawning.paused' });
    case 'turn.started':
      return show({ turns: Math.max(shown.turns, event.turn) });
    case 'turn.attempted':
      return event.usage && show({ usage: addUsage(shown.usage, event.usage) });
    case 'turn.completed':
      branch.batch = countBatch(event.message.calls?.length ?? 0, event.at);
      return show({ usage: addUsage(shown.usage, priced(event.usage, event.costUsd)) });
    case 'call.started':
      branch.calls.set(event.callId, event.tool);
      return show({ toolCalls: shown.toolCalls + 1 });
    case 'call.completed':
    case 'call.failed':
      branch.calls.delete(event.callId);
      return branch.batch.answer(event.callId);
    case 'question.asked':
      branch.questions.set(event.question.id, event.question);
      return;
    case 'question.answered':
      branch.questions.delete(event.questionId);
      return;
    default:
  }
};

/** The end of a child whose own events are told elsewhere; one that told it itself is left alone. */
const settle = (child: Branch, { status, exitReason, usage, at }: EventOf<'child.settled'>): void => {
  if (isEnded(status) && !isEnded(child.shown.status)) end(child, status, exitReason, usage, at);
};

const end = (branch: Branch, status: RunStatus, exitReason: string, usage: Usage, at: number): void => {
  branch.shown = { ...branch.shown, status, exitReason, usage, endedAt: at };
  branch.calls.clear();
  branch.questions.clear();
  branch.batch = countBatch(0, 0);
};

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
