import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { stepOf } from '../../../test/support/steps.ts';
import { sharedServer } from '../../../test/tools/postgres/server.ts';
import { openSession } from './psql.ts';
import { freshSchema, openAt, openFresh, schemaOf } from './schemas.ts';

const lease = { leaseMs: 3_600_000 };

describe('close', () => {
  test('waits until everything is written that was asked for, and leaves nothing of the store but that', async () => {
    const store = await openFresh();
    const asked = Array.from({ length: 300 }, (_, n) => store.commit([stepOf({ runId: `r${n}` })]));
    const written = store.write('s', 'k', 'v');
    await store.close();
    expect((await Promise.all(asked)).flat()).toHaveLength(300);
    await written;
    const session = await openSession(schemaOf(store));
    expect(await session('SELECT id FROM @.stores')).toEqual([]);
    const again = openAt({ url: await sharedServer(), schema: schemaOf(store) });
    expect(await again.list({ limit: 1_000 })).toHaveLength(300);
    expect(await again.read('s', 'k')).toBe('v');
    await again.close();
  });

  test('may be asked for twice, and before anything else', async () => {
    const store = await openFresh();
    expect(store.close()).toBe(store.close());
    await store.close();
  });

  test('gives back the claims that were made here, and no others', async () => {
    const here = await openFresh();
    const there = openAt({ url: await sharedServer(), schema: schemaOf(here) });
    await here.claim('r', 'here', lease);
    await there.claim('s', 'there', lease);
    await here.close();
    expect(await there.claim('r', 'other', lease)).not.toBeNull();
    expect(await there.claim('s', 'other', lease)).toBeNull();
    await there.close();
  });

  test('leaves the pool of the program open, which many stores may share', async () => {
    const pool = new pg.Pool({ connectionString: await sharedServer() });
    onTestFinished(() => pool.end());
    const stores = Array.from({ length: 12 }, () => openAt({ pool, schema: freshSchema() }));
    // One listens for connections that end while nobody uses them: unheard, that would end the process.
    expect(pool.listenerCount('error')).toBe(1);
    await stores[0]?.get('r');
    for (const store of stores) await store.close();
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  test('refuses everything from then on', async () => {
    const store = await openFresh();
    const events = store.events({ rootId: 'r' }) as AsyncIterable<unknown>;
    const journal = store.journal('r') as AsyncIterable<unknown>;
    const reading = store.get('r').catch((error: unknown) => error);
    const closing = store.close();
    const refused = { code: 'store.closed', message: expect.stringContaining('Open it again') };
    for (const ask of [
      () => store.commit([stepOf({ runId: 'r' })]),
      () => store.commit([]),
      () => store.claim('r', 'o', lease),
      () => store.renew('o', lease),
      () => store.release('o'),
      () => store.prune({ olderThan: 0, keep: 0 }),
      () => store.post({ id: 'm', runId: 'r', at: 1, message: { type: 'said' } }),
      () => store.withdraw('m', { status: 'accepted' }),
      () => store.write('s', 'k', 1),
      () => store.reset('s'),
      () => store.get('r'),
      () => store.holder('r'),
      () => store.list(),
      () => store.checkpoint('r'),
      () => store.quotas(),
      () => store.inbox('o'),
      () => store.sessionInbox(),
      () => store.receipt('m'),
      () => store.read('s', 'k'),
      () => store.search('s', 't'),
      () => events[Symbol.asyncIterator]().next(),
      () => journal[Symbol.asyncIterator]().next(),
    ])
      await expect(ask()).rejects.toMatchObject(refused);
    expect(() => store.changes(() => {})).toThrow(expect.objectContaining(refused));
    await closing;
    // What was being read was read, or is said to be closed.
    expect([undefined, 'store.closed']).toContain(((await reading) as { code?: string } | undefined)?.code);
  });
});
