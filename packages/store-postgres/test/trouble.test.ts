import { inspect } from 'node:util';
import { FaultError, redact } from '@troupe/protocol';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { listOf } from '../../../test/support/list-of.ts';
import { stepOf } from '../../../test/support/steps.ts';
import { guarded } from '../../../test/tools/postgres/cluster.ts';
import { type OwnServer, ownServer, sharedServer, urlOf } from '../../../test/tools/postgres/server.ts';
import { type PostgresStore, postgresStore } from '../src/index.ts';
import { openSession } from './psql.ts';
import { freshSchema, patience } from './schemas.ts';

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
    const store = open(server.url, 1_000);
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

  test('that a url has held is told anywhere from then on', async () => {
    await postgresStore('postgres://u:s3cret%2Fs3cret@127.0.0.1:1/db').close();
    await postgresStore('postgres://127.0.0.1:1/db?user=u&password=other%20secret').close();
    for (const secret of ['s3cret/s3cret', 's3cret%2Fs3cret', 'other secret'])
      expect(redact(`It is ${secret}.`)).toBe('It is [redacted].');
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
