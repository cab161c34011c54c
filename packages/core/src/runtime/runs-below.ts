/** What a run may know of the runs below it, and say to them: nothing of any other. */
import { FaultError, isWithin, type RunRow, type RunStore, unfinished } from '@troupe/protocol';
import { sessionOf } from '../background/dispatch.ts';
import type { Underway } from '../background/underway.ts';
import type { OwnRuns } from '../define-tool.ts';
import { everyRow } from '../every-row.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { Run } from '../run/run.ts';

export const openRunsBelow =
  (store: RunStore, underway: Underway, attach: (runId: string) => Promise<Run>) =>
  (run: LiveRun): OwnRuns => {
    /** Whether something happens on behalf of the run: below it, or in a unit that was dispatched from there. */
    const isOwn = async (row: RunRow): Promise<boolean> => {
      if (row.runId === run.runId) return false;
      if (isWithin(row.runId, run.runId)) return true;
      const root = row.rootId === row.runId ? row : await store.get(row.rootId);
      const from = root?.origin && (root.origin.runId === run.runId ? run : await store.get(root.origin.runId));
      return from !== undefined && (from.runId === run.runId || (await isOwn(from as RunRow)));
    };
    const own = async (runId: string): Promise<Run> => {
      await run.writing;
      const row = await store.get(runId);
      if (row && (await isOwn(row))) return attach(runId);
      throw new FaultError('run.unknown', `There is no run "${runId}" below this one.`, { runId });
    };
    return {
      async list() {
        await run.writing;
        const atWork = async (rootId: string) =>
          (await store.list({ rootId, status: unfinished, ...everyRow })).toReversed();
        const found: RunRow[] = [];
        for (const row of await atWork(run.rootId)) if (await isOwn(row)) found.push(row);
        for (const root of await underway.of(sessionOf(run)))
          if (await isOwn(root)) found.push(...(await atWork(root.runId)));
        return found.sort((a, b) => a.createdAt - b.createdAt);
      },
      steer: async (runId, text) => (await own(runId)).steer(text),
      interrupt: async (runId, reason) => (await own(runId)).interrupt(reason),
    };
  };
