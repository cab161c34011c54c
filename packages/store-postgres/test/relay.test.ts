import { Buffer } from 'node:buffer';
import type { LiveEvent } from '@troupe/protocol';
import fc from 'fast-check';
import pg from 'pg';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { stepOf } from '../../../test/support/steps.ts';
import { sharedServer } from '../../../test/tools/postgres/server.ts';
import type { PostgresStore } from '../src/index.ts';
import { pack, unpack } from '../src/relay/pack.ts';
import { openRelay } from '../src/relay/relay.ts';
import { openSession } from './psql.ts';
import { freshSchema, openAt, patience } from './schemas.ts';

const streamed = (rootId: string, part: number, delta: string, seq = 1): LiveEvent => ({
  ...{ runId: rootId, rootId, depth: 0, agent: 'a', at: 7, live: true, seq, part },
  ...{ type: 'text.streamed', delta },
});

const events = fc.array(
  fc
    .record({
      runId: fc.constantFrom('r', 'r/1-0/0', 's'),
      seq: fc.nat(3),
      part: fc.nat(9),
      at: fc.nat(9),
      type: fc.constantFrom('text.streamed', 'reasoning.streamed', 'call.progressed'),
      said: fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.integer({ min: 1, max: 9_000 }).map((n) => 'ö'.repeat(n)),
      ),
    })
    .map(({ runId, seq, part, at, type, said }): LiveEvent => {
      const about = { runId, rootId: 'r', depth: 0, agent: 'a', at, live: true as const, seq, part };
      if (type === 'call.progressed') return { ...about, type, callId: 'c', note: said };
      return { ...about, type: type as 'text.streamed', delta: said };
    }),
  { maxLength: 40 },
);

describe('live events as texts', () => {
  test('come out as they went in, in texts that PostgreSQL passes on, but for those that are too long for any', () => {
    fc.assert(
      fc.property(events, (given) => {
        const texts = pack(given);
        for (const text of texts) expect(Buffer.byteLength(text)).toBeLessThan(7_900);
        const short = given.filter((event) => Buffer.byteLength(JSON.stringify(event)) < 7_700);
        const taken = texts.flatMap((text) => unpack(JSON.parse(text) as unknown[]));
        expect(taken.filter((event) => Buffer.byteLength(JSON.stringify(event)) < 7_700)).toEqual(short);
      }),
    );
  });

  test('that stream take little more than themselves', () => {
    const [text = ''] = pack(Array.from({ length: 100 }, (_, part) => streamed('r', part, 'word ')));
    expect(text.length).toBeLessThan(100 * 20);
  });

  test.each([[null], [1], ['text'], [{}], [[1, 2, 'no event before']], [{ ...streamed('r', 1, 'x'), part: 'one' }]])(
    'that are none are left out: %j',
    (item) => {
      expect(unpack([item, streamed('r', 2, 'y')])).toEqual([streamed('r', 2, 'y')]);
      expect(unpack([item, [2, 7, 'after one that is none']])).toEqual([]);
    },
  );
});

const anybody = '01234567-89ab-4cde-8f01-23456789abcd';
/** What nobody says, and what leads nowhere. */
const nonsense = [
  'nonsense',
  'null',
  '[]',
  `{"by":"${anybody}","number":1,"live":[null,1,{}]}`,
  `{"by":"${anybody}","follows":7,"stored":1,"asks":{}}`,
  `{"by":"${'long'.repeat(50)}","follows":null}`,
  `{"by":"${anybody}","follows":null}`,
];

/** Stores of one schema, each with a pool of its own. */
const openStores = async <Names extends string>(...names: readonly Names[]) => {
  const schema = freshSchema();
  const url = await sharedServer();
  const stores = names.map((each): [string, { store: PostgresStore; said(): string[] }] => {
    const pool = new pg.Pool({
      connectionString: url,
      application_name: `${each} of ${schema}`,
      allowExitOnIdle: true,
    });
    const asked = vi.spyOn(pool, 'query');
    const store = openAt({ pool, schema, pollMs: 60_000 });
    onTestFinished(async () => {
      await store.close();
      await pool.end();
    });
    const said = () =>
      asked.mock.calls.flatMap(([query]) => {
        const { text, values } = query as unknown as { text: string; values: [string[], string[]] };
        return text.includes('pg_notify') ? values[1].filter((each) => each.includes('"live"')) : [];
      });
    return [each, { store, said }];
  });
  return { schema, ...(Object.fromEntries(stores) as Record<Names, { store: PostgresStore; said(): string[] }>) };
};
const follow = ({ live }: PostgresStore, rootId?: string) => {
  const heard: string[] = [];
  const leave = live?.listen(rootId, (event) => {
    if (event) heard.push('delta' in event ? event.delta : event.note);
  });
  onTestFinished(() => leave?.());
  return { heard, leave: () => leave?.() };
};
/** Waits for others, as a store does whose runs work. */
const work = (store: PostgresStore): void => void store.changes(() => {});
/** Says something until it is heard: who follows is known a little later. */
const until = (say: () => void, isHeard: () => boolean) =>
  expect
    .poll(() => {
      say();
      return isHeard();
    }, patience)
    .toBe(true);

