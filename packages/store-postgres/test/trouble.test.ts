import { inspect } from 'node:util';
import { FaultError } from '@troupe/protocol';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { listOf } from '../../../test/support/list-of.ts';
import { stepOf } from '../../../test/support/steps.ts';
import { guarded } from '../../../test/tools/postgres/cluster.ts';
import { type OwnServer, ownServer, sharedServer, urlOf } from '../../../test/tools/postgres/server.ts';
import { type PostgresStore, postgresStore } from '../src/index.ts';
import { openProxy } from './proxy.ts';
import { openSession } from './psql.ts';
import { freshSchema, patience } from './schemas.ts';

const lease = { leaseMs: 60_000 };
const seqsIn = async (store: PostgresStore, runId: string): Promise<number[]> =>
  (await listOf(store.events({ runId }))).map(({ seq }) => seq);
const open = (url: string, timeoutMs: number, schema = freshSchema()): PostgresStore => {
  const store = postgresStore({ url, schema, timeoutMs, pollMs: 20 });
  onTestFinished(() => store.close().catch(() => {}));
  return store;
};
const portOf = async () => Number(new URL(await sharedServer()).port);

describe('a server', { timeout: 30_000 }, () => {
  let server: OwnServer;
  beforeAll(async () => {
    server = await ownServer();
  });
  afterAll(() => server.end());

  test('that crashes under load and comes back has lost nothing that was acknowledged, and holds nothing twice', {
    timeout: 60_000,
  }, async () => {
    const store = open(server.url, 20_000);
    const acknowledged = new Map<string, number>();
    let isOver = false;
    const write = async (runId: string) => {
      for (let seq = 0; !isOver; seq++) {
        const [event] = await store.commit([stepOf({ runId, rootId: 'tree', expectedSeq: seq, checkpoint: { seq } })]);
        acknowledged.set(runId, event?.seq ?? 0);
      }
    };
    const runs = Array.from({ length: 20 }, (_, n) => `tree/1-${n}/0`);
    const writing = Promise.all(runs.map(write));
    for (let crashes = 0; crashes < 3; crashes++) {
      const before = acknowledged.get('tree/1-0/0') ?? 0;
      await expect.poll(() => acknowledged.get('tree/1-0/0') ?? 0, patience).toBeGreaterThan(before + 20);
      await server.crash();
      await server.start();
    }
    const before = acknowledged.get('tree/1-0/0') ?? 0;
    await expect.poll(() => acknowledged.get('tree/1-0/0') ?? 0, patience).toBeGreaterThan(before);
    isOver = true;
    await writing;
    for (const runId of runs) {
      const seqs = await seqsIn(store, runId);
      expect(seqs).toEqual(seqs.map((_, i) => i + 1));
      expect(seqs).toHaveLength(acknowledged.get(runId) ?? 0);
      expect(await store.checkpoint(runId)).toEqual({ seq: seqs.length - 1 });
    }
    const rootSeqs = (await listOf(store.events({ rootId: 'tree' }))).map(({ rootSeq }) => rootSeq);
    expect(rootSeqs).toEqual(rootSeqs.map((_, i) => i + 1));
  });

  test('that is gone is said to be gone when the time is up, and used again when it is there again', {
    timeout: 30_000,
  }, async () => {
    const store = open(server.url, 400);
    await store.commit([stepOf({ runId: 'r' })]);
    await server.stop();
    const unavailable = { code: 'store.unavailable', retryable: true };
    await expect(store.commit([stepOf({ runId: 'r', expectedSeq: 1 })])).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringMatching(
        /^The store in the database "postgres" at 127\.0\.0\.1:\d+ could not be written: .*may be stored or not\. See that the server runs/,
      ),
    });
    await expect(store.get('r')).rejects.toMatchObject({ ...unavailable, message: expect.stringContaining('read') });
    await server.start();
    expect(await store.commit([stepOf({ runId: 'r', expectedSeq: 1 })])).toMatchObject([{ seq: 2 }]);
  });

  test('that was never there is said so at once', async () => {
    await server.stop();
    const before = performance.now();
    await expect(open(server.url, 20_000).get('r')).rejects.toMatchObject({
      code: 'store.unavailable',
      retryable: true,
      message: expect.stringContaining('ECONNREFUSED'),
    });
    expect(performance.now() - before).toBeLessThan(5_000);
    await server.start();
  });
});

