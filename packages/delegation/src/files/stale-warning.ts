import type { FileStamp } from './disk.ts';

/** What a run knows of a file. Its own write is a read of the whole file. */
export type Known = {
  readonly atMs: number;
  readonly stamp: FileStamp | undefined;
  readonly partial: boolean;
  /** Whether it was ever read, not only written. */
  readonly wasRead: boolean;
};

/** That a run wrote a file. A run has one for each file: its last. */
export type FileWrite = { readonly runId: string; readonly path: string; readonly atMs: number };

/** What there is to know before a run writes a file. */
type Sighting = {
  runId: string;
  /** The path as the run knows it. */
  path: string;
  mine: Known | undefined;
  /** Whoever wrote the file last. */
  last: FileWrite | undefined;
  /** The file as it is now. */
  stamp: FileStamp | undefined;
};

export const isSameStamp = (a: FileStamp | undefined, b: FileStamp | undefined): boolean =>
  a?.mtimeMs === b?.mtimeMs && a?.size === b?.size;

/** Why a run should not trust what it knows of a file that it writes, as one sentence. The first reason counts. */
export const staleWarning = ({ runId, path, mine, last, stamp }: Sighting): string | undefined => {
  if (!mine && !stamp) return undefined;
  const other = last && last.runId !== runId ? last : undefined;
  if (mine && other && other.atMs > mine.atMs)
    return `Warning: run "${other.runId}" wrote ${path} after you last read it. Read it again, and make sure that nothing of that is lost.`;
  if (!mine && other)
    return `Warning: run "${other.runId}" wrote ${path}, and you never read it. Read it, and make sure that nothing of that is lost.`;
  if (mine && !isSameStamp(mine.stamp, stamp))
    return `Warning: ${path} ${stamp ? 'changed on disk' : 'was deleted'} after you last read it. Read it again before you rely on it.`;
  if (mine?.partial)
    return `Warning: you read only a part of ${path}. Read all of it before you rely on what it holds.`;
  if (!mine) return `Warning: ${path} existed, and you never read it. Read it before you rely on what it holds.`;
  return undefined;
};
