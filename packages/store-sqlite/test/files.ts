/** Stores in folders of their own. */
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { stepOf } from '../../../test/support/steps.ts';
import { type SqliteStore, type SqliteStoreOptions, sqliteStore } from '../src/index.ts';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is gone after the tests of this file. */
export const freshFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-store-'));
  folders.push(folder);
  return folder;
};

/** A path where there is no file yet. */
export const freshPath = (): string => join(freshFolder(), 'runs.db');

const opened = new WeakMap<SqliteStore, SqliteStoreOptions>();

export const openAt = (options: SqliteStoreOptions): SqliteStore => {
  const store = sqliteStore(options);
  opened.set(store, options);
  return store;
};

/** A store in a file of its own. */
export const openFresh = (options: Partial<SqliteStoreOptions> = {}): SqliteStore =>
  openAt({ path: freshPath(), ...options });

/** Closes a store in order and opens its file again. */
export const reopen = async (store: SqliteStore, { now }: { now?: () => number } = {}): Promise<SqliteStore> => {
  const options = opened.get(store);
  if (!options) throw new Error('This store was not opened here.');
  await store.close();
  return openAt({ ...options, ...(now && { now }) });
};

/** The file of a store that was opened here. */
export const pathOfStore = (store: SqliteStore): string => opened.get(store)?.path ?? '';

/** A file of some 40 MiB: too large to be checked before it is used. */
export const largeFile = async (): Promise<string> => {
  const path = freshPath();
  const store = openAt({ path, durability: 'normal' });
  const text = 'x'.repeat(200_000);
  for (let seq = 0; seq < 200; seq++) await store.commit([stepOf({ runId: `r${seq}`, checkpoint: { seq, text } })]);
  await store.close();
  return path;
};
/** Overwrites a part in the middle, of which nothing that is read at first knows. */
export const damage = (path: string): void => {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(40 * 4_096, 0xa5), 0, 40 * 4_096, 4_096 * Math.floor(statSync(path).size / 8_192));
  closeSync(file);
};
