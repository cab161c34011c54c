import pg from 'pg';
import { describe, expect, type Mock, onTestFinished, test, vi } from 'vitest';
import { openProxy } from '../../../test/support/proxy.ts';
import { stepOf } from '../../../test/support/steps.ts';
import { sharedServer, urlOf } from '../../../test/tools/postgres/server.ts';
import type { PostgresStore, PostgresStoreOptions } from '../src/index.ts';
import { listen } from '../src/reader/listen.ts';
import { startChild } from './children.ts';
import { openSession } from './psql.ts';
import { freshSchema, openAt, patience } from './schemas.ts';

const lease = { leaseMs: 3_600_000 };
const said = { type: 'said' };
const mailTo = (runId: string, id = 'm') => ({ id, runId, at: 1, message: said });
const accepted = (mailId: string) => ({ mailId, receipt: { status: 'accepted' as const } });

type Party = {
  store: PostgresStore;
  /** Its name on the server: of all its connections. */
  name: string;
  /** The stores that it has told. */
  told(): string[];
  /** What becomes of that from now on: it is done after this, or fails with it. */
  tellsAfter(ready: () => Promise<void>): void;
  /** Begins to listen, and resolves when it hears. */
  listens(): Promise<Mock<() => void>>;
};

const storesIn = (query: unknown): string[] => {
  const { text, values } = query as { text: string; values: [string[], string[]] };
  return text.includes('pg_notify') ? values[0].filter((_, i) => values[1][i] === '') : [];
};

/** Stores of one schema that find nothing by looking: what they notice, they were told. */
const openParties = async <Names extends string>(
  names: readonly Names[],
  options: Partial<PostgresStoreOptions> = {},
): Promise<Record<Names, Party> & { schema: string }> => {
  const schema = freshSchema();
  const url = await sharedServer();
  const parties = names.map((each): [string, Party] => {
    const name = `${each} of ${schema}`;
    const pool = new pg.Pool({ connectionString: url, application_name: name, allowExitOnIdle: true });
    const ask = pool.query.bind(pool);
    const asked = vi.spyOn(pool, 'query');
    const store = openAt({ pool, schema, pollMs: 60_000, ...options });
    onTestFinished(async () => {
      await store.close();
      await pool.end();
    });
    const party: Party = {
      store,
      name,
      told: () => asked.mock.calls.flatMap(([query]) => storesIn(query)),
      tellsAfter(ready) {
        const later = async (query: string) => {
          if (storesIn(query).length > 0) await ready();
          return ask(query);
        };
        asked.mockImplementation(later as never);
      },
      async listens() {
        const heard = vi.fn<() => void>();
        store.changes(heard);
        // It looks once when it hears.
        await expect.poll(() => heard.mock.calls.length, patience).toBe(1);
        heard.mockClear();
        return heard;
      },
    };
    return [each, party];
  });
  return { schema, ...(Object.fromEntries(parties) as Record<Names, Party>) };
};

/** Looks for the messages of an owner whenever it hears of something. */
const looks = async ({ store, listens }: Party, owner: string) => {
  const heard = await listens();
  let found = 0;
  const look = async () => {
    found = (await store.inbox(owner)).length;
  };
  heard.mockImplementation(() => void look());
  return { heard, seen: () => found };
};

/** Connections that listen, by the name of who has them. */
const earsOf = async (schema: string) => {
  const session = await openSession(schema);
  const of = `FROM pg_stat_activity WHERE application_name = $1 AND query ~ 'LISTEN|pg_listening'`;
  return {
    pids: async (name: string) => (await session(`SELECT pid ${of}`, [name])).map(({ pid }) => String(pid)),
    kill: (name: string) => session(`SELECT pg_terminate_backend(pid) ${of}`, [name]),
    /** The store of an owner. */
    storeOf: async (owner: string) =>
      String((await session('SELECT store FROM @.owners WHERE owner = $1', [owner]))[0]?.store),
  };
};