describe('what a store is told of a tree as it happens', { timeout: 30_000 }, () => {
  test('is heard in other processes that follow it, in its order, and nowhere else', async () => {
    const { worker, one, all, none } = await openStores('worker', 'one', 'all', 'none');
    work(worker.store);
    const [ofOne, ofAll, ofNone] = [follow(one.store, 'r'), follow(all.store), follow(none.store, 'another')];
    const own = follow(worker.store);
    let part = 0;
    const say = (rootId: string): void => worker.store.live?.tell(streamed(rootId, ++part, `${rootId}${part}`));
    await until(
      () => [say('r'), say('s')],
      () => ofOne.heard.length > 0 && ofAll.heard.length > 1,
    );
    const [before, beforeAll] = [ofOne.heard.length, ofAll.heard.length];
    const from = part;
    for (let n = 0; n < 500; n++) say(n % 2 === 0 ? 'r' : 's');
    say('r');
    const last = `r${part}`;
    await expect.poll(() => [ofOne.heard.at(-1), ofAll.heard.at(-1)], patience).toEqual([last, last]);
    const told = Array.from({ length: 501 }, (_, n) => `${n % 2 === 0 ? 'r' : 's'}${from + n + 1}`);
    expect(ofAll.heard.slice(-501)).toEqual(told);
    expect(ofOne.heard.slice(-251)).toEqual(told.filter((text) => text.startsWith('r')));
    expect([before, beforeAll].every((n) => n > 0)).toBe(true);
    expect([ofNone.heard, own.heard]).toEqual([[], []]);
  });

  test('is sent to nobody where nobody follows, and no more to whoever has left', async () => {
    const { worker, one, two } = await openStores('worker', 'one', 'two');
    work(worker.store);
    work(one.store);
    const say = (rootId: string, delta: string): void => worker.store.live?.tell(streamed(rootId, 1, delta));
    const other = follow(two.store, 's');
    /** What is said of a tree, once something of another one that was said after it has arrived. */
    const sentOf = async (rootId: string, delta: string): Promise<boolean> => {
      const [heard, said] = [other.heard.length, worker.said().length];
      say(rootId, delta);
      say('s', 'then');
      await expect.poll(() => other.heard.length, patience).toBeGreaterThan(heard);
      return worker.said().slice(said).join().includes(delta);
    };
    await until(
      () => say('s', 'x'),
      () => other.heard.length > 0,
    );
    expect(await sentOf('r', 'to nobody')).toBe(false);
    const { leave } = follow(one.store, 'r');
    await expect.poll(() => sentOf('r', 'to one'), patience).toBe(true);
    leave();
    await expect.poll(() => sentOf('r', 'to one who has left'), patience).toBe(false);
  });

  test('is read by those who follow as soon as it is stored, and by nobody else', async () => {
    const { worker, one, all, none } = await openStores('worker', 'one', 'all', 'none');
    work(worker.store);
    const hears = { one: vi.fn<() => void>(), all: vi.fn<() => void>(), none: vi.fn<() => void>() };
    for (const { store } of [one, all, none]) work(store);
    one.store.live?.listen('r', hears.one);
    all.store.live?.listen(undefined, hears.all);
    none.store.live?.listen('s', hears.none);
    let seq = 0;
    const step = async (): Promise<void> => {
      await worker.store.commit([stepOf({ runId: 'r', owner: 'o', expectedSeq: seq++ })]);
    };
    await expect
      .poll(async () => {
        await step();
        return hears.one.mock.calls.length > 1 && hears.all.mock.calls.length > 1;
      }, patience)
      .toBe(true);
    expect(hears.none).not.toHaveBeenCalled();
    // Who follows the other tree may have said so later.
    let said = 0;
    await expect
      .poll(async () => {
        await worker.store.commit([stepOf({ runId: 's', owner: 'o', expectedSeq: said++ })]);
        return hears.none.mock.calls.length;
      }, patience)
      .toBeGreaterThan(0);
    expect(hears.none.mock.calls.length).toBeLessThanOrEqual(said);
  });

  test('is kept for those who follow until they could say so', async () => {
    const { worker, one, before } = await openStores('worker', 'one', 'before');
    const { heard } = follow(one.store, 'r');
    work(before.store);
    await until(
      () => before.store.live?.tell(streamed('r', 1, 'x')),
      () => heard.length > 0,
    );
    heard.length = 0;
    for (const delta of ['a', 'b', 'c']) worker.store.live?.tell(streamed('r', 1, delta));
    worker.store.live?.tell(streamed('s', 1, 'of another tree'));
    work(worker.store);
    await expect.poll(() => heard.join('').replaceAll('x', ''), patience).toBe('abc');
  });

  test('is heard again by a store, and from one, whose listening connection was lost', async () => {
    const { schema, worker, one } = await openStores('worker', 'one');
    work(worker.store);
    const { heard } = follow(one.store, 'r');
    let part = 0;
    const isHeardAgain = async (): Promise<void> => {
      const before = heard.length;
      await until(
        () => worker.store.live?.tell(streamed('r', ++part, 'x')),
        () => heard.length > before,
      );
    };
    await isHeardAgain();
    const session = await openSession(schema);
    for (const name of ['worker', 'one']) {
      const its = `FROM pg_stat_activity WHERE application_name = '${name} of ${schema}' AND query ~ 'LISTEN|pg_listening'`;
      await session(`SELECT pg_terminate_backend(pid) ${its}`);
      await expect.poll(async () => (await session(`SELECT pid ${its}`)).length, patience).toBe(1);
      await isHeardAgain();
    }
  });

  test('is told though others say what nobody understands', async () => {
    const { schema, worker, one } = await openStores('worker', 'one');
    for (const { store } of [worker, one]) await store.claim('r', 'somebody', { leaseMs: 1 });
    work(worker.store);
    const { heard } = follow(one.store, 'r');
    const say = (): void => worker.store.live?.tell(streamed('r', 1, 'x'));
    await until(say, () => heard.length > 0);
    const session = await openSession(schema);
    const channels = await session(`SELECT @.channel(id) AS channel FROM @.stores`);
    expect(channels).toHaveLength(2);
    for (const { channel } of channels)
      for (const text of nonsense) await session('SELECT pg_notify($1, $2)', [String(channel), text]);
    const before = heard.length;
    await until(say, () => heard.length > before);
  });

  test('is heard by nobody who may not read the tables', async () => {
    const { schema, worker, one } = await openStores('worker', 'one');
    work(worker.store);
    const { heard } = follow(one.store, 'r');
    await until(
      () => worker.store.live?.tell(streamed('r', 1, 'x')),
      () => heard.length > 0,
    );
    const session = await openSession(schema);
    const role = `spy_of_${schema}`;
    await session(`CREATE ROLE ${role}`);
    onTestFinished(async () => void (await session(`DROP ROLE ${role}`)));
    await session(`SET ROLE ${role}`);
    await expect(session(`SELECT @.channel('everybody')`)).rejects.toThrow(/permission denied/);
    await session('RESET ROLE');
  });

  test('names as many trees as can be named, and all of them beyond that', async () => {
    const { worker, one } = await openStores('worker', 'one');
    work(worker.store);
    const many = Array.from({ length: 300 }, (_, n) => follow(one.store, `a tree with quite a long name, number ${n}`));
    await until(
      () => worker.store.live?.tell(streamed('a tree with quite a long name, number 299', 1, 'x')),
      () => (many[299]?.heard.length ?? 0) > 0,
    );
    expect(many[0]?.heard).toEqual([]);
  });

  test('is not listened to any more once the store is closed', async () => {
    const { schema, one } = await openStores('one');
    await one.store.close();
    expect(() => one.store.live?.listen('r', () => {})).toThrow(expect.objectContaining({ code: 'store.closed' }));
    const session = await openSession(schema);
    const its = await session(`SELECT pid FROM pg_stat_activity WHERE application_name = 'one of ${schema}'`);
    expect(its).toEqual([]);
  });

  test('is a matter of this process alone without hints', async () => {
    expect(openAt({ url: await sharedServer(), schema: freshSchema(), hints: false }).live).toBeUndefined();
  });
});

