/** Brings the tables up to date. Many processes may be doing the same: they do it one after another. */
import { createHash } from 'node:crypto';
import { FaultError } from '@troupe/protocol';
import type { PoolClient } from 'pg';
import { readFunctions } from './read.ts';
import { tables, views } from './tables.ts';
import { writeFunctions } from './write.ts';

type Migration = (space: number) => string;

const first: Migration = (space) => [tables, views, writeFunctions(space), readFunctions(space)].join('\n');

/** What brings a schema from each version to the next. Numbered by its place, and never changed once published. */
export const migrations: readonly Migration[] = [first];

/** Where the tables are: the name as SQL writes it, and what its locks are told by. */
export type Place = { schema: string; quoted: string; space: number };

export const placeOf = (schema: string): Place => ({
  schema,
  quoted: `"${schema}"`,
  space: createHash('sha256').update(`troupe ${schema}`).digest().readInt32BE() & 0x7fffffff,
});

const oldestServer = 130_000;

const about = `
  SELECT current_setting('server_version_num')::int AS server, current_setting('server_version') AS version,
    current_setting('transaction_isolation') AS isolation,
    EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1) AS there,
    EXISTS (SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1) AS filled,
    (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass(quote_ident($1) || '.meta') AND attname IN ('name', 'value')) AS known`;

type About = {
  server: number;
  version: string;
  isolation: string;
  there: boolean;
  filled: boolean;
  known: string;
};

/** The version of the tables; 0 when there are none. */
const versionIn = async (client: PoolClient, { schema, quoted }: Place, store: string): Promise<number> => {
  const { rows } = await client.query<About>(about, [schema]);
  const [found] = rows;
  if (!found) return 0;
  refuseServer(found, store);
  if (Number(found.known) !== 2) {
    if (found.filled)
      throw new FaultError(
        'store.unavailable',
        `The schema "${schema}" of ${store} holds tables of another program. Give the store a schema of its own.`,
      );
    return 0;
  }
  const versions = await client.query<{ value: string }>(`SELECT value FROM ${quoted}.meta WHERE name = 'schema'`);
  return Number(versions.rows[0]?.value ?? 0);
};

const refuseServer = ({ server, version, isolation }: About, store: string): void => {
  if (Number(server) < oldestServer)
    throw new FaultError(
      'store.unavailable',
      `${store} is PostgreSQL ${version}; the store needs version 13 or later. Update the server.`,
    );
  if (isolation !== 'read committed')
    throw new FaultError(
      'store.unavailable',
      `Transactions on ${store} are "${isolation}" by default; the store needs "read committed". Set default_transaction_isolation for its role.`,
    );
};

const newer = (found: number, { schema }: Place, store: string): FaultError =>
  new FaultError(
    'store.newer',
    `The schema "${schema}" of ${store} has tables of version ${found}; this version of @troupe/store-postgres knows ${migrations.length}. Update the package, or use another schema.`,
    { details: { found, known: migrations.length } },
  );

/** Events brought from another server may have higher numbers than this one gives: it goes on above them. */
const goOnAbove = ({ quoted }: Place): string => `
  UPDATE ${quoted}.meta SET value = (SELECT max(tx) FROM ${quoted}.events) + 1 - pg_snapshot_xmax(pg_current_snapshot())::text::bigint
  WHERE name = 'before'
    AND (SELECT max(tx) FROM ${quoted}.events) >= value + pg_snapshot_xmax(pg_current_snapshot())::text::bigint`;

/** Owners whose lease has run out, and stores that were never closed. */
const sweep = ({ quoted }: Place): string => `
  WITH gone AS (DELETE FROM ${quoted}.owners WHERE lease_until < clock_timestamp() - interval '1 day')
  DELETE FROM ${quoted}.stores WHERE at < clock_timestamp() - interval '1 day'`;

/**
 * Makes the tables, or brings those that are there up to date: all at once or not at all.
 *
 * @param store Which database that is, for messages.
 * @throws FaultError `store.newer`; `store.unavailable` when this is no place for a store.
 */
export const migrate = async (
  client: PoolClient,
  place: Place,
  store: string,
  steps: readonly Migration[] = migrations,
): Promise<void> => {
  const found = await versionIn(client, place, store);
  if (found > steps.length) throw newer(found, place, store);
  if (found < steps.length) await bring(client, place, store, steps);
  await client.query(goOnAbove(place));
  await client.query(sweep(place));
};

const bring = async (client: PoolClient, place: Place, store: string, steps: readonly Migration[]): Promise<void> => {
  await client.query('BEGIN');
  try {
    await client.query('SELECT pg_advisory_xact_lock($1, 0)', [place.space]);
    // Another process may have been here first.
    const version = await versionIn(client, place, store);
    const isThere = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [place.schema]);
    if (isThere.rows.length === 0) await client.query(`CREATE SCHEMA ${place.quoted}`);
    await client.query(`SET LOCAL search_path = ${place.quoted}, pg_temp`);
    for (const step of steps.slice(version)) await client.query(step(place.space));
    await client.query(`UPDATE ${place.quoted}.meta SET value = $1 WHERE name = 'schema' AND value < $1`, [
      steps.length,
    ]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
};
