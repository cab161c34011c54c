import { randomBytes } from 'node:crypto';
import { type Commit, unfinished } from '@troupe/protocol';
import pg from 'pg';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { listOf } from '../../../test/support/list-of.ts';
import { openProxy } from '../../../test/support/proxy.ts';
import { lastStepOf, stepOf } from '../../../test/support/steps.ts';
import { sharedServer } from '../../../test/tools/postgres/server.ts';
import { freshSchema, openAt, openFresh, patience } from './schemas.ts';

const said = (message: string) => ({ type: 'warning.raised', code: 'said', message });
const counted = async () => {
  const pool = new pg.Pool({ connectionString: await sharedServer(), allowExitOnIdle: true });
  onTestFinished(() => pool.end());
  return { store: openAt({ pool, schema: freshSchema() }), asked: vi.spyOn(pool, 'query') };
};

describe('events', { timeout: 30_000 }, () => {
  test.each([
    ['of a run', { runId: 'r' }],
    ['of a tree', { rootId: 'r' }],
    ['of all trees', {}],
  ])('%s come in pages, as many as they are', async (_whose, query) => {
    const { store, asked } = await counted();
    await store.commit([stepOf({ runId: 'r', events: Array.from({ length: 600 }, (_, n) => said(`${n}`)) })]);
    asked.mockClear();
    const read = await listOf(store.events(query));
    expect(read.map(({ seq }) => seq)).toEqual(read.map((_, i) => i + 1));
    expect(read).toHaveLength(600);
    expect(asked).toHaveBeenCalledTimes(3);
    await store.close();
  });

  test('that are large come in pages of few, and one that is larger than a page comes alone', async () => {
    const { store, asked } = await counted();
    // Texts that cannot be stored in less room than they have.
    const events = [300_000, 300_000, 300_000, 2_000_000, 10].map((size) =>
      said(randomBytes(size / 2).toString('hex')),
    );
    await store.commit([stepOf({ runId: 'r', events })]);
    asked.mockClear();
    const read = await listOf(store.events({ rootId: 'r' }));
    expect(read.map((event) => 'message' in event && event.message)).toEqual(events.map(({ message }) => message));
    expect(asked.mock.calls.length).toBeGreaterThan(1);
    await store.close();
  });

  test('are read no further than they are asked for', async () => {
    const { store, asked } = await counted();
    await store.commit([stepOf({ runId: 'r', events: Array.from({ length: 300 }, (_, n) => said(`${n}`)) })]);
    asked.mockClear();
    for await (const { seq } of store.events({ runId: 'r' })) if (seq === 10) break;
    expect(asked).toHaveBeenCalledTimes(1);
    await store.close();
  });
});

test('memories are found among hundreds, in the order in which they were written, and no more than are wanted', async () => {
  const store = await openFresh();
  const keys = Array.from({ length: 450 }, (_, n) => `k${n}`);
  await Promise.all(keys.map((key, n) => store.write('s', key, n % 2 === 0 ? 'Even' : 'odd')));
  const found = await store.search('s', 'EVEN', { limit: 1_000 });
  expect(found.map(({ key }) => key)).toEqual(keys.filter((_, n) => n % 2 === 0));
  expect(await store.search('s', 'odd', { limit: 3 })).toHaveLength(3);
  expect(await store.search('s', 'odd', { limit: 0 })).toEqual([]);
  expect(await store.search('s', '', { limit: 1_000 })).toHaveLength(450);
  await store.close();
});

test('whoever listens hears once that the database cannot be reached, and once that it can be again', {
  timeout: 30_000,
}, async () => {
  const proxy = await openProxy(Number(new URL(await sharedServer()).port));
  const store = openAt({ url: proxy.url, schema: freshSchema(), timeoutMs: 700, pollMs: 20 });
  let heard = 0;
  store.changes(() => {
    heard += 1;
  });
  await expect.poll(() => heard, patience).toBe(1);
  proxy.hang();
  await expect.poll(() => heard, patience).toBe(2);
  proxy.heal();
  proxy.cut();
  await expect.poll(() => heard, patience).toBe(3);
  await store.close();
});

test.each([
  ['the newest of a session', { sentTo: 'k', limit: 1 }, 'runs_by_session'],
  ['what of a session has not ended', { sentTo: 'k', status: unfinished }, 'runs_open_by_session'],
  ['what of a tree has not ended', { rootId: 'k', status: unfinished }, 'runs_by_root'],
])('%s is found without a look at all the others', async (_what, filter, index) => {
  const { store, asked } = await counted();
  const sent = (sessionKey: string, after: string | null, step: Commit): Commit => ({
    ...step,
    row: { ...step.row, sessionKey, after },
  });
  const old = Array.from({ length: 600 }, (_, n) =>
    sent(n < 6 ? 'k' : `k${n}`, n > 0 && n < 6 ? `old${n - 1}` : null, lastStepOf({ runId: `old${n}` })),
  );
  await Promise.all(old.map((step) => store.commit([step])));
  await store.commit([sent('k', 'old5', stepOf({ runId: 'k' }))]);
  asked.mockClear();
  expect(await store.list(filter)).toMatchObject([{ runId: 'k' }]);
  const [{ text, values }] = asked.mock.calls[0] as unknown as [{ text: string; values: unknown[] }];
  const pool = new pg.Pool({ connectionString: await sharedServer(), max: 1 });
  // So small a table would be read as a whole.
  await pool.query('SET enable_seqscan = off');
  await pool.query(`ANALYZE ${/FROM (\S+\.runs)/.exec(text)?.[1]}`);
  const { rows } = await pool.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values);
  await pool.end();
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  expect(plan).toContain(`${index} on`);
  expect(plan).not.toMatch(/Filter: .*(sent_to|root_id)/);
  await store.close();
});
