/** Stores in schemas of their own, on the server of the test run. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll } from 'vitest';
import { sharedServer } from '../../../test/tools/postgres/server.ts';
import { type PostgresStore, type PostgresStoreOptions, postgresStore } from '../src/index.ts';

/** The name of a schema that is not there yet. */
export const freshSchema = (): string => `test_${randomBytes(8).toString('hex')}`;

const opened = new WeakMap<PostgresStore, PostgresStoreOptions>();

export const openAt = (options: PostgresStoreOptions): PostgresStore => {
  const store = postgresStore(options);
  opened.set(store, options);
  return store;
};

/** A store in a schema of its own. */
export const openFresh = async (options: Partial<PostgresStoreOptions> = {}): Promise<PostgresStore> =>
  openAt({ url: await sharedServer(), schema: freshSchema(), ...options });

const tables = [
  'stores',
  'owners',
  'claims',
  'runs',
  'jobs',
  'checkpoints',
  'events',
  'quiet_steps',
  'mail',
  'memories',
];

/** Empty stores, many of them, one after another: on connections that stay, in schemas that are emptied and used again. */
export const openRecycler = async () => {
  const pool = new pg.Pool({ connectionString: await sharedServer() });
  afterAll(() => pool.end());
  const emptied: string[] = [];
  return {
    open: ({ now }: Pick<PostgresStoreOptions, 'now'> = {}): PostgresStore =>
      openAt({ pool, schema: emptied.pop() ?? freshSchema(), ...(now && { now }) }),
    async close(store: PostgresStore): Promise<void> {
      await store.close();
      const schema = schemaOf(store);
      await pool.query(tables.map((table) => `DELETE FROM "${schema}".${table}`).join(';'));
      emptied.push(schema);
    },
  };
};

/** Closes a store in order and opens its schema again. */
export const reopen = async (store: PostgresStore, { now }: { now?: () => number } = {}): Promise<PostgresStore> => {
  const options = opened.get(store);
  if (!options) throw new Error('This store was not opened here.');
  await store.close();
  return openAt({ ...options, ...(now && { now }) });
};

/** The schema of a store that was opened here. */
export const schemaOf = (store: PostgresStore): string => opened.get(store)?.schema ?? '';

/** How long is waited for what comes in a moment on a machine that has nothing else to do. */
export const patience = { timeout: 20_000 };
