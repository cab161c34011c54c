import type { Activation } from '@troupe/protocol';
import pg from 'pg';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { sharedServer } from '../../../test/tools/postgres/server.ts';
import { pgBoss } from '../src/index.ts';
import { freshSchema, openForTest } from './open.ts';

const serving = { queues: ['q'], concurrency: 1, workerId: 'w' };

/** A connection of its own until the end of the test. */
const connect = async (): Promise<pg.Client> => {
  const client = new pg.Client(await sharedServer());
  await client.connect();
  onTestFinished(() => client.end());
  return client;
};

describe('what pg-boss is given', () => {
  test('is the id of a run and nothing else', async () => {
    const [schema, client] = [freshSchema(), await connect()];
    const placement = await openForTest({ schema });
    await placement.dispatch({ runId: 'run_1/2-0/1', queue: 'q' });
    const { rows } = await client.query(`SELECT name, data, singleton_key, output, trace_context FROM ${schema}.job`);
    expect(rows).toEqual([
      { name: 'q', data: { runId: 'run_1/2-0/1' }, singleton_key: 'run_1/2-0/1', output: null, trace_context: null },
    ]);
  });

  test('is kept for two weeks from now, however long ago its moment was', async () => {
    const [schema, client] = [freshSchema(), await connect()];
    const placement = await openForTest({ schema });
    await placement.dispatch({ runId: 'r', queue: 'q', notBefore: 0 });
    const { rows } = await client.query(`SELECT keep_until > now() + interval '13 days' AS kept FROM ${schema}.job`);
    expect(rows).toEqual([{ kept: true }]);
  });

  test('and how often in a row it was rejected, where it was', async () => {
    const [schema, client] = [freshSchema(), await connect()];
    const said: string[] = [];
    const logger = { warn() {}, error: (message: string) => void said.push(message) };
    const placement = await openForTest({ schema, logger });
    const secret = ['sk', 'abcdefghijklmnop'].join('-');
    const run = vi.fn<() => Promise<Activation>>().mockRejectedValueOnce(new Error(`no store for ${secret}`));
    run.mockReturnValue(new Promise<Activation>(() => {}));
    await placement.serve({ run }, serving);
    await placement.dispatch({ runId: 'r', queue: 'q' });
    await vi.waitFor(() => expect(run).toHaveBeenCalledTimes(2), { timeout: 10_000 });
    expect(said).toEqual([
      'Run "r" could not be executed by worker "w", and is handed out again in 1 s: no store for [redacted]',
    ]);
    const { rows } = await client.query(
      `SELECT state, data, output FROM ${schema}.job WHERE name = 'q' ORDER BY state`,
    );
    expect(rows).toEqual([
      { state: 'active', data: { runId: 'r', attempts: 1 }, output: null },
      { state: 'failed', data: { runId: 'r' }, output: { rejected: true } },
    ]);
  });
});

