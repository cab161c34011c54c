/** What is done on behalf of sessions and has not ended, without a look at all that has. */
import { isEnded, type RunRow, type RunStore } from '@troupe/protocol';
import { groupBy } from '../es2024.ts';
import { sessionOf } from './dispatch.ts';

/** What began at the same time may be listed late: so many of the newest are always read. */
const fewest = 16;
/** Sessions of which it is remembered up to where all has ended; of others all is read again. */
const mostRemembered = 1_000;

/** What need not be looked at again: what has ended, with all that it had started, stays so. */
type Over = {
  /** So has everything that is listed behind this run. */
  before?: string;
  /** And these. */
  runIds: ReadonlySet<string>;
};

export type Underway = {
  /** Roots that are at work on behalf of a session, in other sessions too: those that have not ended, each once. */
  of(sessionKey: string): Promise<RunRow[]>;
  /** Runs were forgotten: others may have their ids. */
  forgot(): void;
};

export const openUnderway = (store: Pick<RunStore, 'list'>): Underway => {
  const over = new Map<string, Over>();
  const remember = (key: string, now: Over): void => {
    over.delete(key);
    over.set(key, now);
    const [oldest] = over.keys();
    if (over.size > mostRemembered && oldest !== undefined) over.delete(oldest);
  };

  /** What was started in the background of a session, oldest first, from where it may not have ended. */
  const startedIn = async (key: string): Promise<RunRow[]> => {
    const newest: RunRow[] = [];
    const last = over.get(key)?.before;
    for (let limit = fewest; ; limit *= 2) {
      const before = newest.at(-1)?.runId;
      const page = await store.list({ unitsOf: key, limit, ...(before !== undefined && { before }) });
      newest.push(...page);
      if (page.length < limit || page.some(({ runId }) => runId === last)) return newest.toReversed();
    }
  };

  return {
    async of(sessionKey) {
      const known = over.get(sessionKey)?.runIds;
      const lists = new Map<string, Promise<{ rows: RunRow[]; byTree: Map<string, RunRow[]> }>>();
      const listOf = (key: string) => {
        const list =
          lists.get(key) ??
          startedIn(key).then((rows) => ({ rows, byTree: groupBy(rows, ({ origin }) => origin?.rootId ?? '') }));
        lists.set(key, list);
        return list;
      };
      const found = new Map<string, RunRow>();
      const looked = new Map<string, boolean>();
      /** Adds it and all that it has started. Gives whether all of it has ended. */
      const isOver = async (row: RunRow): Promise<boolean> => {
        if (isEnded(row.status) && known?.has(row.runId)) return true;
        const before = looked.get(row.runId);
        if (before !== undefined) return before;
        let isSo = isEnded(row.status);
        looked.set(row.runId, isSo);
        if (!isSo) found.set(row.runId, row);
        // What a unit has started is of the same session; what was sent elsewhere has that session's work below it.
        for (const each of (await listOf(sessionOf(row))).byTree.get(row.rootId) ?? [])
          isSo = (await isOver(each)) && isSo;
        looked.set(row.runId, isSo);
        return isSo;
      };
      const { rows } = await listOf(sessionKey);
      const runIds = new Set<string>();
      let before = over.get(sessionKey)?.before;
      let areAllOver = true;
      for (const [at, row] of rows.entries()) {
        const isSo = await isOver(row);
        areAllOver &&= isSo;
        if (areAllOver && at < rows.length - fewest) before = row.runId;
        else if (isSo) runIds.add(row.runId);
      }
      remember(sessionKey, { runIds, ...(before !== undefined && { before }) });
      return [...found.values()];
    },
    forgot: () => over.clear(),
  };
};
