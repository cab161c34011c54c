import { redact } from '@troupe/protocol';
import pg from 'pg';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type PostgresStoreOptions, postgresStore } from '../src/index.ts';

const url = 'postgres://postgres@127.0.0.1/db';
const poolOf = () => {
  const pool = new pg.Pool({ connectionString: url });
  onTestFinished(() => pool.end());
  return pool;
};

test.each<[string | (() => PostgresStoreOptions), string]>([
  [() => ({}), 'neither a url nor a pool. Give it one of the two'],
  [() => ({ url, pool: poolOf() }), 'a url and a pool. Give it one of the two'],
  ['', 'a url that begins with "no scheme". Expected "postgres://'],
  ['localhost', 'a url that begins with "no scheme"'],
  ['mysql://localhost/db', 'a url that begins with "mysql:"'],
  ['postgres://[/db', 'a url that cannot be understood'],
  [() => ({ url, schema: '' }), 'the schema "". Expected at most 63 letters'],
  [() => ({ url, schema: 'a"b' }), 'the schema "a"b"'],
  [() => ({ url, schema: 'x'.repeat(64) }), 'the schema "xxx'],
  [() => ({ url, schema: 'pg_own' }), 'the schema "pg_own"'],
  [() => ({ url, maxConnections: 0 }), 'maxConnections 0. Expected a whole number of 1 or more.'],
  [() => ({ url, maxConnections: 1.5 }), 'maxConnections 1.5.'],
  [() => ({ url, timeoutMs: 1 }), 'timeoutMs 1. Expected a whole number of 100 or more.'],
  [() => ({ url, pollMs: Number.NaN }), 'pollMs NaN.'],
  [() => ({ url, hints: 'yes' as never }), 'hints yes. Expected true or false.'],
])('%s is refused: %s', (given, message) => {
  expect(() => postgresStore(typeof given === 'string' ? given : given())).toThrow(
    expect.objectContaining({
      code: 'store.invalid',
      message: expect.stringContaining(`postgresStore() was given ${message}`),
    }),
  );
});

test('a url in either spelling, or a pool, is taken, and nothing is connected', async () => {
  for (const given of [url, url.replace('postgres:', 'postgresql:'), { pool: poolOf() }, { url, schema: 'Mine_2' }]) {
    const store = postgresStore(given);
    expect(store.lasting).toBe(true);
    await store.close();
  }
});

test('the password in PGPASSWORD is told nowhere from then on', async () => {
  vi.stubEnv('PGPASSWORD', 'said-by-the-shell');
  onTestFinished(() => void vi.unstubAllEnvs());
  await postgresStore(url).close();
  expect(redact('It is said-by-the-shell.')).toBe('It is [redacted].');
});

test.each([
  ['postgres://u@db.example:6543/app', 'the database "app" at db.example:6543'],
  ['postgres:///app?host=/var/run/postgresql&user=u', 'the database "app" at /var/run/postgresql'],
])('%s is called %s in messages', async (given, name) => {
  const store = postgresStore({ url: given, timeoutMs: 100 });
  await store.close();
  await expect(store.get('r')).rejects.toMatchObject({ message: expect.stringContaining(name) });
});