describe('a hint', { timeout: 30_000 }, () => {
  test('tells whoever executes a run of a message, and whoever sent it of the receipt, and nobody else', async () => {
    const { schema, sender, holder, other } = await openParties(['sender', 'holder', 'other']);
    const ears = await earsOf(schema);
    await holder.store.claim('r', 'its owner', lease);
    await holder.store.commit([stepOf({ runId: 'r', owner: 'its owner' })]);
    await sender.store.renew('of the sender', lease);
    const heard = { sender: await sender.listens(), holder: await holder.listens(), other: await other.listens() };
    // when a message is left
    await sender.store.post(mailTo('r'));
    await expect.poll(() => heard.holder.mock.calls.length, patience).toBe(1);
    expect(await holder.store.inbox('its owner')).toMatchObject([{ id: 'm' }]);
    // and answered
    const answer = stepOf({ runId: 'r', owner: 'its owner', expectedSeq: 1, receipts: [accepted('m')] });
    await holder.store.commit([answer]);
    await expect.poll(() => heard.sender.mock.calls.length, patience).toBe(1);
    expect(await sender.store.receipt('m')).toEqual({ status: 'accepted' });
    // then nobody else was told
    expect(sender.told()).toEqual([await ears.storeOf('its owner')]);
    expect(holder.told()).toEqual([await ears.storeOf('of the sender')]);
    expect(heard.holder).toHaveBeenCalledTimes(1);
    expect(heard.other).not.toHaveBeenCalled();
  });

  test('tells of a message that a step leaves, of whose receipt nobody is told, for nobody waits for it', async () => {
    const { parent, child } = await openParties(['parent', 'child']);
    await parent.store.claim('r', 'above', lease);
    const heard = await parent.listens();
    await parent.store.commit([stepOf({ runId: 'r', owner: 'above' })]);
    await child.store.commit([
      stepOf({ runId: 'r/1-0/0', rootId: 'r', owner: 'below', mail: [mailTo('r', 'a'), mailTo('r', 'b')] }),
    ]);
    await expect.poll(() => heard.mock.calls.length, patience).toBe(1);
    await parent.store.commit([
      stepOf({ runId: 'r', owner: 'above', expectedSeq: 1, receipts: [accepted('a'), accepted('b')] }),
    ]);
    expect(child.told()).toHaveLength(1);
    expect(parent.told()).toEqual([]);
  });

  test('tells nobody of what is for oneself, for a session, or for a run that nobody executes', async () => {
    const { one, other } = await openParties(['one', 'other']);
    await one.store.claim('r', 'o', lease);
    await other.store.claim('left', 'p', lease);
    await other.store.release('p', ['left']);
    const heard = await one.listens();
    await one.store.commit([stepOf({ runId: 'r', owner: 'o' })]);
    await one.store.post(mailTo('r', 'own'));
    await one.store.commit([
      stepOf({ runId: 'r', owner: 'o', expectedSeq: 1, mail: [mailTo('r', 'too')], receipts: [accepted('own')] }),
    ]);
    for (const { store } of [one, other]) {
      await store.post({ ...mailTo('r', 'to a session'), sessionKey: 's' });
      await store.post(mailTo('left', 'to nobody'));
      await store.post(mailTo('unknown', 'to nothing'));
    }
    await other.store.commit([
      stepOf({
        runId: 'sent',
        owner: 'p',
        mail: [{ ...mailTo('r', 'a letter'), sessionKey: 's' }, mailTo('left', 'b')],
      }),
    ]);
    expect([one.told(), other.told()]).toEqual([[], []]);
    expect(heard).not.toHaveBeenCalled();
  });

  test('leads to few looks where there are many, the last of which comes after the last message', async () => {
    const { sender, holder } = await openParties(['sender', 'holder']);
    await holder.store.claim('r', 'o', lease);
    const { heard, seen } = await looks(holder, 'o');
    const from = performance.now();
    for (let n = 0; n < 200; n++) await sender.store.post(mailTo('r', `m${n}`));
    await expect.poll(seen, patience).toBe(200);
    expect(heard.mock.calls.length).toBeLessThanOrEqual((performance.now() - from) / 9 + 2);
    // Those that are left together are told of together.
    const before = sender.told().length;
    await Promise.all(Array.from({ length: 200 }, (_, n) => sender.store.post(mailTo('r', `n${n}`))));
    await expect.poll(seen, patience).toBe(400);
    expect(sender.told().length - before).toBeLessThanOrEqual(10);
  });

  test('waits while another is given, and is given before the store is closed', async () => {
    const { schema, sender, holder } = await openParties(['sender', 'holder']);
    await holder.store.claim('r', 'o', lease);
    const heard = await holder.listens();
    const session = await openSession(schema);
    const gate = Promise.withResolvers<void>();
    sender.tellsAfter(() => gate.promise);
    for (const id of ['a', 'b', 'c']) await sender.store.post(mailTo('r', id));
    const closed = sender.store.close();
    // All is written.
    await expect.poll(() => session('SELECT id FROM @.stores'), patience).toHaveLength(1);
    expect(sender.told()).toHaveLength(1);
    gate.resolve();
    await closed;
    expect(sender.told()).toHaveLength(2);
    await expect.poll(() => heard.mock.calls.length, patience).toBeGreaterThan(0);
  });

  test('that cannot be given is no trouble: what it was about is found by looking', async () => {
    const { sender, holder } = await openParties(['sender', 'holder'], { pollMs: 20 });
    await holder.store.claim('r', 'o', lease);
    sender.tellsAfter(() => Promise.reject(new Error('It cannot be told.')));
    const heard = await holder.listens();
    await sender.store.post(mailTo('r'));
    await expect.poll(() => heard.mock.calls.length, patience).toBe(1);
    expect(sender.told()).toHaveLength(1);
    await sender.store.close();
  });

  test('is neither given nor listened for where that is switched off, and everything is found by looking', async () => {
    const { schema, sender, holder } = await openParties(['sender', 'holder'], { pollMs: 20, hints: false });
    const ears = await earsOf(schema);
    await holder.store.claim('r', 'o', lease);
    await holder.store.commit([stepOf({ runId: 'r', owner: 'o' })]);
    const heard = { sender: await sender.listens(), holder: await holder.listens() };
    await sender.store.post(mailTo('r'));
    await expect.poll(() => heard.holder.mock.calls.length, patience).toBeGreaterThan(0);
    await holder.store.commit([stepOf({ runId: 'r', owner: 'o', expectedSeq: 1, receipts: [accepted('m')] })]);
    await expect.poll(() => heard.sender.mock.calls.length, patience).toBeGreaterThan(0);
    expect([sender.told(), holder.told()]).toEqual([[], []]);
    expect([await ears.pids(sender.name), await ears.pids(holder.name)]).toEqual([[], []]);
  });
});

