/**
 * A tree of runs, folded from its events, and its lines for a terminal.
 *
 * The tree is a pure function of the stored events: the same events give the same rows, told live or replayed. Live events
 * change nothing. An event copies the path from the root to its run, with the list of siblings at each
 * level, and nothing else: the cost does not grow with history.
 */
import {
  addUsage,
  isEnded,
  isWithin,
  noUsage,
  type RunEvent,
  type RunStatus,
  tokensOf,
  type Usage,
} from '@troupe/protocol';
import { fitTo, oneLine, padTo, textWidth } from './text-width.ts';

/** One run as the tree shows it. */
export type RunNode = {
  readonly runId: string;
  readonly agent: string;
  readonly status: RunStatus;
  /** Why it ended, or waits. */
  readonly exitReason?: string;
  readonly turns: number;
  readonly turnLimit?: number;
  /** Calls in progress, by call id. */
  readonly calls: Readonly<Record<string, string>>;
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
  calls: {},
  usage: noUsage,
  since: at,
  children: [],
});

const afterEvent = (run: RunNode, event: Exclude<RunEvent, { live: true }>): RunNode => {
  switch (event.type) {
    case 'run.started': {
      const limit = event.budget.turns;
      return {
        ...run,
        agent: event.agent,
        status: 'running',
        startedAt: event.at,
        ...(limit !== undefined && { turnLimit: limit }),
      };
    }
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
    case 'turn.started':
      return { ...run, turns: Math.max(run.turns, event.turn) };
    case 'turn.attempted':
      return event.usage === undefined ? run : { ...run, usage: addUsage(run.usage, event.usage) };
    case 'turn.completed':
      return { ...run, usage: addUsage(run.usage, priced(event.usage, event.costUsd)) };
    case 'call.started':
      return { ...run, calls: { ...run.calls, [event.callId]: event.tool } };
    case 'call.completed':
    case 'call.failed': {
      const { [event.callId]: _, ...calls } = run.calls;
      return { ...run, calls };
    }
    case 'child.requested':
    case 'child.started': {
      const about = { at: event.at, agent: event.childAgent };
      return withChildren(
        run,
        withRun(run.children, about, event.childId, (child) => child),
      );
    }
    case 'child.settled': {
      // Tells of the end of a child whose own events are told elsewhere; one that told it itself is left alone.
      const { status, exitReason, usage, at } = event;
      const about = { at, agent: event.childAgent };
      const settle = (child: RunNode): RunNode =>
        isEnded(child.status) || !isEnded(status) ? child : ended(child, status, exitReason, usage, at);
      return withChildren(run, withRun(run.children, about, event.childId, settle));
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

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const frameMs = 80;

/** The sign for a run's status; the one of a running run turns with the time. */
export const markOf = ({ status, exitReason }: Pick<RunNode, 'status' | 'exitReason'>, now: number): string => {
  switch (status) {
    case 'queued':
      return '…';
    case 'running':
    case 'interrupting':
      return frames[Math.floor(now / frameMs) % frames.length] ?? '';
    case 'paused':
      return exitReason === 'question' ? '?' : '‖';
    case 'completed':
      return '✔';
    case 'failed':
      return '✖';
    case 'interrupted':
      return '■';
  }
};

/** Words for a status: a run that ended without an answer says why. */
export const statusOf = ({ status, exitReason }: Pick<RunNode, 'status' | 'exitReason'>): string => {
  if (status === 'paused' && exitReason === 'question') return 'waits for an answer';
  const why = status === 'failed' || (status === 'interrupted' && exitReason !== 'interrupted');
  return why ? `${status}: ${exitReason}` : status;
};

/**
 * The lines of a tree: one for each run, indented under its parent, none wider than `width`.
 *
 * @param now Epoch milliseconds: turns the spinners and tells how long a run works already.
 * @param height When there are more runs, those that ended are left out first, and the last line counts what is missing.
 */
export const rowsOf = (
  tree: Tree,
  { now, width, height }: { now: number; width: number; height?: number },
): string[] => {
  const all = [...runsOf(tree)];
  const { shown, hidden } = windowOf(all, height ?? Number.POSITIVE_INFINITY);
  const titles = shown.map(({ run, level }) => `${'  '.repeat(level)}${markOf(run, now)} ${oneLine(run.agent)}`);
  const titleWidth = Math.min(Math.max(0, ...titles.map(textWidth)), Math.max(8, Math.floor(width / 2)));
  const rows = shown.map(({ run }, index) => {
    const title = padTo(fitTo(titles[index] ?? '', titleWidth), titleWidth);
    return fitTo(`${title}  ${detailsOf(run, now).join('  ')}`, width);
  });
  if (hidden > 0) rows.push(fitTo(`… ${hidden} more ${hidden === 1 ? 'run' : 'runs'}`, width));
  return rows;
};

/** One line for all runs together: `4 runs  12 turns  48.2k tokens  $0.03  12 s`. */
export const totalLine = (tree: Tree, { now, width }: { now: number; width: number }): string => {
  const { runs, turns, usage, ms } = totalOf(tree);
  const since = Math.min(...tree.roots.map((run) => run.startedAt ?? run.since));
  const parts = [`${runs} ${runs === 1 ? 'run' : 'runs'}`, `${turns} ${turns === 1 ? 'turn' : 'turns'}`];
  parts.push(`${tokensText(tokensOf(usage))} tokens`);
  if (usage.costUsd !== undefined) parts.push(costText(usage.costUsd));
  parts.push(timeText(ms ?? now - since));
  return fitTo(parts.join('  '), width);
};

const detailsOf = (run: RunNode, now: number): string[] => {
  const details = [statusOf(run)];
  if (run.turns > 0) details.push(`turn ${run.turns}${run.turnLimit === undefined ? '' : `/${run.turnLimit}`}`);
  const tools = countsOf(Object.values(run.calls));
  if (tools) details.push(tools);
  const tokens = tokensOf(run.usage);
  if (tokens > 0) details.push(`${tokensText(tokens)} tokens`);
  if (run.usage.costUsd !== undefined) details.push(costText(run.usage.costUsd));
  details.push(timeText((run.endedAt ?? now) - (run.startedAt ?? run.since)));
  return details;
};

/** How often each name occurs: `read_file ×3, search_text`. */
export const countsOf = (names: readonly string[]): string => {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, n]) => (n === 1 ? oneLine(name) : `${oneLine(name)} ×${n}`)).join(', ');
};

