/** What runs and sessions have under way in the background: units, and what was sent to other sessions on their behalf. */
import type { RunRow, RunStore } from '@troupe/protocol';
import { groupBy } from '../es2024.ts';
import { everyRow } from '../every-row.ts';
import { sessionOf } from './dispatch.ts';

export type BackgroundWork = {
  /** What the runs of a tree have started, oldest first. */
  startedBy(root: RunRow): Promise<readonly RunRow[]>;
  /** All that is done on behalf of a session, in other sessions too: roots, each once. */
  of(sessionKey: string): Promise<RunRow[]>;
};

/** Reads each session once, when it is asked for. */
export const openBackgroundWork = (store: Pick<RunStore, 'list'>): BackgroundWork => {
  const sessions = new Map<string, Promise<RunRow[]>>();
  const trees = new Map<string, Promise<Map<string, RunRow[]>>>();
  const startedIn = (key: string): Promise<RunRow[]> => {
    const read = async () => (await store.list({ unitsOf: key, ...everyRow })).toReversed();
    const known = sessions.get(key) ?? read();
    sessions.set(key, known);
    return known;
  };
  const byTree = (key: string): Promise<Map<string, RunRow[]>> => {
    const known = trees.get(key) ?? startedIn(key).then((rows) => groupBy(rows, ({ origin }) => origin?.rootId ?? ''));
    trees.set(key, known);
    return known;
  };
  const startedBy = async (root: RunRow): Promise<readonly RunRow[]> => {
    const rows = (await byTree(sessionOf(root))).get(root.rootId) ?? [];
    // What is older was started by one that had its id and is forgotten.
    return rows.filter(({ createdAt }) => createdAt >= root.createdAt);
  };
  return {
    startedBy,
    async of(sessionKey) {
      const found = new Map<string, RunRow>();
      const add = async (rows: readonly RunRow[]): Promise<void> => {
        for (const row of rows) {
          if (found.has(row.runId)) continue;
          found.set(row.runId, row);
          // What a unit has started is of the same session; what was sent elsewhere has that session's work below it.
          await add(await startedBy(row));
        }
      };
      await add(await startedIn(sessionKey));
      return [...found.values()];
    },
  };
};