describe('the connection that listens', { timeout: 30_000 }, () => {
  test('is there while somebody listens, a moment longer, and not after the store was closed', async () => {
    const { schema, one } = await openParties(['one']);
    const ears = await earsOf(schema);
    await one.store.get('r');
    expect(await ears.pids(one.name)).toEqual([]);
    const leave = one.store.changes(() => {});
    const more = one.store.changes(() => {});
    await expect.poll(() => ears.pids(one.name), patience).toHaveLength(1);
    const before = await ears.pids(one.name);
    leave();
    more();
    const again = one.store.changes(() => {});
    expect(await ears.pids(one.name)).toEqual(before);
    again();
    await expect.poll(() => ears.pids(one.name), patience).toEqual([]);
    one.store.changes(() => {});
    await expect.poll(() => ears.pids(one.name), patience).toHaveLength(1);
    await one.store.close();
    await expect.poll(() => ears.pids(one.name), patience).toEqual([]);
  });

  test('is made anew when it ends, and what was left meanwhile is looked for', async () => {
    const { schema, sender, holder } = await openParties(['sender', 'holder']);
    const ears = await earsOf(schema);
    await holder.store.claim('r', 'o', lease);
    const { seen } = await looks(holder, 'o');
    const [before] = await ears.pids(holder.name);
    await ears.kill(holder.name);
    await sender.store.post(mailTo('r', 'meanwhile'));
    await expect.poll(seen, patience).toBe(1);
    await sender.store.post(mailTo('r', 'afterwards'));
    await expect.poll(seen, patience).toBe(2);
    expect(await ears.pids(holder.name)).not.toContain(before);
  });

  test('may be refused: the store does without', async () => {
    const { schema, sender } = await openParties(['sender']);
    const ears = await earsOf(schema);
    const session = await openSession(schema);
    await sender.store.get('r');
    // given a role that may have one connection
    await session(`CREATE ROLE ${schema} LOGIN CONNECTION LIMIT 1`);
    await session(`GRANT USAGE ON SCHEMA @ TO ${schema}`);
    await session(`GRANT ALL ON ALL TABLES IN SCHEMA @ TO ${schema}`);
    onTestFinished(async () => {
      const last = await openSession(schema);
      await last(`DROP OWNED BY ${schema} CASCADE`);
      await last(`DROP ROLE ${schema}`);
    });
    const url = new URL(urlOf(Number(new URL(await sharedServer()).port), schema));
    url.searchParams.set('application_name', schema);
    const store = openAt({ url: url.href, schema, maxConnections: 1, pollMs: 20 });
    await store.claim('r', 'o', lease);
    const heard = vi.fn<() => void>();
    store.changes(heard);
    await expect.poll(() => heard.mock.calls.length, patience).toBe(1);
    await sender.store.post(mailTo('r'));
    await expect.poll(() => heard.mock.calls.length, patience).toBe(2);
    expect(await ears.pids(schema)).toEqual([]);
    await store.close();
  });

  test('that hangs is given up, and another one hears', async () => {
    const proxy = await openProxy(Number(new URL(await sharedServer()).port));
    const pool = new pg.Pool({ connectionString: proxy.url });
    const hearing = { onHint: vi.fn<() => void>(), onText: vi.fn<() => void>(), onConnect: vi.fn<() => void>() };
    const times = { lookMs: 20, patienceMs: 200, shortestPauseMs: 10, longestPauseMs: 100 };
    const ears = listen(pool, async () => ['here', 'there'], hearing, times);
    await expect.poll(() => hearing.onConnect.mock.calls.length, patience).toBe(1);
    const before = proxy.connections;
    proxy.hang();
    await expect.poll(() => proxy.connections, patience).toBeGreaterThan(before + 1);
    expect(hearing.onConnect).toHaveBeenCalledTimes(1);
    proxy.heal();
    await expect.poll(() => hearing.onConnect.mock.calls.length, patience).toBe(2);
    const session = await openSession('');
    await session(`SELECT pg_notify('here', '')`);
    await expect.poll(() => hearing.onHint.mock.calls.length, patience).toBe(1);
    ears.close();
    await pool.end();
  });

  test('keeps no process alive', async () => {
    const child = await startChild(freshSchema(), 'overhear');
    expect(await child.ended, child.errors.join('')).toBe(0);
    expect(child.said).toEqual(['hears']);
  });
});