/** As many runs as fit; ended ones without a working descendant go first, the deepest and oldest before others, then the newest. */
const windowOf = (all: readonly { run: RunNode; level: number }[], height: number) => {
  if (all.length <= height) return { shown: all, hidden: 0 };
  const room = Math.max(1, height - 1);
  const working = (run: RunNode): boolean => !isEnded(run.status) || run.children.some(working);
  const leaving = all
    .filter(({ run, level }) => level > 0 && !working(run))
    .sort((a, b) => b.level - a.level)
    .slice(0, all.length - room);
  const left = new Set(leaving);
  const shown = all.filter((row) => !left.has(row)).slice(0, room);
  return { shown, hidden: all.length - shown.length };
};

/** `812`, `12.4k`, `1.23M`. */
export const tokensText = (tokens: number): string => {
  if (tokens < 1_000) return String(tokens);
  if (tokens < 999_950) return `${(tokens / 1_000).toFixed(1)}k`;
  return `${(tokens / 1_000_000).toFixed(2)}M`;
};

/** US dollars; small amounts with enough digits to be told from nothing. */
export const costText = (costUsd: number): string => {
  if (costUsd === 0) return '$0';
  if (costUsd >= 0.1) return `$${costUsd.toFixed(2)}`;
  return costUsd < 0.0001 ? '<$0.0001' : `$${costUsd.toFixed(4)}`;
};

/** `0.4 s`, `12 s`, `3:05 min`, `1:02:03 h`. */
export const timeText = (ms: number): string => {
  const seconds = Math.max(0, ms) / 1_000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  if (whole < 3_600) return `${Math.floor(whole / 60)}:${two(whole % 60)} min`;
  return `${Math.floor(whole / 3_600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)} h`;
};
