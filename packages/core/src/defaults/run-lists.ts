/** Runs of a store in memory as they are asked for: newest first, without a look at those that are not asked for. */
import { isEnded, type RunFilter, type RunRow } from '@troupe/protocol';
import { type Shelf, shelfOf } from './shelf.ts';

/** `place`: its own among all, from 1; given when it begins. */
export type Listed = { row: RunRow; place: number };
/** Runs in the order in which they began, how many are left of them, and those that have not ended. */
type List<T> = { all: Shelf<T>; left: number; open: Set<T>; drop(): void };

export type RunLists<T extends Listed> = {
  /** With its row: whose it is never changes. Gives it its place. */
  begin(run: T): void;
  end(run: T): void;
  forget(run: T): void;
  /** Those that were sent to a session, oldest first; its background units, too, where they are wanted. */
  ofSession(sessionKey: string, withUnits: boolean): T[];
  /** Newest first. @param older The run that they are to be older than. */
  rows(filter: Omit<RunFilter, 'before'>, older?: T): RunRow[];
};

/** The session that a run was sent to, and the one in whose background it runs. */
const sentToOf = ({ after, sessionKey }: RunRow): string | undefined => (after === undefined ? undefined : sessionKey);
const unitOfOf = ({ origin, sessionKey }: RunRow): string | undefined => origin && (origin.sessionKey ?? sessionKey);

export const openRunLists = <T extends Listed>(runsOfTree: (rootId: string) => readonly T[]): RunLists<T> => {
  const listOf = (drop: () => void): List<T> => ({ all: shelfOf(), left: 0, open: new Set(), drop });
  const every = listOf(() => {});
  const sent = new Map<string, List<T>>();
  const units = new Map<string, List<T>>();
  /** The lists of sessions that a run is in, and where: most are in none. */
  const places = new Map<string, [list: List<T>, place: number][]>();

  const listFor = (lists: Map<string, List<T>>, key: string | undefined): List<T>[] => {
    if (key === undefined) return [];
    const list = lists.get(key) ?? listOf(() => lists.delete(key));
    lists.set(key, list);
    return [list];
  };
  const add = (list: List<T>, run: T): void => {
    list.all.put(run);
    list.open.add(run);
    list.left += 1;
  };
  const remove = (list: List<T>, run: T, place: number): void => {
    list.all.remove(place);
    list.open.delete(run);
    list.left -= 1;
    if (list.left === 0) list.drop();
  };

  /** Those among which the wanted ones are: as few as can be known. */
  const among = (
    { rootId, sentTo, unitsOf, status }: Omit<RunFilter, 'before'>,
    before: number | undefined,
  ): Iterable<T> => {
    if (rootId !== undefined) return runsOfTree(rootId).toReversed();
    const list = sentTo !== undefined ? sent.get(sentTo) : unitsOf !== undefined ? units.get(unitsOf) : every;
    if (!list) return [];
    const isOpen = status !== undefined && ![status].flat().some(isEnded);
    if (isOpen) return [...list.open].reverse();
    return list.all.newest(list === every ? before : undefined);
  };

  return {
    begin(run) {
      const { row } = run;
      add(every, run);
      run.place = every.all.count;
      const [sentTo, unitOf] = [sentToOf(row), unitOfOf(row)];
      if (sentTo === undefined && unitOf === undefined) return;
      const its = [...listFor(sent, sentTo), ...listFor(units, unitOf)];
      for (const list of its) add(list, run);
      places.set(
        row.runId,
        its.map((list) => [list, list.all.count]),
      );
    },
    end(run) {
      every.open.delete(run);
      for (const [{ open }] of places.get(run.row.runId) ?? []) open.delete(run);
    },
    forget(run) {
      remove(every, run, run.place);
      for (const [list, place] of places.get(run.row.runId) ?? []) remove(list, run, place);
      places.delete(run.row.runId);
    },
    ofSession(sessionKey, withUnits) {
      const its = [...(sent.get(sessionKey)?.all.newest() ?? [])];
      if (withUnits)
        for (const run of units.get(sessionKey)?.all.newest() ?? []) if (sentToOf(run.row) === undefined) its.push(run);
      return its.sort((a, b) => a.place - b.place);
    },
    rows(filter, older) {
      const { status, rootId, sentTo, unitsOf, limit = 100 } = filter;
      const wanted = status === undefined ? undefined : new Set([status].flat());
      const rows: RunRow[] = [];
      for (const { row, place } of among(filter, older?.place)) {
        if (rows.length >= limit) break;
        if (
          (!older || place < older.place) &&
          (!wanted || wanted.has(row.status)) &&
          (rootId === undefined || row.rootId === rootId) &&
          (sentTo === undefined || sentToOf(row) === sentTo) &&
          (unitsOf === undefined || unitOfOf(row) === unitsOf)
        )
          rows.push(row);
      }
      return rows;
    },
  };
};
