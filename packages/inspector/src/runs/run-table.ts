import {
  addUsage,
  isLive,
  noUsage,
  type Question,
  type RunEvent,
  type StoredEvent,
  type Usage,
} from '@troupe/protocol';
import type { RunLine } from '../wire.ts';
import { type Below, enter, lineOf, openTally, type Tally } from './tally.ts';

/** The rows of all runs, kept from their stored events: in whatever order these come, and however often. */
export type RunTable = {
  /** Takes an event. Gives back whose rows have changed: that of `event.runId`, and those above that are charged for it. */
  take(event: RunEvent): string[];
  /** Lets go of a tree, and gives back its rows. */
  forget(rootId: string): string[];
  hasTree(rootId: string): boolean;
  /** Trees of which nothing goes on, the one that was heard of longest ago first. */
  overFirst(): string[];
  /** How many rows there are, and of one tree. */
  size(): number;
  rowsOf(rootId: string): number;
  line(runId: string): RunLine | undefined;
  lines(): RunLine[];
  /** Open questions, oldest first: of all runs. */
  questions(): Question[];
  /** The last event of a tree that is known here, and of a run; 0 for none. */
  head(rootId: string): number;
  seq(runId: string): number;
};

/** The last event of a tree that is known, when something last happened in it, and its rows. */
type Tree = { head: number; lastAt: number; runs: Tally[] };

export const openRunTable = (): RunTable => {
  const runs = new Map<string, Tally>();
  const early = new Map<string, Map<number, StoredEvent>>();
  const trees = new Map<string, Tree>();
  /** Runs that ask something. */
  const asking = new Set<Tally>();

  /** What runs below have used that this one was not charged for yet. */
  const unsettledOf = ({ unsettled }: Tally): Usage => {
    let usage = noUsage;
    for (const id of unsettled) {
      const child = runs.get(id);
      if (child && !child.isDetached) usage = addUsage(addUsage(usage, child.total), unsettledOf(child));
    }
    return usage;
  };
  const countBelow = ({ children }: Tally): number =>
    children.reduce((sum, id) => {
      const child = runs.get(id);
      return sum + 1 + (child ? countBelow(child) : 0);
    }, 0);
  const belowOf = (tally: Tally): Below => ({ usage: unsettledOf(tally), runs: () => countBelow(tally) });
  const rowOf = (tally: Tally): RunLine => lineOf(tally, belowOf(tally));

  /** Whose gauges count what a run and those below it use: until it has settled, or is let go. */
  const above = (tally: Tally): string[] => {
    const found: string[] = [];
    for (let one = tally; one.line.parentId !== undefined && !one.isDetached; ) {
      const parent = runs.get(one.line.parentId);
      if (!parent?.unsettled.has(one.line.id)) break;
      const { tokens, costUsd, descendants } = parent.limits;
      if ((tokens ?? costUsd ?? descendants) !== undefined) found.push(parent.line.id);
      one = parent;
    }
    return found;
  };

  /** Events that came before their time wait until those before them are there. */
  const keep = (event: StoredEvent): void => {
    const waiting = early.get(event.runId) ?? new Map<number, StoredEvent>();
    early.set(event.runId, waiting);
    waiting.set(event.seq, event);
  };

  const add = (event: StoredEvent): Tally => {
    const tree = trees.get(event.rootId) ?? { head: 0, lastAt: 0, runs: [] };
    trees.set(event.rootId, tree);
    const known = runs.get(event.runId);
    const tally = known ?? openTally(event);
    if (!known) {
      runs.set(event.runId, tally);
      tree.runs.push(tally);
    }
    enter(tally, event);
    if (tally.questions.length > 0) asking.add(tally);
    else asking.delete(tally);
    tree.head = Math.max(tree.head, event.rootSeq);
    tree.lastAt = Math.max(tree.lastAt, event.at);
    return tally;
  };

  return {
    take(event) {
      if (isLive(event)) return [];
      const { runId } = event;
      const seq = runs.get(runId)?.line.seq ?? 0;
      if (event.seq <= seq) return [];
      if (event.seq > seq + 1) {
        keep(event);
        return [];
      }
      const waiting = early.get(runId);
      const before = runs.get(runId);
      const total = before?.total ?? noUsage;
      const begun = before?.children.length ?? 0;
      const tally = add(event);
      waiting?.delete(event.seq);
      for (let next = waiting?.get(event.seq + 1); next; next = waiting?.get(next.seq + 1)) {
        add(next);
        waiting?.delete(next.seq);
      }
      if (waiting?.size === 0) early.delete(runId);
      const isCharged = tally.total !== total || tally.children.length !== begun;
      return isCharged ? [runId, ...above(tally)] : [runId];
    },
    forget(rootId) {
      const forgotten = trees.get(rootId)?.runs ?? [];
      for (const tally of forgotten) {
        runs.delete(tally.line.id);
        asking.delete(tally);
      }
      for (const [runId, waiting] of early) if (waiting.values().next().value?.rootId === rootId) early.delete(runId);
      trees.delete(rootId);
      return forgotten.map(({ line }) => line.id);
    },
    hasTree: (rootId) => trees.has(rootId),
    overFirst: () =>
      [...trees]
        .filter(([, tree]) => tree.runs.every(({ line }) => line.endedAt !== undefined))
        .sort(([, a], [, b]) => a.lastAt - b.lastAt)
        .map(([rootId]) => rootId),
    size: () => runs.size,
    rowsOf: (rootId) => trees.get(rootId)?.runs.length ?? 0,
    line(runId) {
      const tally = runs.get(runId);
      return tally && rowOf(tally);
    },
    lines: () => [...runs.values()].map(rowOf),
    questions: () =>
      [...asking].flatMap(({ questions }) => questions).sort((a, b) => a.askedAt - b.askedAt || (a.id < b.id ? -1 : 1)),
    head: (rootId) => trees.get(rootId)?.head ?? 0,
    seq: (runId) => runs.get(runId)?.line.seq ?? 0,
  };
};