describe('queues', () => {
  test.each([
    ['{"policy": "standard", "deadLetter": "mine_lost"}', 'policy "standard", dead letters to "mine_lost"'],
    ['{"policy": "stately"}', 'policy "stately", dead letters to "null"'],
  ])('that were made for something else are left alone: %s', async (options, found) => {
    const [schema, client] = [freshSchema(), await connect()];
    const placement = await openForTest({ schema });
    await placement.dispatch({ runId: 'r', queue: 'other' });
    for (const [name, its] of [
      ['mine_lost', '{"policy": "standard"}'],
      ['mine', options],
    ])
      await client.query(`SELECT ${schema}.create_queue($1, $2)`, [name, its]);
    const refused = {
      code: 'placement.invalid',
      message: `The queue "mine" is there already, and was made for something else (${found}). Name another queue or another schema.`,
    };
    await expect(placement.dispatch({ runId: 'r', queue: 'mine' })).rejects.toMatchObject(refused);
    const executor = { run: async () => 'done' as const };
    await expect(placement.serve(executor, { ...serving, queues: ['mine'] })).rejects.toMatchObject(refused);
  });

  test('are told of when there is something in them', async () => {
    const [schema, client] = [freshSchema(), await connect()];
    const channel = `SELECT 'pgboss_' || left(encode(sha224($1::bytea), 'hex'), 24) AS channel`;
    await client.query(`LISTEN ${(await client.query(channel, [schema])).rows[0].channel}`);
    const heard: unknown[] = [];
    client.on('notification', ({ payload }) => heard.push(payload));
    const placement = await openForTest({ schema });
    await placement.dispatch({ runId: 'r', queue: 'q' });
    await vi.waitFor(() => expect(heard).toEqual(['q']));
  });

  test('that somebody has taken away are made again', async () => {
    const [schema, client] = [freshSchema(), await connect()];
    const placement = await openForTest({ schema });
    await placement.dispatch({ runId: 'r', queue: 'q' });
    await client.query(`SELECT ${schema}.delete_queue('q')`);
    const dispatched = () => placement.dispatch({ runId: 'r', queue: 'q' });
    await expect(dispatched()).rejects.toMatchObject({ code: 'placement.unavailable', retryable: true });
    await dispatched();
  });
});

test('work is found that nobody is told of, and heard of again once somebody listens', async () => {
  const client = await connect();
  const said: string[] = [];
  const schema = freshSchema();
  const url = `${await sharedServer()}?application_name=${schema}`;
  const placement = await openForTest({
    url,
    schema,
    logger: { warn: (message) => void said.push(message), error() {} },
  });
  const run = vi.fn<() => Promise<Activation>>(async () => 'done');
  await placement.serve({ run }, serving);
  await vi.waitFor(async () => {
    const { rows } = await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN%'`,
      [schema],
    );
    expect(rows.length).toBeGreaterThan(0);
  });
  await placement.dispatch({ runId: 'r', queue: 'q' });
  await vi.waitFor(() => expect(run).toHaveBeenCalledTimes(1), { timeout: 5_000 });
  await vi.waitFor(() => expect(said).toHaveLength(1), { timeout: 5_000 });
  expect(said[0]).toMatch(/^The engine in the database "postgres" at 127.0.0.1:\d+: nothing is heard of new work/);
  await vi.waitFor(
    async () => {
      const listening = `SELECT FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN%'`;
      const { rows } = await client.query(listening, [schema]);
      expect(rows.length).toBeGreaterThan(0);
    },
    { timeout: 5_000 },
  );
});

test('a pool of the program stays open', async () => {
  const pool = new pg.Pool({ connectionString: await sharedServer() });
  onTestFinished(() => pool.end());
  const placement = pgBoss({ pool, schema: freshSchema() });
  await placement.dispatch({ runId: 'r', queue: 'q' });
  await placement.close();
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  expect(pool.listenerCount('error')).toBe(0);
});

test('what was never asked anything is closed, too', async () => {
  await pgBoss('postgres://postgres@127.0.0.1:1/none').close();
});

test('what is through when it is closed is not handed out again', async () => {
  const schema = freshSchema();
  const client = await connect();
  const placement = await openForTest({ schema });
  const begun = Promise.withResolvers<void>();
  const run = async (): Promise<Activation> => {
    begun.resolve();
    return 'done';
  };
  await placement.serve({ run }, serving);
  await placement.dispatch({ runId: 'r', queue: 'q' });
  await begun.promise;
  await placement.close();
  expect((await client.query(`SELECT state FROM ${schema}.job`)).rows).toEqual([{ state: 'completed' }]);
});

test('whoever is still opening when it is closed is told so, and nothing is left open', async () => {
  const placement = await openForTest();
  const executor = { run: async () => 'done' as const };
  const asked = Promise.allSettled([
    placement.serve(executor, serving),
    placement.dispatch({ runId: 'r', queue: 'q' }),
  ]);
  await placement.close();
  expect(await asked).toEqual([
    { status: 'rejected', reason: expect.objectContaining({ code: 'placement.closed' }) },
    { status: 'fulfilled' },
  ]);
});
