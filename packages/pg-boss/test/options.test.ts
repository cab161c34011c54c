import { redact } from '@troupe/protocol';
import pg from 'pg';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type PgBossOptions, pgBoss } from '../src/index.ts';
import { settle } from '../src/options.ts';
import { say } from '../src/trouble.ts';

const url = 'postgres://postgres@localhost/postgres';
const pool = new pg.Pool({ connectionString: url });

test.each<[string, PgBossOptions, string]>([
  ['nothing', {}, 'neither a url nor a pool'],
  ['two databases', { url, pool }, 'a url and a pool'],
  ['another database', { url: 'mysql://root:password1@localhost/x' }, 'a url that begins with "mysql:"'],
  ['no url', { url: 'localhost' }, 'a url that begins with "no scheme"'],
  ['a url that is none', { url: 'postgres://a:password1@[/x' }, 'a url that cannot be understood'],
  ['a schema that is none', { url, schema: 'a-b' }, 'the schema "a-b"'],
  ['a schema of the server', { url, schema: 'pg_x' }, 'the schema "pg_x"'],
  ['a long schema', { url, schema: 'x'.repeat(51) }, 'the schema "xxx'],
  ['one connection', { url, maxConnections: 1 }, 'maxConnections 1. Expected a whole number from 2 to 10000'],
  ['a quick heart', { url, heartbeatSeconds: 9 }, 'heartbeatSeconds 9. Expected a whole number from 10 to 3600'],
  ['half a second', { url, heartbeatSeconds: 10.5 }, 'heartbeatSeconds 10.5.'],
])('pgBoss() refuses %s', (_what, options, found) => {
  const error = (() => {
    try {
      pgBoss(options);
    } catch (thrown) {
      return thrown as Error;
    }
    return undefined;
  })();
  expect(error).toMatchObject({ code: 'placement.invalid', message: expect.stringContaining(`was given ${found}`) });
  expect(error?.message).not.toContain('password1');
});

test('passwords, of the url and in PGPASSWORD, are told nowhere from then on', async () => {
  vi.stubEnv('PGPASSWORD', 'said-to-the-engine');
  onTestFinished(() => void vi.unstubAllEnvs());
  await pgBoss('postgres://u:written-for-the-engine@127.0.0.1:1/db').close();
  expect(redact('said-to-the-engine, written-for-the-engine')).toBe('[redacted], [redacted]');
});

test('without a logger the console is told, and no secret', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  onTestFinished(() => warn.mockRestore());
  say(settle({ pool }).logger, 'warn', 'It is sk-abcdefgh1.');
  expect(warn.mock.calls).toEqual([['It is [redacted].']]);
});

test.each(['', 'a b', 'q_lost', '__pgboss__x', "q'", 'x'.repeat(201)])('no queue is called "%s"', async (queue) => {
  const placement = pgBoss({ pool });
  const invalid = { code: 'placement.invalid', message: expect.stringContaining('The queue "') };
  await expect(placement.dispatch({ runId: 'r', queue })).rejects.toMatchObject(invalid);
  const serving = { queues: ['good', queue], concurrency: 1, workerId: 'w' };
  await expect(placement.serve({ run: async () => 'done' }, serving)).rejects.toMatchObject(invalid);
  await placement.close();
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 253_402_300_800_000])(
  'nothing is dispatched for the moment %d',
  async (notBefore) => {
    const placement = pgBoss({ pool });
    const dispatched = placement.dispatch({ runId: 'r', queue: 'q', notBefore });
    await expect(dispatched).rejects.toMatchObject({ code: 'placement.invalid' });
    await placement.close();
  },
);

test('a worker has a name', async () => {
  const placement = pgBoss({ pool });
  const served = placement.serve({ run: async () => 'done' }, { queues: ['q'], concurrency: 1, workerId: '' });
  await expect(served).rejects.toMatchObject({ code: 'placement.invalid' });
  await placement.close();
});

test('runs of a dead worker are handed on 5 s after it was taken for dead, at the latest', () => {
  expect(pgBoss({ pool, heartbeatSeconds: 30 }).caps.maxDetectMs).toBe(35_000);
});
