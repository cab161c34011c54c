/** Whether a file is what SQLite has written. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { messageOf } from '@troupe/protocol';
import { isDamage } from './trouble.ts';

/** Reads the whole file: half a second for each gigabyte that is in memory, ten where a slow disk has it. What is wrong with it, if anything is. */
export const damageIn = (db: DatabaseSync): string | undefined => {
  try {
    const found = String(db.prepare('PRAGMA quick_check(1)').get()?.quick_check);
    return found === 'ok' ? undefined : found;
  } catch (error) {
    if (isDamage(error)) return messageOf(error);
    throw error;
  }
};

const markOf = (path: string): string => `${path}-check`;

/** True for a file that was found to be damaged while it was open, or of which that could not be found out. */
export const isMarked = (path: string): boolean => existsSync(markOf(path));

/** Whoever opens the file next checks it before anything else. */
export const mark = (path: string): void => {
  try {
    writeFileSync(markOf(path), '');
  } catch {
    // Then it is found out again.
  }
};

export const unmark = (path: string): void => rmSync(markOf(path), { force: true });
