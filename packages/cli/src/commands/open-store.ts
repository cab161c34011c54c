import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
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
 * Opens the store.
 *
 * @param mayBegin Whether it is made where there is none.
 * @throws FaultError `store.unknown`; `store.unavailable`, `store.newer`, `store.corrupt`
 */
export const openStore = (file: string, mayBegin: boolean): SqliteStore => {
  if (!existsSync(file)) {
    if (!mayBegin)
      throw new FaultError(
        'store.unknown',
        `There is no store ${file}. "troupe run" makes one; name another with --store FILE or TROUPE_STORE.`,
      );
    makeFolder(dirname(file));
  }
  return sqliteStore(file);
};

/** The usual folder is nothing to be committed. */
const makeFolder = (folder: string): void => {
  if (existsSync(folder)) return;
  mkdirSync(folder, { recursive: true });
  if (folder.endsWith(usualFolder)) writeFileSync(join(folder, '.gitignore'), '*\n');
};
