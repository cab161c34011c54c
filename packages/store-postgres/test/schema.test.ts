import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { stepOf } from '../../../test/support/steps.ts';
import { sharedServer } from '../../../test/tools/postgres/server.ts';
import { migrate, migrations, placeOf } from '../src/schema/migrate.ts';
import { startChild } from './children.ts';
import { openSession } from './psql.ts';
import { freshSchema, openAt, openFresh, schemaOf } from './schemas.ts';

const connection = async (): Promise<pg.PoolClient> => {
  const pool = new pg.Pool({ connectionString: await sharedServer(), max: 1 });
  const client = await pool.connect();
  onTestFinished(async () => {
    client.release();
    await pool.end();
  });
  return client;
};
const versionIn = async (schema: string) => {
  const session = await openSession(schema);
  return Number((await session(`SELECT value FROM @.meta WHERE name = 'schema'`))[0]?.value);
};
const open = async (schema: string, url?: string) => {
  const store = openAt({ url: url ?? (await sharedServer()), schema });
  onTestFinished(() => store.close().catch(() => {}));
  return store;
};

describe('tables', () => {
  test('are made once when eight processes come first at the same moment', { timeout: 60_000 }, async () => {
    const schema = freshSchema();
    const children = await Promise.all(Array.from({ length: 8 }, () => startChild(schema, 'open')));
    expect(await Promise.all(children.map(({ ended }) => ended))).toEqual(Array(8).fill(0));
    expect(children.flatMap(({ errors }) => errors)).toEqual([]);
    expect(await versionIn(schema)).toBe(migrations.length);
  });

  test('are made once when eight stores come first in the same millisecond', async () => {
    const url = await sharedServer();
    const schema = freshSchema();
    const stores = Array.from({ length: 8 }, () => openAt({ url, schema }));
    expect(await Promise.all(stores.map((store) => store.get('r')))).toEqual(Array(8).fill(undefined));
    for (const store of stores) await store.close();
  });

  test('are brought up to date by every step that a schema has not had, once', async () => {
    const client = await connection();
    const schema = freshSchema();
    const place = placeOf(schema);
    await migrate(client, place, 'here');
    const steps = [...migrations, () => 'CREATE TABLE later (x int)', () => 'INSERT INTO later VALUES (1)'];
    for (const _ of [1, 2]) {
      await migrate(client, place, 'here', steps);
      expect(await versionIn(schema)).toBe(steps.length);
      expect((await client.query(`SELECT x FROM "${schema}".later`)).rows).toEqual([{ x: 1 }]);
    }
  });

  test('stay as they were when a step fails', async () => {
    const client = await connection();
    const schema = freshSchema();
    const place = placeOf(schema);
    await migrate(client, place, 'here');
    const broken = [...migrations, () => 'CREATE TABLE later (x int)', () => 'CREATE nonsense'];
    await expect(migrate(client, place, 'here', broken)).rejects.toThrow('syntax error');
    expect(await versionIn(schema)).toBe(migrations.length);
    expect((await client.query('SELECT to_regclass($1) AS found', [`"${schema}".later`])).rows).toEqual([
      { found: null },
    ]);
  });

  test('of a newer version are left alone, and it is said which', async () => {
    const store = await openFresh();
    await store.get('r');
    await store.close();
    const schema = schemaOf(store);
    const session = await openSession(schema);
    await session(`UPDATE @.meta SET value = 99 WHERE name = 'schema'`);
    const error = await (await open(schema)).get('r').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'store.newer',
      retryable: false,
      details: { found: 99, known: migrations.length },
      message: expect.stringMatching(new RegExp(`"${schema}" of the database .* version 99; .* Update the package`)),
    });
  });

  test.each(['CREATE TABLE @.meta (x int)', 'CREATE TABLE @.users (x int)'])(
    'of another program are left alone: %s',
    async (sql) => {
      const schema = freshSchema();
      const session = await openSession(schema);
      await session('CREATE SCHEMA @');
      await session(sql);
      await expect((await open(schema)).get('r')).rejects.toMatchObject({
        code: 'store.unavailable',
        retryable: false,
        message: expect.stringContaining('tables of another program. Give the store a schema of its own.'),
      });
    },
  );

  test('may be made in a schema that is there and empty', async () => {
    const schema = freshSchema();
    const session = await openSession(schema);
    await session('CREATE SCHEMA @');
    expect(await (await open(schema)).get('r')).toBeUndefined();
  });

  test('keep a run from ending twice, whoever writes', async () => {
    const store = await openFresh();
    await store.commit([stepOf({ runId: 'r', events: [{ type: 'run.failed' }] })]);
    const again = stepOf({ runId: 'r', expectedSeq: 1, events: [{ type: 'run.completed' }] });
    await expect(store.commit([again])).rejects.toMatchObject({
      code: 'store.unavailable',
      retryable: false,
      message: expect.stringContaining('events_one_end'),
    });
    await store.close();
  });
});

