import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { lastStepOf, stepOf } from '../../../test/support/steps.ts';
import { ownIdentity } from '../src/writer/process-identity.ts';
import { openQueue } from '../src/writer/queue.ts';
import { freshPath, openAt, openFresh, pathOfStore } from './files.ts';

const oneTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

/** What a query finds in the file of a store. */
const rows = (store: ReturnType<typeof openFresh>, sql: string): Record<string, unknown>[] => {
  const db = new DatabaseSync(pathOfStore(store), { readOnly: true });
  const found = db.prepare(sql).all();
  db.close();
  return found;
};

describe('writing', () => {
  test('takes steps of a run that are handed over before those ahead of them are stored', async () => {
    const store = openFresh();
    const stored = await Promise.all(
      oneTo(300).map((n) => store.commit([stepOf({ runId: 'r', expectedSeq: n - 1, checkpoint: { n } })])),
    );
    expect(stored.flat().map(({ rootSeq }) => rootSeq)).toEqual(oneTo(300));
    expect(store.checkpoint('r')).toEqual({ n: 300 });
    await store.close();
  });

  test('gives events their cursor at once, the one that readers get', async () => {
    const store = openFresh();
    const stored = (
      await Promise.all(oneTo(10).map((n) => store.commit([stepOf({ runId: `r${n}` }), stepOf({ runId: `s${n}` })])))
    ).flat();
    const read: unknown[] = [];
    for await (const event of store.events({})) read.push(event);
    expect(read).toEqual(stored);
    await store.close();
  });

  test('forgets no tree that has ended since it was looked for: another process may have used its id again', async () => {
    const store = openFresh();
    await store.commit([stepOf({ runId: 'daily' })]);
    await store.commit([lastStepOf({ runId: 'daily', expectedSeq: 1 }, 5)]);
    const path = pathOfStore(store);
    const queue = openQueue({
      path,
      file: null,
      durability: 'normal',
      maxBytes: undefined,
      self: ownIdentity(),
      now: 0,
    });
    const forget = (olderThan: number) =>
      queue.ask({ type: 'forgetTrees', rootIds: ['daily', 'never was'], olderThan });
    expect([await forget(5), store.get('daily')]).toMatchObject([0, { endedAt: 5 }]);
    expect([await forget(6), store.get('daily')]).toEqual([1, undefined]);
    await queue.close();
    await store.close();
  });

  test('refuses data that is none, and writes what was asked for beside it', async () => {
    const store = openFresh();
    const outcomes = await Promise.allSettled([
      store.commit([stepOf({ runId: 'a' })]),
      store.commit([stepOf({ runId: 'b', checkpoint: { n: 1n } })]),
      store.commit([stepOf({ runId: 'c' })]),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(store.get('b')).toBeUndefined();
    expect(await store.commit([])).toEqual([]);
    await store.close();
  });

  test.each(['full', 'normal'] as const)('writes beside it what SQLite itself refuses (%s)', async (durability) => {
    const store = openFresh({ durability });
    const end = { type: 'run.completed', text: 'done' };
    const outcomes = await Promise.allSettled([
      store.commit([stepOf({ runId: 'a' })]),
      store.commit([stepOf({ runId: 'b' }), stepOf({ runId: 'c', events: [end, end] })]),
      store.commit([stepOf({ runId: 'd' })]),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: { code: 'store.unavailable', retryable: false } });
    expect((store.list() as { runId: string }[]).map(({ runId }) => runId)).toEqual(['d', 'a']);
    await store.close();
  });

  test('writes a job once, and again where it is another', async () => {
    const store = openFresh();
    const job = { input: 'long '.repeat(1_000) };
    const step = (expectedSeq: number, given = job) =>
      store.commit([stepOf({ runId: 'r', expectedSeq, row: { job: given } })]);
    await step(0);
    const db = new DatabaseSync(pathOfStore(store));
    db.exec(`UPDATE jobs SET data = '{"input":"changed by hand"}'`);
    db.close();
    await step(1);
    expect(store.get('r')).toMatchObject({ job: { input: 'changed by hand' } });
    await step(2, { input: 'other' });
    expect(store.get('r')).toMatchObject({ job: { input: 'other' } });
    await store.close();
  });

  test('keeps nothing of a run that has ended but its row, its job and its events', async () => {
    const store = openFresh();
    await store.commit([stepOf({ runId: 'r', checkpoint: { n: 1 } })]);
    await store.commit([lastStepOf({ runId: 'r', expectedSeq: 1, checkpoint: { n: 2 } })]);
    expect(rows(store, 'SELECT run_id, status, ended, seq, checkpoint FROM runs')).toEqual([
      { run_id: 'r', status: 'completed', ended: 1, seq: 2, checkpoint: null },
    ]);
    await store.close();
  });

  test('lets other writes through while much is forgotten, and gives the room back', { timeout: 60_000 }, async () => {
    const store = openFresh();
    const message = 'm'.repeat(500);
    for (const tree of oneTo(40))
      await store.commit(
        oneTo(250)
          .map((n) =>
            stepOf({
              runId: `r${tree}`,
              expectedSeq: n - 1,
              events: [{ type: 'warning.raised', code: 'said', message }],
            }),
          )
          .concat(lastStepOf({ runId: `r${tree}`, expectedSeq: 250 }, tree)),
      );
    const pages = () => Number(rows(store, 'PRAGMA page_count')[0]?.page_count);
    const before = pages();
    const order: string[] = [];
    const pruned = Promise.resolve(store.prune({ olderThan: 40, keep: 1 })).then((n) => order.push(`pruned ${n}`));
    await store.commit([stepOf({ runId: 's' })]);
    order.push('written');
    await pruned;
    expect(order).toEqual(['written', 'pruned 39']);
    expect(rows(store, 'SELECT count(*) AS n FROM events')).toEqual([{ n: 252 }]);
    expect(pages()).toBeLessThan(before / 2);
    await store.close();
  });
});

describe.each(['full', 'normal'] as const)('a full disk, with durability %s', (durability) => {
  test('refuses what does not fit, loses nothing, and takes the rest once there is room', {
    timeout: 60_000,
  }, async () => {
    // given a store that may grow to 400 KB, and a run that has ended
    const path = freshPath();
    const store = openAt({ path, durability, maxBytes: 400_000 });
    const message = 'x'.repeat(10_000);
    const fat = (runId: string, expectedSeq: number) =>
      stepOf({
        runId,
        expectedSeq,
        events: [{ type: 'warning.raised', code: 'said', message }],
        checkpoint: { expectedSeq },
      });
    for (let seq = 0; seq < 10; seq++) await store.commit([fat('old', seq)]);
    await store.commit([lastStepOf({ runId: 'old', expectedSeq: 10 })]);
    // when another is written until there is no room
    let written = 0;
    const full = await (async () => {
      for (; ; written++) await store.commit([fat('r', written)]);
    })().catch((error: unknown) => error);
    expect(full).toMatchObject({
      code: 'store.unavailable',
      retryable: true,
      message: expect.stringMatching(/could not be written: .*full.* Make room/),
    });
    // then everything before is there, and nothing of the refused step
    expect(written).toBeGreaterThan(5);
    expect([...(store.events({ runId: 'r' }) as Iterable<unknown>)]).toHaveLength(written);
    expect(store.checkpoint('r')).toEqual({ expectedSeq: written - 1 });
    // when room is made by forgetting, then the very step that was refused is taken
    expect(await store.prune({ olderThan: 2, keep: 0 })).toBe(1);
    expect(await store.commit([fat('r', written)])).toMatchObject([{ seq: written + 1 }]);
    await store.close();
    // and with more room, much more is
    const again = openAt({ path, durability });
    for (let seq = written + 1; seq < written + 50; seq++) await again.commit([fat('r', seq)]);
    await again.close();
  });

  test('takes what is small beside what is too large', async () => {
    const store = openFresh({ durability, maxBytes: 1_000_000 });
    const message = 'x'.repeat(2_000_000);
    const outcomes = await Promise.allSettled([
      store.commit([stepOf({ runId: 'a' })]),
      store.commit([stepOf({ runId: 'b', events: [{ type: 'warning.raised', code: 'said', message }] })]),
      store.claim('c', 'o', { leaseMs: 1 }),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    await store.close();
  });
});

describe.each(['full', 'normal'] as const)('a file that another program locks, with durability %s', (durability) => {
  const openLocked = async () => {
    const store = openFresh({ durability });
    await store.commit([stepOf({ runId: 'r' })]);
    const db = new DatabaseSync(pathOfStore(store));
    db.exec('BEGIN IMMEDIATE');
    const unlock = (): void => {
      db.exec('ROLLBACK');
      db.close();
    };
    return { store, unlock };
  };

  test('is waited for, and what was asked for meanwhile is written in order', async () => {
    const { store, unlock } = await openLocked();
    const asked = oneTo(3).map((n) => store.commit([stepOf({ runId: 'r', expectedSeq: n })]));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([...(store.events({ runId: 'r' }) as Iterable<unknown>)]).toHaveLength(1);
    unlock();
    expect((await Promise.all(asked)).flat().map(({ rootSeq }) => rootSeq)).toEqual([2, 3, 4]);
    await store.close();
  });

  test('refuses in the end what could not be written, and is written to again', { timeout: 60_000 }, async () => {
    const { store, unlock } = await openLocked();
    const outcomes = await Promise.allSettled([
      store.commit([stepOf({ runId: 'r', expectedSeq: 1 })]),
      store.renew('o', { leaseMs: 1 }),
    ]);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ reason: { code: 'store.unavailable', retryable: true } });
    unlock();
    expect(await store.commit([stepOf({ runId: 'r', expectedSeq: 1 })])).toMatchObject([{ rootSeq: 2 }]);
    await store.close();
  });
});

describe('a writer that dies', () => {
  test.each([
    ['fails', `throw new Error('out of memory');`, 'out of memory'],
    ['ends', 'process.exit(3);', 'exit code 3'],
  ])('and %s takes along what was asked for, and what is asked for later', async (_how, text, why) => {
    const program = `import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => { ${text} });`;
    const queue = openQueue(
      { path: freshPath(), file: null, durability: 'full', maxBytes: undefined, self: ownIdentity(), now: 0 },
      new URL(`data:text/javascript,${encodeURIComponent(program)}`),
    );
    const refused = { code: 'store.unavailable', message: expect.stringContaining(why) };
    const asked = [1, 2].map((n) => queue.ask({ type: 'release', runIds: null, owner: `o${n}` }));
    for (const each of asked) await expect(each).rejects.toMatchObject(refused);
    await expect(queue.ask({ type: 'release', runIds: null, owner: 'o' })).rejects.toMatchObject(refused);
    await queue.close();
  });
});
