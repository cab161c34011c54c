import { isLive, type Question, type RunEvent, type StoredEvent } from '@troupe/protocol';
import type { RunLine } from '../wire.ts';
import { enter, lineOf, openTally, type Tally } from './tally.ts';

/** The rows of all runs, kept from their stored events: in whatever order these come, and however often. */
export type RunTable = {
  /** Takes an event. True when a row has changed: that of `event.runId`. */
  take(event: RunEvent): boolean;
  /** Lets go of a tree, and gives back its rows. */
  forget(rootId: string): string[];
  line(runId: string): RunLine | undefined;
  lines(): RunLine[];
  /** Open questions, oldest first: of all runs. */
  questions(): Question[];
  /** The last event of a tree that is known here; 0 for none. */
  head(rootId: string): number;
};

export const openRunTable = (): RunTable => {
  const runs = new Map<string, Tally>();
  const early = new Map<string, Map<number, StoredEvent>>();
  const heads = new Map<string, number>();
  /** Runs that ask something. */
  const asking = new Set<Tally>();

  /** Events that came before their time wait until those before them are there. */
  const keep = (event: StoredEvent): void => {
    const waiting = early.get(event.runId) ?? new Map<number, StoredEvent>();
    early.set(event.runId, waiting);
    waiting.set(event.seq, event);
  };

  const add = (event: StoredEvent): void => {
    const tally = runs.get(event.runId) ?? openTally(event);
    runs.set(event.runId, tally);
    enter(tally, event);
    if (tally.questions.length > 0) asking.add(tally);
    else asking.delete(tally);
    heads.set(event.rootId, Math.max(heads.get(event.rootId) ?? 0, event.rootSeq));
  };

  return {
    take(event) {
      if (isLive(event)) return false;
      const { runId } = event;
      const seq = runs.get(runId)?.line.seq ?? 0;
      if (event.seq <= seq) return false;
      if (event.seq > seq + 1) {
        keep(event);
        return false;
      }
      const waiting = early.get(runId);
      let next: StoredEvent | undefined = event;
      while (next) {
        add(next);
        waiting?.delete(next.seq);
        next = waiting?.get(next.seq + 1);
      }
      if (waiting?.size === 0) early.delete(runId);
      return true;
    },
    forget(rootId) {
      const forgotten = [...runs].filter(([, { line }]) => line.rootId === rootId);
      for (const [runId, tally] of forgotten) {
        runs.delete(runId);
        asking.delete(tally);
      }
      heads.delete(rootId);
      return forgotten.map(([runId]) => runId);
    },
    line(runId) {
      const tally = runs.get(runId);
      return tally && lineOf(tally);
    },
    lines: () => [...runs.values()].map(lineOf),
    questions: () =>
      [...asking].flatMap(({ questions }) => questions).sort((a, b) => a.askedAt - b.askedAt || (a.id < b.id ? -1 : 1)),
    head: (rootId) => heads.get(rootId) ?? 0,
  };
};