test('a server whose transactions are not read committed is refused, with what to do', async () => {
  const url = new URL(await sharedServer());
  url.searchParams.set('options', '-c default_transaction_isolation=serializable');
  await expect((await open(freshSchema(), url.href)).get('r')).rejects.toMatchObject({
    code: 'store.unavailable',
    message: expect.stringContaining('"serializable" by default; the store needs "read committed"'),
  });
});

test('leases are measured by the clock of the database', async () => {
  const store = await openFresh();
  await store.claim('r', 'one', { leaseMs: 60_000 });
  await store.renew('two', { leaseMs: 60_000 });
  await store.renew('three', { leaseMs: Number.POSITIVE_INFINITY });
  const session = await openSession(schemaOf(store));
  const left = `SELECT owner, extract(epoch FROM lease_until - clock_timestamp())::float8 AS s FROM @.owners ORDER BY owner`;
  const [one, three, two] = await session(left);
  for (const each of [one, two]) {
    expect(each?.s).toBeLessThanOrEqual(60);
    expect(each?.s).toBeGreaterThan(30);
  }
  expect(three?.s).toBeGreaterThan(1e9);
  await store.close();
});

test('leases and stores of long ago are swept up by whoever comes next', async () => {
  const store = await openFresh();
  await store.renew('o', { leaseMs: 1 });
  const schema = schemaOf(store);
  const session = await openSession(schema);
  await session(`UPDATE @.owners SET lease_until = now() - interval '2 days'`);
  await session(`UPDATE @.stores SET at = now() - interval '2 days'`);
  await (await open(schema)).get('r');
  expect(await session('SELECT 1 FROM @.owners UNION ALL SELECT 1 FROM @.stores')).toEqual([]);
  // and one that was only asleep goes on
  expect(await store.claim('r', 'o', { leaseMs: 1_000 })).toEqual({ epoch: 1 });
  await store.close();
});

describe('for people, in psql,', () => {
  const write = async (message: string) => {
    const store = await openFresh();
    const question = { id: 'q', kind: 'input', tool: 'ask', prompt: message, arguments: { path: 'a.txt' } };
    await store.commit([
      stepOf({
        runId: 'r',
        journal: [{ seq: 0, at: 1_500, heard: { type: 'said', text: message } }],
        events: [
          { type: 'call.started', callId: 'c', tool: 'search', arguments: { q: message }, at: 1_000 },
          { type: 'call.started', callId: 'd', tool: 'search', arguments: {} },
          { type: 'call.completed', callId: 'c', tool: 'search', result: message, at: 1_250 },
          { type: 'question.asked', question, at: 2_000 },
        ],
      }),
    ]);
    await store.commit([
      stepOf({
        runId: 'r',
        expectedSeq: 4,
        journal: [{ seq: 4, at: 2_500, heard: { type: 'answered' } }],
        events: [{ type: 'question.answered', questionId: 'q', answer: 'yes', by: 'me' }],
      }),
    ]);
    await store.close();
    return openSession(schemaOf(store));
  };

  test.each([
    ['a plain text', 'plain', 'plain'],
    ['what PostgreSQL cannot hold', 'zero \u0000, half \ud800.', 'zero \ufffd, half \ufffd.'],
  ])('the views show calls, questions and journals: %s', async (_what, written, shown) => {
    const session = await write(written);
    expect(await session('SELECT run_id, n, tool, arguments, status, result, took_ms FROM @.calls ORDER BY n')).toEqual(
      [
        { run_id: 'r', n: '1', tool: 'search', arguments: { q: shown }, status: 'ok', result: shown, took_ms: 250 },
        { run_id: 'r', n: '2', tool: 'search', arguments: {}, status: 'unanswered', result: null, took_ms: null },
      ],
    );
    expect(await session('SELECT prompt, status, answer, answered_by, asked_at FROM @.questions')).toEqual([
      { prompt: shown, status: 'answered', answer: 'yes', answered_by: 'me', asked_at: new Date(2_000) },
    ]);
    expect(await session('SELECT after_seq, type, at FROM @.journal')).toEqual([
      { after_seq: '0', type: 'said', at: new Date(1_500) },
      { after_seq: '4', type: 'answered', at: new Date(2_500) },
    ]);
  });
});