describe('a relay', () => {
  const openAlone = () => {
    const sent: { text: string; to: string | undefined }[] = [];
    const relay = openRelay({ self: 'me', send: (text, to) => void sent.push({ text, to }), want() {}, leave() {} });
    onTestFinished(() => relay.stop());
    return { relay, sent };
  };

  test('takes nothing that comes behind what was said later', () => {
    const { relay } = openAlone();
    const heard = vi.fn<(event?: LiveEvent) => void>();
    relay.listen('r', heard);
    const say = (number: number) =>
      relay.take(
        JSON.stringify({
          by: anybody,
          number,
          live: pack([streamed('r', number, 'x')]).flatMap((text) => JSON.parse(text)),
        }),
      );
    for (const number of [1, 3, 2, 3, 4]) say(number);
    expect(heard.mock.calls.map(([event]) => event?.part)).toEqual([1, 3, 4]);
  });

  test('says together what it follows, however many trees that are', () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const { relay, sent } = openAlone();
    for (let n = 0; n < 50; n++) {
      const leave = relay.listen(`tree ${n}`, () => {});
      vi.advanceTimersByTime(20);
      if (n % 2 === 1) leave();
    }
    vi.advanceTimersByTime(6_000);
    expect(sent.length).toBeLessThan(8);
    const { follows } = JSON.parse(sent.at(-1)?.text ?? '') as { follows: string[] };
    expect(follows).toHaveLength(25);
  });

  test('forgets who says no more what it follows', () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const { relay, sent } = openAlone();
    relay.take(JSON.stringify({ by: anybody, follows: ['r'] }));
    relay.stored('r');
    vi.advanceTimersByTime(100);
    expect(sent.map(({ to }) => to)).toEqual([anybody]);
    vi.advanceTimersByTime(20_000);
    relay.stored('r');
    relay.tell(streamed('r', 1, 'x'));
    vi.advanceTimersByTime(100);
    expect(sent).toHaveLength(1);
  });
});
