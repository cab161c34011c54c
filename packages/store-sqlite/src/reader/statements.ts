import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { FaultError } from '@troupe/protocol';
import { troubleOf } from '../file/trouble.ts';

/** Reads with statements that are prepared once. */
export type Reader = {
  /**
   * @throws FaultError `store.unavailable` when SQLite cannot read.
   */
  read<T>(sql: string, work: (statement: StatementSync) => T): T;
};

export const openReader = (db: DatabaseSync, path: string): Reader => {
  const statements = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    const known = statements.get(sql);
    if (known) return known;
    const made = db.prepare(sql);
    statements.set(sql, made);
    return made;
  };
  return {
    read(sql, work) {
      try {
        return work(prepared(sql));
      } catch (error) {
        const { code, message, retryable } = troubleOf(error, path, 'read');
        throw new FaultError(code, message, { retryable, cause: error });
      }
    },
  };
};