describe('a connection', { timeout: 30_000 }, () => {
  test('that hangs is given up, and what was asked for is asked for again on another', async () => {
    const proxy = await openProxy(await portOf());
    const store = open(proxy.url, 3_000);
    await store.claim('r', 'o', lease);
    proxy.hang();
    const before = proxy.connections;
    const committed = store.commit([stepOf({ runId: 'r', owner: 'o' })]);
    await expect.poll(() => proxy.connections, patience).toBeGreaterThan(before);
    proxy.heal();
    // The second one was made while nothing went through.
    proxy.cut();
    expect(await committed).toMatchObject([{ seq: 1 }]);
  });

  test('that hangs for good ends in an error in bounded time, and keeps nobody from closing', async () => {
    const proxy = await openProxy(await portOf());
    const store = open(proxy.url, 600);
    await store.get('r');
    proxy.hang();
    const before = performance.now();
    const unavailable = { code: 'store.unavailable', retryable: true };
    await Promise.all([
      expect(store.commit([stepOf({ runId: 'r' })])).rejects.toMatchObject(unavailable),
      expect(store.get('r')).rejects.toMatchObject(unavailable),
    ]);
    await expect(store.close()).rejects.toMatchObject(unavailable);
    expect(performance.now() - before).toBeLessThan(3_000);
  });

  test('that hangs while the tables are made is given up, too', async () => {
    const proxy = await openProxy(await portOf());
    proxy.hang();
    await expect(open(proxy.url, 300).get('r')).rejects.toMatchObject({ code: 'store.unavailable', retryable: true });
  });

  test('that hangs while somebody else has all the others is given up, too', async () => {
    const pool = new pg.Pool({ connectionString: await sharedServer(), max: 1 });
    const store = postgresStore({ pool, schema: freshSchema(), timeoutMs: 300 });
    await store.get('r');
    const taken = await pool.connect();
    await expect(store.get('r')).rejects.toMatchObject({
      code: 'store.unavailable',
      retryable: true,
      message: expect.stringContaining('no answer within'),
    });
    taken.release();
    expect(await store.get('r')).toBeUndefined();
    await store.close();
    await pool.end();
  });

  test('that ends before the answer came is no reason to write twice: the answer is given again', async () => {
    const proxy = await openProxy(await portOf());
    const schema = freshSchema();
    const store = open(proxy.url, 20_000, schema);
    await store.commit([stepOf({ runId: 'r' })]);
    // given a network that takes what is asked to the server, and no answer back
    proxy.swallowAnswers();
    const asked = Promise.all([
      store.claim('s', 'o', lease),
      store.commit([stepOf({ runId: 'r', expectedSeq: 1 })]),
      store.commit([stepOf({ runId: 'r', expectedSeq: 7 })]).catch((error: unknown) => error),
      store.withdraw('never sent', { status: 'accepted' }),
    ]);
    const session = await openSession(schema);
    const written = 'SELECT count(*) AS n FROM @.claims WHERE run_id = $1';
    await expect.poll(async () => (await session(written, ['s']))[0]?.n, patience).toBe('1');
    // when the connection ends
    proxy.heal();
    proxy.cut();
    // then everything has happened once
    const [claim, stored, refused, receipt] = await asked;
    expect(claim).toEqual({ epoch: 1 });
    expect(stored).toMatchObject([{ seq: 2, rootSeq: 2 }]);
    expect(refused).toMatchObject({ code: 'store.conflict' });
    expect(receipt).toEqual({ status: 'accepted' });
    expect(await seqsIn(store, 'r')).toEqual([1, 2]);
    expect(await store.claim('s', 'o', lease)).toEqual({ epoch: 2 });
  });

  test('that ends while nobody uses it is no news', async () => {
    const proxy = await openProxy(await portOf());
    const store = open(proxy.url, 5_000);
    await store.get('r');
    proxy.cut();
    expect(await store.get('r')).toBeUndefined();
    expect(await store.commit([stepOf({ runId: 'r' })])).toMatchObject([{ seq: 1 }]);
  });

  test('that is slow takes as long as it takes, and many share each way', async () => {
    const proxy = await openProxy(await portOf());
    const store = open(proxy.url, 20_000);
    await store.get('r');
    proxy.delay(50);
    const before = performance.now();
    const runs = Array.from({ length: 100 }, (_, n) => `r${n}`);
    await Promise.all(runs.map((runId) => store.commit([stepOf({ runId })])));
    // One way there and back for the first, or for all but the first.
    expect(performance.now() - before).toBeLessThan(1_000);
  });

  test('is told of a lease that ran out while it was cut off, by being refused', async () => {
    const proxy = await openProxy(await portOf());
    const schema = freshSchema();
    const cutOff = postgresStore({ url: proxy.url, schema, timeoutMs: 400 });
    const other = postgresStore({ url: await sharedServer(), schema });
    const claim = await cutOff.claim('r', 'one', { leaseMs: 300 });
    await cutOff.commit([stepOf({ runId: 'r', owner: 'one', epoch: claim?.epoch ?? 0 })]);
    proxy.hang();
    const step = stepOf({ runId: 'r', owner: 'one', epoch: claim?.epoch ?? 0, expectedSeq: 1 });
    await expect(cutOff.commit([step])).rejects.toMatchObject({ code: 'store.unavailable', retryable: true });
    // Its own clock says nothing: by that of the database the lease has run out.
    await expect.poll(() => other.claim('r', 'two', lease), patience).toEqual({ epoch: (claim?.epoch ?? 0) + 1 });
    proxy.heal();
    proxy.cut();
    await expect(cutOff.commit([step])).rejects.toMatchObject({
      code: 'store.fenced',
      runId: 'r',
      message: expect.stringContaining('"two"'),
    });
    expect(await seqsIn(other, 'r')).toEqual([1]);
    await cutOff.close();
    await other.close();
  });
});

