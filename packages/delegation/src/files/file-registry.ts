import { systemClock } from '@troupe/core';
import { type Clock, FaultError, isWithin } from '@troupe/protocol';
import { type Disk, type FileStamp, localDisk } from './disk.ts';
import { pathLocks } from './path-locks.ts';
import { type Pair, recentPairs } from './recent-pairs.ts';
import { type FileWrite, isSameStamp, type Known, staleWarning } from './stale-warning.ts';

/** A file as it was at one moment. See {@link FileRegistry.look}. */
export type FileSight = { readonly path: string; readonly atMs: number; readonly stamp: FileStamp | undefined };

export type FileRegistryOptions = {
  /** How many reads, and how many writes, are remembered. The oldest are forgotten first. Default 4096. */
  maxEntries?: number;
  /** `false`: nothing is remembered, nothing warns, nobody waits. Default `true`. */
  enabled?: boolean;
  /** Where the files are. Default: the disk of this machine. */
  disk?: Disk;
  /**
   * Milliseconds that those who want a file wait for work that was aborted and goes on, before they are refused. Default 5,000; what honours
   * its signal needs none of them.
   */
  graceMs?: number;
  /** Default: the clock of this machine, whose timers do for one that has none. */
  clock?: Pick<Clock, 'now'> & Partial<Clock>;
};

/**
 * Who read and who wrote which file, in this process. Paths may be given in any form: they are made absolute, and links are
 * followed. Nothing here throws but `withLock`, and nothing is stored: after a restart all is forgotten.
 */
export type FileRegistry = {
  readonly enabled: boolean;
  /** The present in epoch milliseconds, each time a little later than before, so that no two moments are the same. */
  now(): number;
  /** What a file is now: take it before the reading begins, and give it to `recordRead` when it is done. */
  look(path: string): FileSight;
  /** Says that a run read a file: now, or when it was `seen`. `partial`: not all of it. */
  recordRead(runId: string, path: string, options?: { partial?: boolean; seen?: FileSight }): void;
  /** Says that a run has just written a file. It counts as its own read of all of it. */
  noteWrite(runId: string, path: string): void;
  /** Why a run should read a file before it writes it, as one sentence; `undefined` when there is nothing to say. */
  checkStale(runId: string, path: string): string | undefined;
  /** Writes of other runs from a moment of `now` on, to these paths or to any, oldest first. No paths at all: no writes. */
  writesSince(exceptRunId: string, sinceMs: number, paths?: readonly string[]): FileWrite[];
  /** What a run itself has read or written, as absolute paths, oldest first. */
  knownReads(runId: string): string[];
  /** When a run last read or wrote a file, by `now`. */
  readAt(runId: string, path: string): number | undefined;
  /** What a run, and every run below it, has read. Absolute paths, oldest first. */
  readBy(runId: string): string[];
  /** What a run, and every run below it, has written. Absolute paths, oldest first. */
  writtenBy(runId: string): string[];
  /**
   * Does the work while no other work of this registry holds any of the paths. Work on other paths goes on beside it. First come,
   * first served; work that throws lets go. Not to be nested for one path: the inner work would wait for the outer one.
   *
   * @param options.signal Ends the wait: it rejects with the signal's reason. Work that has begun goes on, and holds its paths until it ends.
   * @param options.by Who does it, for those who cannot have the paths. Default: `other work`.
   * @throws FaultError `files.held` when work that was aborted holds one of the paths for longer than `graceMs` after that
   */
  withLock<T>(
    path: string | readonly string[],
    work: () => T | Promise<T>,
    options?: { signal?: AbortSignal; by?: string },
  ): Promise<T>;
};

/** The writes of one path. */
type Writers = { last: Pair<FileWrite>; byRun: Map<string, Pair<FileWrite>> };

const byTime = (a: { atMs: number }, b: { atMs: number }): number => a.atMs - b.atMs;
const pathsIn = (entries: readonly { path: string; atMs: number }[]): string[] => [
  ...new Set(entries.toSorted(byTime).map(({ path }) => path)),
];
const dated = ({ path, value }: Pair<Known>) => ({ path, atMs: value.atMs });

/** Moments of one clock that are all different. The smallest step that a double can still tell at today's epoch, and some. */
const moments = (clock: Pick<Clock, 'now'>) => {
  let latest = Number.NEGATIVE_INFINITY;
  return (): number => {
    latest = Math.max(clock.now(), latest + 0.001);
    return latest;
  };
};

const hasTimers = (clock: Partial<Clock>): clock is Clock =>
  clock.setTimeout !== undefined && clock.clearTimeout !== undefined;

