import { isEnded, type RunRow, type RunStore } from '@troupe/protocol';
import type { StoreBug } from './store-bugs.ts';

type Place = { runId: string; rootId: string };
type Old = { isOld(place: Place): boolean; count: number };

/** What is to be forgotten, with a bug if one is asked for. */
export const oldTrees = (
  rows: readonly RunRow[],
  { olderThan, keep, sentTo, units = false }: Parameters<RunStore['prune']>[0],
  bug?: StoreBug,
): Old => {
  const endOf = (tree: readonly RunRow[]) => {
    const ends = tree.map(({ endedAt = 0, createdAt }) => (bug === 'prunes by when a run began' ? createdAt : endedAt));
    return bug === 'prunes at the end of the first run' ? Math.min(...ends) : Math.max(...ends);
  };
  const hasEnded = (tree: readonly RunRow[]) => {
    if (bug === 'prunes trees that have not ended') return true;
    if (bug === 'prunes trees whose root has ended')
      return tree.every(({ runId, rootId, status }) => runId !== rootId || isEnded(status));
    return tree.every(({ status }) => isEnded(status));
  };
  const isWithUnits = (units && bug !== 'prunes no units') || bug === 'prunes units unasked';
  const isMeant = (tree: readonly RunRow[]): boolean => {
    if (sentTo === undefined || bug === 'prunes what any session was sent') return true;
    return tree.some(
      ({ sessionKey, after, origin }) =>
        ((bug === 'prunes sessions by prefix' ? sessionKey?.startsWith(sentTo) : sessionKey === sentTo) &&
          (after !== undefined || bug === 'prunes all runs of a session' || (origin && isWithUnits))) ||
        (bug === 'prunes what was sent elsewhere with units' && units && origin?.sessionKey === sentTo),
    );
  };
  if (bug === 'prunes nothing') return { isOld: () => false, count: 0 };
  const limit = olderThan + (bug === 'prunes what ended then, too' ? 1 : 0);
  if (bug === 'prunes single runs') {
    const old = rows
      .filter(({ status }) => isEnded(status))
      .toSorted((a, b) => (b.endedAt ?? 0) - (a.endedAt ?? 0))
      .slice(keep)
      .filter(({ endedAt = 0 }) => endedAt < limit);
    return {
      isOld: ({ runId }) => old.some((row) => row.runId === runId),
      count: new Set(old.map(({ rootId }) => rootId)).size,
    };
  }
  const trees = [...Map.groupBy(rows, ({ rootId }) => rootId)].map(([rootId, tree]) => ({ rootId, tree }));
  const ended = trees.filter(({ tree }) => isMeant(tree) && hasEnded(tree));
  if (bug !== 'keeps what began first of what ended together') ended.reverse();
  if (bug !== 'keeps what began last') ended.sort((a, b) => endOf(b.tree) - endOf(a.tree));
  if (bug === 'keeps what ended first') ended.reverse();
  const places = bug === 'keeps one for each tree that goes on' ? keep + trees.length - ended.length : keep;
  const old = ended.slice(bug === 'keeps nothing' ? 0 : places).filter(({ tree }) => endOf(tree) < limit);
  return {
    isOld: ({ rootId }) =>
      old.some((tree) => (bug === 'pruning goes by prefix' ? rootId.startsWith(tree.rootId) : tree.rootId === rootId)),
    count: bug === 'counts runs' ? old.flatMap(({ tree }) => tree).length : old.length,
  };
};