describe('no password', { timeout: 30_000 }, () => {
  const everythingOf = (error: unknown): string =>
    `${inspect(error, { depth: 9 })} ${JSON.stringify((error as FaultError).toFault())}`;

  test.each([
    [
      'of a role that is refused',
      (port: number, secret: string) => `postgres://${guarded.role}:${secret}@127.0.0.1:${port}/postgres`,
    ],
    ['of a server that is not there', (_: number, secret: string) => `postgres://u:${secret}@127.0.0.1:1/db`],
    [
      'of a database that is not there',
      (port: number, secret: string) => `postgres://postgres:${secret}@127.0.0.1:${port}/nowhere`,
    ],
    [
      'among the parameters',
      (port: number, secret: string) => `postgres://127.0.0.1:${port}/nowhere?user=postgres&password=${secret}`,
    ],
    ['of a url that is none', (_: number, secret: string) => `postgres://u:${secret}@[/db`],
    ['of another kind of database', (_: number, secret: string) => `mysql://u:${secret}@h/db`],
  ])('%s is in an error', async (_whose, urlFor) => {
    const url = urlFor(await portOf(), 'hunter2%21hunter2');
    const error = await (async () => postgresStore({ url, schema: freshSchema(), timeoutMs: 2_000 }).get('r'))().catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(FaultError);
    expect(everythingOf(error)).not.toMatch(/hunter2/);
  });

  test('is needed to see that a right one lets in, and a wrong one does not', async () => {
    const url = await sharedServer();
    const schema = freshSchema();
    const session = await openSession(schema);
    await session(`DROP ROLE IF EXISTS ${guarded.role}`);
    await session(`CREATE ROLE ${guarded.role} LOGIN PASSWORD '${guarded.password}'`);
    await session(`CREATE SCHEMA @ AUTHORIZATION ${guarded.role}`);
    onTestFinished(async () => {
      const last = new pg.Client(url);
      await last.connect();
      await last.query(`DROP OWNED BY ${guarded.role} CASCADE`);
      await last.query(`DROP ROLE ${guarded.role}`);
      await last.end();
    });
    const guardedUrl = (password: string) =>
      urlOf(Number(new URL(url).port), `${guarded.role}:${encodeURIComponent(password)}`);
    const wrong = postgresStore({ url: guardedUrl('wrong horse'), schema });
    await expect(wrong.get('r')).rejects.toMatchObject({
      code: 'store.unavailable',
      retryable: false,
      message: expect.stringMatching(/password authentication failed.* See that the role/),
    });
    await wrong.close().catch(() => {});
    // A role that owns its schema needs no other right.
    const right = postgresStore({ url: guardedUrl(guarded.password), schema });
    expect(await right.commit([stepOf({ runId: 'r' })])).toMatchObject([{ seq: 1 }]);
    await right.close();
    const stranger = postgresStore({ url: guardedUrl(guarded.password), schema: freshSchema() });
    await expect(stranger.get('r')).rejects.toMatchObject({
      code: 'store.unavailable',
      retryable: false,
      message: expect.stringMatching(/permission denied.* See that the role/),
    });
    await stranger.close().catch(() => {});
  });
});
