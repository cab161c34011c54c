/**
 * The trees that are shown, of all that are stored. A store may hold millions of runs: what is shown of it does not grow with that.
 * Trees that are over make room for others, those that ended first; whoever looks at one keeps it.
 */
import { FaultError, isLive, type RunEvent, type StoredEvent, unfinished } from '@troupe/protocol';
import { createActor, fromPromise, waitFor } from 'xstate';
import type { RunTable } from '../runs/run-table.ts';
import type { RunSource } from './run-source.ts';
import { type Listed, treesMachine } from './trees-machine.ts';

export type Trees = {
  /** True when older trees are stored that are not shown. */
  hasOlder(): boolean;
  /** Shows older ones. Gives back how many rows have come, once they are there. @throws what the store says */
  older(): Promise<number>;
  /** The same for the tree of a run, if it is stored. */
  bring(runId: string): Promise<number>;
  /** Lets go of trees while there are too many rows, and gives back the rows. */
  makeRoom(isLookedAt: (rootId: string) => boolean): string[];
  /** Nobody is there who has asked for any. */
  left(): void;
  close(): void;
};

type About = {
  source: RunSource;
  runs: RunTable;
  limits?: TreeLimits | undefined;
  /** An event that was stored before anybody looked; `isFirst` of the trees that are shown at first. */
  read(event: StoredEvent, isFirst: boolean): void;
  /** An event that comes. */
  hear(event: RunEvent): void;
  /** A tree could not be read to its end: nothing of it is shown. */
  unread(rootId: string): void;
  /** Something has changed about what is shown. */
  changed(): void;
  /** Whether a page is there, which may have asked for what comes. */
  isSeen(): boolean;
  complain(message: string, error: unknown): void;
};

export type TreeLimits = {
  /** Runs whose trees are shown at first, and each time that older ones are asked for; so many that go on are shown at first, too. */
  runs: number;
  /** Rows that are kept, and more while whoever asked for them is there. */
  rows: number;
  /** Trees that were heard of last: they are kept however many rows they have. */
  last: number;
};
const usual: TreeLimits = { runs: 1_000, rows: 10_000, last: 10 };
/** Trees that are read at once. */
const lanes = 16;

export const openTrees = (about: About): Trees => {
  const { source, runs, limits = usual, read, hear, unread, changed, isSeen, complain } = about;
  const underway = new Map<string, Promise<void>>();
  let following: { unsubscribe(): void } | undefined;
  let isOpened = false;
  let isClosed = false;
  let room = limits.rows;
  /** So many rows there are before it is worth looking again for some to let go. */
  let lookAgainAt = 0;

  const load = async (rootId: string): Promise<void> => {
    const isFirst = !isOpened;
    for await (const event of source.events({ rootId }, { follow: false })) {
      if (isClosed) return;
      if (!isLive(event)) read(event, isFirst);
    }
  };
  const show = (rootId: string): Promise<void> => {
    const known = underway.get(rootId);
    if (known) return known;
    const loading = load(rootId)
      .catch((error: unknown) => {
        unread(rootId);
        throw error;
      })
      .finally(() => {
        underway.delete(rootId);
        changed();
      });
    underway.set(rootId, loading);
    return loading;
  };
  /** What somebody has asked for finds room while somebody is there. */
  const makeRoomFor = (): void => {
    if (isSeen() || !isOpened) room = Math.max(room, runs.size());
  };
  /** A tree that is not shown goes on: all of it is. */
  const showIfUnknown = ({ rootId }: RunEvent): void => {
    if (runs.hasTree(rootId) || underway.has(rootId)) return;
    show(rootId).catch((error: unknown) => complain(`The inspector could not read tree "${rootId}".`, error));
  };
  const follow = (after: string): void => {
    following?.unsubscribe();
    if (isClosed) return;
    following = source.events({ after }).subscribe({
      next(event) {
        if (!isLive(event) && event.rootSeq > 1) showIfUnknown(event);
        hear(event);
      },
      error: (error: unknown) => complain('The inspector hears of no more events.', error),
    });
  };

  const unknown = (rows: readonly { rootId: string }[]): string[] =>
    [...new Set(rows.map(({ rootId }) => rootId))].filter((rootId) => !runs.hasTree(rootId));
  const list = async (before: string | null): Promise<Listed> => {
    const rows = await source.list({ limit: limits.runs, ...(before !== null && { before }) });
    // Where the run was forgotten, its place in the list was, too.
    if (rows.length === 0 && before !== null && !(await source.get(before))) return list(null);
    return { rootIds: unknown(rows), before: rows.at(-1)?.runId ?? before, hasOlder: rows.length === limits.runs };
  };

  /** As many trees that go on, however many of their runs do. */
  const openTreesOf = async (): Promise<string[]> => {
    const rootIds = new Set<string>();
    const limit = limits.runs;
    for (let before: string | undefined; rootIds.size < limit; ) {
      const rows = await source.list({ status: unfinished, limit, ...(before !== undefined && { before }) });
      for (const rootId of unknown(rows)) rootIds.add(rootId);
      before = rows.at(-1)?.runId;
      if (rows.length < limit) break;
    }
    return [...rootIds].slice(0, limit);
  };

  const actor = createActor(
    treesMachine.provide({
      actors: {
        open: fromPromise(async () => {
          // What is stored from here on is heard of, what was stored before is listed.
          follow(await source.cursor());
          const [newest, open] = await Promise.all([list(null), openTreesOf()]);
          return { ...newest, rootIds: [...new Set([...open, ...newest.rootIds])] };
        }),
        list: fromPromise(({ input }) => list(input.before)),
        load: fromPromise(async ({ input: { rootIds } }) => {
          const queue = rootIds.values();
          const lane = async (): Promise<void> => {
            for (const rootId of queue) if (!isClosed) await show(rootId);
          };
          await Promise.all(Array.from({ length: lanes }, lane));
          makeRoomFor();
          isOpened = true;
        }),
      },
      actions: {
        complain: (_scene, { code, message }) =>
          complain('The inspector could not read what is stored.', new FaultError(code, message)),
      },
    }),
  );
  actor.subscribe(changed);
  actor.start();

  return {
    hasOlder: () => actor.getSnapshot().context.hasOlder,
    async older() {
      actor.send({ type: 'older' });
      const { context } = await waitFor(actor, (snapshot) => snapshot.hasTag('settled'));
      if (context.problem) throw new FaultError(context.problem.code, context.problem.message);
      return context.rootIds.reduce((sum, rootId) => sum + runs.rowsOf(rootId), 0);
    },
    async bring(runId) {
      const row = await source.get(runId);
      if (!row || (runs.hasTree(row.rootId) && !underway.has(row.rootId))) return 0;
      await show(row.rootId);
      makeRoomFor();
      return runs.rowsOf(row.rootId);
    },
    makeRoom(isLookedAt) {
      const isReading = underway.size > 0 || !actor.getSnapshot().matches('ready');
      if (isReading || runs.size() <= Math.max(room, lookAgainAt)) return [];
      const gone: string[] = [];
      for (const rootId of runs.overFirst().slice(0, -limits.last)) {
        if (runs.size() <= room * 0.9) break;
        if (!isLookedAt(rootId)) gone.push(...runs.forget(rootId));
      }
      if (gone.length > 0) actor.send({ type: 'letGo' });
      lookAgainAt = runs.size() > room ? runs.size() * 1.1 : 0;
      return gone;
    },
    left() {
      room = limits.rows;
      lookAgainAt = 0;
    },
    close() {
      isClosed = true;
      following?.unsubscribe();
      actor.stop();
    },
  };
};
