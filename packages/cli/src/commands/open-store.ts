/** Which store is meant, and how it is opened: a file of this machine, or a database that many machines reach. */
import { closeSync, existsSync, mkdirSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { FaultError, isFaultError, type MemoryStore, messageOf, type RunStore, redact } from '@troupe/protocol';
import { type SqliteStore, sqliteStore } from '@troupe/store-sqlite';
import type { Terminal } from '../terminal.ts';
import { loadPostgresStore } from './packages.ts';
import { misuse } from './problem.ts';

/** Where a store is. `shown` is for people: it holds no password. */
export type StorePlace = { shown: string; name: string } & (
  | { kind: 'file'; path: string }
  | { kind: 'postgres'; url: string }
);

/** A store that a command has opened, and closes. */
export type OpenedStore = RunStore & MemoryStore & { close(): Promise<void> };

/** Where runs are stored when nothing is said: in the folder that one works in. */
const usualFolder = '.troupe';

/** The store that is named with `--store`, else `TROUPE_STORE`, else `.troupe/runs.db`. @throws FaultError `cli.usage` */
export const storePlaceOf = (
  named: string | undefined,
  { folder, environment }: Pick<Terminal, 'folder' | 'environment'>,
): StorePlace => {
  const said = named ?? (environment.TROUPE_STORE || join(usualFolder, 'runs.db'));
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(said) ?? [];
  if (scheme === undefined) {
    const path = resolve(folder, said);
    return { kind: 'file', path, shown: path, name: basename(path) };
  }
  if (/^postgres(?:ql)?$/i.test(scheme)) return { kind: 'postgres', url: said, ...shownOf(said) };
  throw misuse(
    `The store begins with "${scheme}:". Expected a file, or a database: postgres://user:password@host:port/database`,
  );
};

/** An address without what is secret in it. */
const shownOf = (said: string): { shown: string; name: string } => {
  const url = URL.parse(said);
  if (!url) return { shown: 'postgres://…', name: 'postgres' };
  url.password = '';
  for (const key of [...url.searchParams.keys()]) if (/password/i.test(key)) url.searchParams.delete(key);
  return { shown: redact(url.href), name: url.pathname.slice(1) || 'postgres' };
};

/**
 * Opens a store. A file that is no database is left as it is: whoever names another file by mistake loses nothing. A database is asked
 * once, so that whoever opens it knows that it is there.
 *
 * @param mayBegin Whether a file is made where there is none.
 * @param timeoutMs How long a database may take to answer. Default 20,000.
 * @throws FaultError `store.unknown`, `store.invalid`; `store.unavailable`, `store.newer`, `store.corrupt`; `cli.not_installed`
 */
export const openStore = async (place: StorePlace, mayBegin: boolean, timeoutMs = 20_000): Promise<OpenedStore> => {
  if (place.kind === 'file') return openFile(place.path, mayBegin);
  const { postgresStore } = await loadPostgresStore();
  const store = postgresStore({ url: place.url, timeoutMs });
  try {
    await store.list({ limit: 1 });
    return store;
  } catch (error) {
    await store.close().catch(() => {});
    throw error;
  }
};

/** @throws FaultError `store.unavailable` where the file or its folder can be neither read nor made */
const openFile = (file: string, mayBegin: boolean): SqliteStore => {
  try {
    return openOrBegin(file, mayBegin);
  } catch (error) {
    if (isFaultError(error)) throw error;
    throw new FaultError(
      'store.unavailable',
      `The store ${file} cannot be opened: ${messageOf(error)}. Name another with --store FILE or TROUPE_STORE${mayBegin ? ', or have nothing stored with --no-store' : ''}.`,
      { cause: error },
    );
  }
};

const openOrBegin = (file: string, mayBegin: boolean): SqliteStore => {
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
