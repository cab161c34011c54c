import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { listOf } from '../../../test/support/list-of.ts';
import { openProxy } from '../../../test/support/proxy.ts';
import { stepOf } from '../../../test/support/steps.ts';
import { sharedServer } from '../../../test/tools/postgres/server.ts';
import { type PostgresStore, postgresStore } from '../src/index.ts';
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
    const store = open(proxy.url, 1_000);
    await store.get('r');
    proxy.hang();
    const before = performance.now();
    const unavailable = { code: 'store.unavailable', retryable: true };
    await Promise.all([
      expect(store.commit([stepOf({ runId: 'r' })])).rejects.toMatchObject(unavailable),
      expect(store.get('r')).rejects.toMatchObject(unavailable),
    ]);
    await expect(store.close()).rejects.toMatchObject(unavailable);
    expect(performance.now() - before).toBeLessThan(6_000);
  });

  test('that hangs while the tables are made is given up, too', async () => {
    const proxy = await openProxy(await portOf());
    proxy.hang();
    await expect(open(proxy.url, 300).get('r')).rejects.toMatchObject({ code: 'store.unavailable', retryable: true });
  });

  test('that hangs while somebody else has all the others is given up, too', async () => {
    const pool = new pg.Pool({ connectionString: await sharedServer(), max: 1 });
    const store = postgresStore({ pool, schema: freshSchema(), timeoutMs: 1_000 });
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
    // One way there and back for the first, or for all but the first. One for each: ten seconds.
    expect(performance.now() - before).toBeLessThan(4_000);
  });

  test('is told of a lease that ran out while it was cut off, by being refused', async () => {
    const proxy = await openProxy(await portOf());
    const schema = freshSchema();
    const cutOff = postgresStore({ url: proxy.url, schema, timeoutMs: 1_500 });
    const other = postgresStore({ url: await sharedServer(), schema });
    const claim = await cutOff.claim('r', 'one', { leaseMs: 1_000 });
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
