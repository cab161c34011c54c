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
 * Whether a file that is open still has its name: SQLite goes on writing where it has none, or where another file has it by now, and
 * nobody would find again what was acknowledged.
 *
 * @param opened The one that had it when the store was opened.
 * @returns What is wrong, for good once it is.
 */
export const watchName = (path: string, opened: string | null): (() => Trouble | undefined) => {
  let trouble: Trouble | undefined;
  return () => {
    if (trouble) return trouble;
    const now = fileAt(path);
    if (opened !== null && now !== null && now !== opened)
      trouble = {
        code: 'store.unavailable',
        message: `The store "${path}" could not be written: the file that was opened was moved or deleted, or another process has set it aside because it is damaged. Nothing is stored there any more: close the store and open it again.`,
        retryable: false,
      };
    return trouble;
  };
};
