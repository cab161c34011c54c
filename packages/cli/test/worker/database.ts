/** Databases of their own, on the PostgreSQL of the test run. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { sharedServer } from '../../../../test/tools/postgres/server.ts';

/** The url of a database that is empty. */
export const freshDatabase = async (server = sharedServer()): Promise<string> => {
  const url = new URL(await server);
  const client = new pg.Client({ connectionString: url.href });
  const name = `cli_${randomBytes(8).toString('hex')}`;
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  url.pathname = `/${name}`;
  return url.href;
};
