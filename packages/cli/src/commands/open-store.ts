import { closeSync, existsSync, mkdirSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { FaultError } from '@troupe/protocol';
import { type SqliteStore, sqliteStore } from '@troupe/store-sqlite';
import type { Terminal } from '../terminal.ts';

/** Where runs are stored when nothing is said: in the folder that one works in. */
const usualFolder = '.troupe';

/** The file of the store: `--store`, else `TROUPE_STORE`, else `.troupe/runs.db`. */
export const storeFileOf = (
  store: string | undefined,
  { folder, environment }: Pick<Terminal, 'folder' | 'environment'>,
): string => resolve(folder, store ?? (environment.TROUPE_STORE || join(usualFolder, 'runs.db')));

/**
 * Opens the store. A file that is no database is left as it is: whoever names another file by mistake loses nothing.
 *
 * @param mayBegin Whether it is made where there is none.
 * @throws FaultError `store.unknown`, `store.invalid`; `store.unavailable`, `store.newer`, `store.corrupt`
 */
export const openStore = (file: string, mayBegin: boolean): SqliteStore => {
  if (!existsSync(file)) {
    if (!mayBegin)
      throw new FaultError(
        'store.unknown',
        `There is no store ${file}. "troupe run" makes one; name another with --store FILE or TROUPE_STORE.`,
      );
    makeFolder(dirname(file));
  } else if (!mayBeStore(file))
    throw new FaultError(
      'store.invalid',
      `${file} is no store: it is no SQLite database, and was left as it is. Name another with --store FILE or TROUPE_STORE, or move it away.`,
    );
  return sqliteStore(file);
};

const magic = Buffer.from('SQLite format 3\0');

/** Whether a file begins as databases do, or holds nothing yet. */
const mayBeStore = (file: string): boolean => {
  if (!statSync(file).isFile()) return false;
  const start = Buffer.alloc(magic.length);
  const opened = openSync(file, 'r');
  try {
    return readSync(opened, start) === 0 || start.equals(magic);
  } finally {
    closeSync(opened);
  }
};

/** The usual folder is nothing to be committed. */
const makeFolder = (folder: string): void => {
  if (existsSync(folder)) return;
  mkdirSync(folder, { recursive: true });
  if (folder.endsWith(usualFolder)) writeFileSync(join(folder, '.gitignore'), '*\n');
};
