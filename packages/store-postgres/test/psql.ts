/** Looks into the database of a test, beside every store. */

import pg from 'pg';
import { onTestFinished } from 'vitest';
import { sharedServer } from '../../../test/tools/postgres/server.ts';

/** Asks the database; `@` stands for the schema. */
export type Session = (sql: string, values?: readonly unknown[]) => Promise<Record<string, unknown>[]>;

/** A connection of its own until the end of the test. */
export const openSession = async (schema: string, url?: string): Promise<Session> => {
  const client = new pg.Client(url ?? (await sharedServer()));
  await client.connect();
  onTestFinished(() => client.end());
  return async (sql, values = []) => {
    const { rows } = await client.query<Record<string, unknown>>(sql.replaceAll('@', `"${schema}"`), [...values]);
    return rows;
  };
};
