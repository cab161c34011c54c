import { accessSync, constants, existsSync, renameSync, statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { FaultError, messageOf } from '@troupe/protocol';
import { canCheckLater } from './check-later.ts';
import { connectWriter } from './connect.ts';
import { damageIn, isMarked, unmark } from './damage.ts';
import { applicationId, migrate, migrations, versionOf } from './schema.ts';
import { isBusy, isDamage, troubleOf } from './trouble.ts';

/** Files up to this size are checked before they are opened: it takes no more than some hundredths of a second. */
const checkedAtOnce = 33_554_432;

/**
 * Makes the file, or checks the one that is there and brings its tables up to date. Gives back whether it still is to be checked, for it
 * is large, and nobody has found that it is damaged.
 *
 * @throws FaultError `store.corrupt` when it was damaged, and is set aside now; `store.newer`; `store.unavailable`.
 */
export const prepareFile = (path: string, now: () => number): boolean => {
  let db: DatabaseSync | undefined;
  try {
    // SQLite opens a file that it may not write, and complains only when it is to be written.
    if (existsSync(path)) accessSync(path, constants.W_OK);
    const isLater = existsSync(path) && statSync(path).size > checkedAtOnce && canCheckLater() && !isMarked(path);
    db = connectWriter(path);
    const damage = isLater ? undefined : damageIn(db);
    if (damage !== undefined) throw new Damage(damage);
    if (!isLater) unmark(path);
    refuseStrangers(db, path);
    patiently(() => setUp(db as DatabaseSync));
    return isLater;
  } catch (error) {
    db?.close();
    db = undefined;
    if (error instanceof Damage || isDamage(error)) throw setAside(path, error, now());
    if (error instanceof FaultError) throw error;
    const { code, message, retryable } = troubleOf(error, path, 'opened');
    throw new FaultError(code, message, { retryable, cause: error });
  } finally {
    db?.close();
  }
};

class Damage extends Error {}

const refuseStrangers = (db: DatabaseSync, path: string): void => {
  // In one statement: another process may be making the tables.
  const about = db.prepare(
    'SELECT application_id, (SELECT count(*) FROM sqlite_schema) AS tables FROM pragma_application_id',
  );
  const { application_id: its, tables } = about.get() as { application_id: number; tables: number };
  if (its !== applicationId && tables > 0)
    throw new FaultError(
      'store.unavailable',
      `"${path}" is a database of another program (application_id ${its}, expected ${applicationId}). Give the store a file of its own.`,
    );
  const version = versionOf(db);
  if (version > migrations.length)
    throw new FaultError(
      'store.newer',
      `The store "${path}" has tables of version ${version}; this version of @troupe/store-sqlite knows ${migrations.length}. Update the package, or open another file.`,
      { details: { found: version, known: migrations.length } },
    );
};

const setUp = (db: DatabaseSync): void => {
  // Before the first table, or it would take a VACUUM.
  db.exec('PRAGMA auto_vacuum = INCREMENTAL');
  if (db.prepare('PRAGMA journal_mode').get()?.journal_mode !== 'wal') db.exec('PRAGMA journal_mode = WAL');
  migrate(db);
};

/** Tries again while another process opens the same new file: SQLite does not wait where the journal mode changes. */
const patiently = (work: () => void): void => {
  for (let tries = 1; ; tries++)
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || tries === 100) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
};

const setAside = (path: string, error: unknown, at: number): FaultError => {
  const aside = `${path}.corrupt-${new Date(at).toISOString().replaceAll(/[:.]/g, '-')}`;
  const what = `The store "${path}" is damaged (${messageOf(error)}).`;
  const about = { details: { path, aside }, cause: error };
  try {
    for (const suffix of ['', '-wal', '-shm']) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
    unmark(path);
  } catch (refusal) {
    const advice = `It could not be set aside (${messageOf(refusal)}): move it away yourself, with its -wal and -shm.`;
    return new FaultError('store.corrupt', `${what} ${advice}`, about);
  }
  const advice = `It was set aside as "${aside}": look there for what can be saved. Opening "${path}" again starts an empty store.`;
  return new FaultError('store.corrupt', `${what} ${advice}`, about);
};
