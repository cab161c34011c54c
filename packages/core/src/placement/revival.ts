/** What differs when a run is brought back that is executed by itself: its tree may be wide, and it may have nothing to do. */
import { isEnded, type RunRow, type RunStore, type StoredEvent } from '@troupe/protocol';
import { itemsOf } from '../agent/rows.ts';
import type { AnyAgent } from '../define-agent.ts';
import { standingOf } from '../replay/standing.ts';
import { contextIn } from '../run/checkpoint.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { FoundRun } from '../runtime/found-run.ts';
import { storedRun } from '../runtime/stored-run.ts';
import { isPlaced } from './place.ts';
import { isDone, mayRest } from './quiet.ts';

type Rows = ReadonlyMap<string, RunRow>;

/** How often a run that is executed by itself is taken up in a row without getting any further. */
const mostRecoveries = 5;

/** A run that is taken up by itself: not with the one above it. */
const isHead = (row: RunRow): boolean => row.parentId === undefined || row.detached === true || isPlaced(row);
/** The one that a run is taken up with. */
export const headOf = (row: RunRow, rows: Rows): RunRow => {
  const above = isHead(row) ? undefined : rows.get(row.parentId ?? '');
  return above ? headOf(above, rows) : row;
};

/** The run that is activated when something is said to a run; none where its root is executed by a program. */
export const activatedFor = (row: RunRow | undefined, rows: Rows): LiveRun['above'] => {
  if (!row) return undefined;
  const head = headOf(row, rows);
  return head.placed && { runId: head.runId, queue: head.placed.queue };
};

/** A run that brings down whoever executes it ends, before it does so for ever. */
export const poisonOf = (row: RunRow, events: readonly StoredEvent[]): FoundRun['lost'] => {
  const last = events.slice(-mostRecoveries);
  if (!isPlaced(row) || last.length < mostRecoveries || !last.every(({ type }) => type === 'run.recovered'))
    return undefined;
  const message = `Run "${row.runId}" was taken up ${mostRecoveries} times in a row without getting any further: it may bring down whoever executes it. Look at what "${row.agent}" does at this point, and start it again.`;
  return {
    status: 'failed',
    exitReason: 'poison',
    fault: { code: 'run.poison', message, retryable: false, runId: row.runId },
  };
};

/** Children of a run that others execute, or have executed: their last message says how they ended. */
export const childrenAway = (
  { checkpoint }: FoundRun,
  rows: Rows,
  agentFor: (row: RunRow) => AnyAgent | undefined,
): LiveRun[] =>
  itemsOf(contextIn(checkpoint).calls).flatMap(({ children }) =>
    itemsOf(children).flatMap(({ runId, status }) => {
      const row = rows.get(runId);
      if (status === 'ended' || !row?.placed) return [];
      const child = storedRun(row, [], agentFor(row));
      child.ledger.status = row.status;
      return child;
    }),
  );

export type Revival = ReturnType<typeof openRevival>;

export const openRevival = (store: RunStore, owner: string, now: () => number) => {
  /**
   * The rows that a run goes on with: those above it, and those below it that it knows of.
   */
  const rowsAround = async (head: RunRow): Promise<Rows> => {
    const above: RunRow[] = [];
    for (let row = await store.get(head.parentId ?? ''); row; row = await store.get(row.parentId ?? ''))
      above.unshift(row);
    const rows = new Map([...above, head].map((row) => [row.runId, row]));
    const descend = async (runId: string): Promise<void> => {
      const checkpoint = await standingOf(store, runId);
      if (!checkpoint) return;
      for (const child of itemsOf(contextIn(checkpoint).calls).flatMap(({ children }) => itemsOf(children))) {
        const row = await store.get(child.runId);
        if (!row) continue;
        rows.set(row.runId, row);
        if (!isEnded(row.status) && !isHead(row)) await descend(row.runId);
      }
    };
    await descend(head.runId);
    return rows;
  };

  /** Whether there is something to do in runs that are executed by themselves: work, a message, or their end. */
  const isWorthIt = async (runs: readonly FoundRun[]): Promise<boolean> => {
    if (
      runs.some(
        ({ checkpoint, lost }) =>
          lost ||
          isDone(checkpoint.value as never) ||
          !mayRest(checkpoint.value as never, contextIn(checkpoint), now()),
      )
    )
      return true;
    const ids = new Set(runs.map(({ runId }) => runId));
    return (await store.inbox(owner)).some(({ runId }) => ids.has(runId));
  };

  return { rowsAround, isWorthIt };
};