/**
 * Makes a registry of who read and wrote which file. {@link processFiles} is there already; a registry of one's own is for other
 * disks, tests, or to switch it all off: `fileRegistry({ enabled: process.env.MY_SWITCH !== 'off' })`.
 *
 * @throws FaultError `files.invalid` when `maxEntries` is not a whole number above 0.
 */
export const fileRegistry = ({
  maxEntries = 4096,
  enabled = true,
  disk = localDisk,
  graceMs,
  clock = systemClock,
}: FileRegistryOptions = {}): FileRegistry => {
  if (!Number.isInteger(maxEntries) || maxEntries < 1)
    throw new FaultError('files.invalid', `maxEntries must be >= 1, and a whole number. Found ${maxEntries}.`);

  const now = moments(clock);
  const locks = pathLocks({ clock: hasTimers(clock) ? clock : systemClock, graceMs });
  const writers = new Map<string, Writers>();
  const reads = recentPairs<Known>(maxEntries);
  const writes = recentPairs<FileWrite>(maxEntries, ({ runId, path }) => {
    const of = writers.get(path);
    of?.byRun.delete(runId);
    // The oldest of all is the last of its path only if it is the only one.
    if (of?.byRun.size === 0) writers.delete(path);
  });

  const look = (path: string): FileSight => {
    const atMs = now();
    const resolved = disk.resolve(path);
    return { path: resolved, atMs, stamp: disk.stat(resolved) };
  };

  const isWrittenByOthers = (runId: string, path: string, sinceMs: number): boolean => {
    const last = writers.get(path)?.last.value;
    return last !== undefined && last.runId !== runId && last.atMs > sinceMs;
  };

  /** Two reads of one file: the later one counts, and a part of a file that was read whole and is still the same is the whole. */
  const together = (runId: string, path: string, a: Known, b: Known): Known => {
    const [older, newer] = a.atMs < b.atMs ? [a, b] : [b, a];
    const isWhole =
      !newer.partial ||
      (!older.partial && isSameStamp(older.stamp, newer.stamp) && !isWrittenByOthers(runId, path, older.atMs));
    return { ...newer, partial: !isWhole, wasRead: true };
  };

  const found = (runId: string, path: string): Known | undefined => reads.get(runId, path);
  const below = (runId: string) => (other: string) => isWithin(other, runId);

  return {
    enabled,
    now,
    look,
    recordRead(runId, path, { partial = false, seen = look(path) } = {}) {
      if (!enabled) return;
      const read: Known = { atMs: seen.atMs, stamp: seen.stamp, partial, wasRead: true };
      const known = found(runId, seen.path);
      reads.set(runId, seen.path, known ? together(runId, seen.path, known, read) : read);
    },
    noteWrite(runId, path) {
      if (!enabled) return;
      const { path: resolved, atMs, stamp } = look(path);
      const wasRead = found(runId, resolved)?.wasRead ?? false;
      reads.set(runId, resolved, { atMs, stamp, partial: false, wasRead });
      const last = writes.set(runId, resolved, { runId, path: resolved, atMs });
      const byRun = writers.get(resolved)?.byRun ?? new Map<string, Pair<FileWrite>>();
      writers.set(resolved, { last, byRun: byRun.set(runId, last) });
    },
    checkStale(runId, path) {
      if (!enabled) return undefined;
      const resolved = disk.resolve(path);
      const last = writers.get(resolved)?.last.value;
      return staleWarning({ runId, path, mine: found(runId, resolved), last, stamp: disk.stat(resolved) });
    },
    writesSince(exceptRunId, sinceMs, paths) {
      const pairs = paths
        ? [...new Set(paths.map((path) => disk.resolve(path)))].flatMap((path) => [
            ...(writers.get(path)?.byRun.values() ?? []),
          ])
        : writes.where(() => true);
      return pairs
        .map(({ value }) => value)
        .filter(({ runId, atMs }) => runId !== exceptRunId && atMs >= sinceMs)
        .toSorted(byTime);
    },
    knownReads: (runId) => pathsIn(reads.of(runId).map(dated)),
    readAt: (runId, path) => found(runId, disk.resolve(path))?.atMs,
    readBy: (runId) =>
      pathsIn(
        reads
          .where(below(runId))
          .filter(({ value }) => value.wasRead)
          .map(dated),
      ),
    writtenBy: (runId) => pathsIn(writes.where(below(runId)).map(({ value }) => value)),
    withLock: async (path, work, holding) => {
      if (!enabled) return work();
      const names = (typeof path === 'string' ? [path] : path).map((each) => disk.resolve(each));
      return locks.hold(names, async () => work(), holding);
    },
  };
};

/** The registry of this process: what tools use that are given no other. */
export const processFiles: FileRegistry = fileRegistry();
