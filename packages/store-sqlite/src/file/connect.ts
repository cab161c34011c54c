import { DatabaseSync } from 'node:sqlite';

export type Durability = 'full' | 'normal';

/** How long a connection waits for another process that writes, in milliseconds. */
export const busyMs = 5_000;
const megabyte = 1_048_576;

/** A connection that only reads. */
export const connectReader = (path: string): DatabaseSync => {
  const db = new DatabaseSync(path, { readOnly: true });
  db.exec(`PRAGMA busy_timeout = ${busyMs}`);
  return db;
};

/** A connection that writes. */
export const connectWriter = (
  path: string,
  { durability = 'full', maxBytes }: { durability?: Durability; maxBytes?: number | undefined } = {},
): DatabaseSync => {
  const db = new DatabaseSync(path);
  try {
    db.exec(`
      PRAGMA busy_timeout = ${busyMs};
      PRAGMA foreign_keys = ON;
      PRAGMA synchronous = ${durability === 'normal' ? 'NORMAL' : 'FULL'};
      PRAGMA journal_size_limit = ${64 * megabyte};
    `);
    if (maxBytes !== undefined) {
      const pageBytes = Number(db.prepare('PRAGMA page_size').get()?.page_size);
      db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / pageBytes))}`);
    }
  } catch (error) {
    db.close();
    throw error;
  }
  return db;
};
