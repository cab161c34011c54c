import { statSync } from 'node:fs';
import type { Trouble } from './trouble.ts';

/** Which file has a name now: `none`, or `null` where that cannot be found out. */
export const fileAt = (path: string): string | null => {
  try {
    const its = statSync(path, { bigint: true, throwIfNoEntry: false });
    return its ? `${its.dev}:${its.ino}` : 'none';
  } catch {
    return null;
  }
};

/**
 * What is wrong where a file that is open has not its name any more: SQLite goes on writing where it has none, or where another file has
 * it by now, and nobody would find again what was acknowledged.
 *
 * @param opened The one that had it when the store was opened.
 */
export const troubleWithName = (path: string, opened: string | null): Trouble | undefined => {
  const now = fileAt(path);
  if (opened === null || now === null || now === opened) return undefined;
  return {
    code: 'store.unavailable',
    message: `The store "${path}" could not be written: the file that was opened was moved or deleted, or another process has set it aside because it is damaged. Nothing is stored there any more: close the store and open it again.`,
    retryable: false,
  };
};
