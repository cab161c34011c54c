/** What is known of one run and one path. */
export type Pair<V> = { readonly runId: string; readonly path: string; readonly value: V };

type Link<V> = Pair<V> & { value: V; older: Link<V> | undefined; newer: Link<V> | undefined };

/**
 * A value for each run and path, at most `max` of them: the one that was not set for the longest time is forgotten first.
 * Setting and getting cost the same however many there are.
 */
export const recentPairs = <V>(max: number, forgotten: (pair: Pair<V>) => void = () => {}) => {
  const runs = new Map<string, Map<string, Link<V>>>();
  let size = 0;
  let oldest: Link<V> | undefined;
  let newest: Link<V> | undefined;

  const unlink = ({ older, newer }: Link<V>): void => {
    if (older) older.newer = newer;
    else oldest = newer;
    if (newer) newer.older = older;
    else newest = older;
  };

  const append = (link: Link<V>): void => {
    link.older = newest;
    link.newer = undefined;
    if (newest) newest.newer = link;
    else oldest = link;
    newest = link;
  };

  const forget = (link: Link<V>): void => {
    unlink(link);
    size -= 1;
    const paths = runs.get(link.runId);
    paths?.delete(link.path);
    if (paths?.size === 0) runs.delete(link.runId);
    forgotten(link);
  };

  return {
    get: (runId: string, path: string): V | undefined => runs.get(runId)?.get(path)?.value,
    set(runId: string, path: string, value: V): Pair<V> {
      const paths = runs.get(runId) ?? new Map<string, Link<V>>();
      runs.set(runId, paths);
      const known = paths.get(path);
      if (known) unlink(known);
      else size += 1;
      const link = known ?? { runId, path, value, older: undefined, newer: undefined };
      link.value = value;
      append(link);
      paths.set(path, link);
      if (size > max && oldest) forget(oldest);
      return link;
    },
    /** What is known of one run. */
    of: (runId: string): Pair<V>[] => [...(runs.get(runId)?.values() ?? [])],
    /** What is known of all runs that `among` says yes to. */
    where: (among: (runId: string) => boolean): Pair<V>[] =>
      [...runs].flatMap(([runId, paths]) => (among(runId) ? [...paths.values()] : [])),
  };
};
