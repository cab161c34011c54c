import { createRuntime, type RuntimeOptions } from '@troupe/core';
import { pgBoss } from '@troupe/pg-boss';
import { type PostgresStoreOptions, postgresStore } from '@troupe/store-postgres';

type Place = Omit<PostgresStoreOptions, 'url' | 'pool' | 'schema'> & { url: string; schema: string };

/** A process of a program whose runs are in a schema of PostgreSQL, and whose engine is in another one beside it. */
export const bootOnPostgres = (
  { url, schema, ...noticing }: Place,
  { logger, ...options }: Omit<RuntimeOptions, 'store' | 'placement'>,
) => {
  const told = logger && { logger };
  const store = postgresStore({ url, schema, ...noticing });
  const placement = pgBoss({ url, schema: `${schema}_engine`, ...told });
  const runtime = createRuntime({ ...options, store, placement, ...told });
  /** Leaves in order: what it executes goes on elsewhere. */
  const close = async (graceMs?: number): Promise<void> => {
    await runtime.close({ runs: 'suspend', ...(graceMs !== undefined && { graceMs }) });
    await placement.close();
    await store.close();
  };
  return { runtime, store, placement, close };
};
