import pg from 'pg';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { listOf } from '../../../test/support/list-of.ts';
import { lastStepOf, stepOf } from '../../../test/support/steps.ts';
import { sharedServer } from '../../../test/tools/postgres/server.ts';
import { openSession } from './psql.ts';
import { freshSchema, openAt, openFresh, patience, schemaOf } from './schemas.ts';

const oneTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

/** A store on a pool of ours, and what goes over it. */
const counted = async () => {
  const pool = new pg.Pool({ connectionString: await sharedServer(), allowExitOnIdle: true });
  onTestFinished(() => pool.end());
  const asked = vi.spyOn(pool, 'query');
  const store = openAt({ pool, schema: freshSchema() });
  await store.get('r');
  asked.mockClear();
  return { store, pool, asked };
};

describe('writing', { timeout: 30_000 }, () => {
  test('forgets no tree that has ended since it was looked for: another process may have used its id again', async () => {
    const store = await openFresh();
    await store.commit([stepOf({ runId: 'daily' })]);
    await store.commit([lastStepOf({ runId: 'daily', expectedSeq: 1 }, 5)]);
    const schema = schemaOf(store);
    const ask = await openSession(schema);
    await ask(`SET search_path TO "${schema}"`);
    const forget = async (olderThan: number) =>
      (await ask('SELECT forget_tree($1, $2) AS gone', ['daily', olderThan]))[0];
    expect([await forget(5), await store.get('daily')]).toMatchObject([{ gone: false }, { endedAt: 5 }]);
    expect([await forget(6), await store.get('daily')]).toEqual([{ gone: true }, undefined]);
  });

  test('takes one round trip for a commit, and one for all that is asked for while it is under way', async () => {
    const { store, asked } = await counted();
    await store.commit([stepOf({ runId: 'a' }), stepOf({ runId: 'a/1-0/0', rootId: 'a' })]);
    expect(asked).toHaveBeenCalledTimes(1);
    asked.mockClear();
    const first = store.commit([stepOf({ runId: 'b' })]);
    await new Promise(setImmediate);
    expect(asked).toHaveBeenCalledTimes(1);
    const others = oneTo(50).map((n) => store.commit([stepOf({ runId: `r${n}` })]));
    await Promise.all([first, ...others, store.claim('s', 'o', { leaseMs: 1 }), store.write('s', 'k', 1)]);
    expect(asked).toHaveBeenCalledTimes(2);
    await store.close();
  });

  test('takes steps of a run that are handed over before those ahead of them are stored', async () => {
    const store = await openFresh();
    const stored = await Promise.all(
      oneTo(300).map((n) => store.commit([stepOf({ runId: 'r', expectedSeq: n - 1, checkpoint: { n } })])),
    );
    expect(stored.flat().map(({ rootSeq }) => rootSeq)).toEqual(oneTo(300));
    expect(await store.checkpoint('r')).toEqual({ n: 300 });
    await store.close();
  });

  test('refuses data that is none, sends nothing of it, and writes what was asked for beside it', async () => {
    const { store, asked } = await counted();
    const outcomes = await Promise.allSettled([
      store.commit([stepOf({ runId: 'a' })]),
      store.commit([stepOf({ runId: 'refused', checkpoint: { n: 1n } })]),
      store.commit([stepOf({ runId: 'c' })]),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(asked).toHaveBeenCalledTimes(1);
    expect(JSON.stringify(asked.mock.calls)).not.toContain('refused');
    expect(await store.get('refused')).toBeUndefined();
    expect(await store.commit([])).toEqual([]);
    await store.close();
  });

  test('writes beside it what the database itself refuses', async () => {
    const store = await openFresh();
    const end = { type: 'run.completed', text: 'done' };
    const outcomes = await Promise.allSettled([
      store.commit([stepOf({ runId: 'a' })]),
      store.commit([stepOf({ runId: 'b' }), stepOf({ runId: 'c', rootId: 'b', events: [end, end] })]),
      store.commit([stepOf({ runId: 'd' })]),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: { code: 'store.unavailable', retryable: false } });
    expect((await store.list()).map(({ runId }) => runId)).toEqual(['d', 'a']);
    await store.close();
  });

  test('writes a job once, and again where it is another', async () => {
    const store = await openFresh();
    const job = { input: 'long '.repeat(1_000) };
    const step = (expectedSeq: number, given = job) =>
      store.commit([stepOf({ runId: 'r', expectedSeq, row: { job: given } })]);
    await step(0);
    const session = await openSession(schemaOf(store));
    await session(`UPDATE @.jobs SET data = '{"input":"changed by hand"}'`);
    await step(1);
    expect(await store.get('r')).toMatchObject({ job: { input: 'changed by hand' } });
    await step(2, { input: 'other' });
    expect(await store.get('r')).toMatchObject({ job: { input: 'other' } });
    await store.close();
  });

  test('keeps nothing of a run that has ended but its row, its job and its events', async () => {
    const store = await openFresh();
    await store.commit([stepOf({ runId: 'r', checkpoint: { n: 1 } })]);
    await store.commit([lastStepOf({ runId: 'r', expectedSeq: 1, checkpoint: { n: 2 } })]);
    const session = await openSession(schemaOf(store));
    expect(await session('SELECT * FROM @.checkpoints')).toEqual([]);
    expect(await session('SELECT run_id, status, ended, seq FROM @.runs')).toEqual([
      { run_id: 'r', status: 'completed', ended: true, seq: '2' },
    ]);
    await store.close();
  });

  test('gives back what it was given, by the letter and with its keys in their order', async () => {
    const store = await openFresh();
    const odd = { type: 'warning.raised', code: 'said', message: '', b: 1, a: { z: 1e-7, y: -0.5, 10: 1, 9: 2 } };
    await store.commit([stepOf({ runId: 'r', events: [odd] })]);
    const [read] = await listOf(store.events({ runId: 'r' }));
    const [event] = stepOf({ runId: 'r', events: [odd] }).events;
    expect(JSON.stringify(read)).toContain(JSON.stringify(event).slice(0, -1));
    await store.close();
  });

  test('takes any text for an id, also what PostgreSQL has no letter for', async () => {
    const store = await openFresh();
    for (const id of ['zero \u0000', 'half \ud800', 'half \udbff', 'back\\slash', '\\u0000', '"', "'; --"]) {
      const step = stepOf({
        runId: id,
        owner: id,
        row: { agent: id, quota: id, sessionKey: id, after: null },
        mail: [{ id, runId: id, sessionKey: id, at: 1, message: { type: 'said' } }],
      });
      expect((await store.claim(id, id, { leaseMs: 1_000 }))?.epoch).toBe(1);
      await store.commit([step]);
      expect(await store.holder(id)).toBe(id);
      expect(await store.get(id)).toEqual(step.row);
      expect((await store.list({ sentTo: id })).map(({ runId }) => runId)).toEqual([id]);
      expect(await store.quotas([id])).toEqual([{ key: id, completed: 0, holders: [id] }]);
      expect(await store.sessionInbox(id)).toEqual(step.mail);
      await expect(store.commit([{ ...step, owner: 'other' }])).rejects.toMatchObject({
        code: 'store.fenced',
        message: expect.stringContaining(id),
      });
      await store.write(id, id, id);
      expect(await store.read(id, id)).toBe(id);
      expect(await store.search(id, id)).toEqual([{ scope: id, key: id, value: id }]);
      await store.reset(id, id);
      expect(await store.read(id, id)).toBeUndefined();
    }
    await store.close();
  });

  test('is flushed, also where the server would not', async () => {
    const { store, pool } = await counted();
    const session = await openSession(schemaOf(store));
    await session(`CREATE TABLE @.seen (setting text);
      CREATE FUNCTION @.look() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO @.seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
      CREATE TRIGGER look AFTER INSERT ON @.events EXECUTE FUNCTION @.look()`);
    for (const [n, setting] of ['off', 'local', 'on'].entries()) {
      pool.options.options = `-c synchronous_commit=${setting}`;
      await Promise.all(oneTo(pool.totalCount).map(async () => (await pool.connect()).release(true)));
      await store.commit([stepOf({ runId: `r${n}` })]);
    }
    expect(await session('SELECT setting FROM @.seen')).toEqual([
      { setting: 'on' },
      { setting: 'local' },
      { setting: 'on' },
    ]);
    await store.close();
  });

  test('lets other writes through while much is forgotten', { timeout: 60_000 }, async () => {
    const store = await openFresh();
    for (const tree of oneTo(20))
      await store.commit(
        oneTo(250)
          .map((n) => stepOf({ runId: `r${tree}`, expectedSeq: n - 1 }))
          .concat(lastStepOf({ runId: `r${tree}`, expectedSeq: 250 }, tree)),
      );
    const order: string[] = [];
    const pruned = store.prune({ olderThan: 20, keep: 1 }).then((n) => order.push(`pruned ${n}`));
    await store.commit([stepOf({ runId: 's' })]);
    order.push('written');
    await pruned;
    expect(order).toEqual(['written', 'pruned 19']);
    const session = await openSession(schemaOf(store));
    expect(await session('SELECT count(*) AS n FROM @.events')).toEqual([{ n: '252' }]);
    await store.close();
  });
});

describe('two stores at once', { timeout: 30_000 }, () => {
  test('find the way out where each waits for the other', { timeout: 20_000 }, async () => {
    const store = await openFresh();
    await store.claim('r', 'o', { leaseMs: 60_000 });
    const mail = (id: string) => ({ id, runId: 'r', at: 1, message: { type: 'said' } });
    // given another writer that has posted what this one posts second
    const other = await openSession(schemaOf(store));
    const post = `INSERT INTO @.mail (mail_id, run_id, at, message) VALUES ($1, 'r', 1, '{"type":"said"}') ON CONFLICT DO NOTHING`;
    await other(`SET deadlock_timeout = '5s'`);
    await other('BEGIN');
    await other(post, ['b']);
    const posted = Promise.all([store.post(mail('a')), store.post(mail('b')), store.post(mail('c'))]);
    const session = await openSession(schemaOf(store));
    const waiting = `SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%.write(%'`;
    await expect.poll(async () => (await session(waiting, [schemaOf(store)]))[0]?.n, patience).toBe('1');
    // when that one posts what this one has posted first
    const asked = other(post, ['a']);
    // then the database gives one of them up: the store, which asks again, unless it was too slow to be found out first
    await asked.then(
      () => other('COMMIT'),
      () => other('ROLLBACK'),
    );
    await posted;
    expect((await store.inbox('o')).map(({ id }) => id).toSorted()).toEqual(['a', 'b', 'c']);
    await store.close();
  });

  /** A transaction that has changed something and is not committed, and how to wait until a store waits for it. */
  const holding = async (schema: string, sql: string) => {
    const other = await openSession(schema);
    await other('BEGIN');
    await other(sql);
    const session = await openSession(schema);
    const waiting = `SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%"${schema}".write(%'`;
    const isWaitedFor = (by = '1') => expect.poll(async () => (await session(waiting))[0]?.n, patience).toBe(by);
    return { isWaitedFor, commit: () => other('COMMIT') };
  };

  test('wait for a claim that is being made, and do not write what it has taken away', async () => {
    const store = await openFresh();
    await store.commit([stepOf({ runId: 'r', owner: 'one' })]);
    const claim = await holding(schemaOf(store), `UPDATE @.claims SET owner = 'two', epoch = 2 WHERE run_id = 'r'`);
    const late = store.commit([stepOf({ runId: 'r', owner: 'one', expectedSeq: 1 })]).catch((error: unknown) => error);
    await claim.isWaitedFor();
    await claim.commit();
    expect(await late).toMatchObject({ code: 'store.fenced', runId: 'r' });
    expect(await listOf(store.events({ runId: 'r' }))).toHaveLength(1);
    await store.close();
  });

  test('wait for a claim of a run that is not there yet, and do not begin it in its place', async () => {
    const store = await openFresh();
    await store.get('r');
    const claim = await holding(schemaOf(store), `INSERT INTO @.claims (run_id, owner, epoch) VALUES ('r', 'two', 1)`);
    const beside = store.post({ id: 'm', runId: 'r', at: 1, message: { type: 'said' } });
    const late = store.commit([stepOf({ runId: 'r', owner: 'one' })]).catch((error: unknown) => error);
    await claim.isWaitedFor();
    await claim.commit();
    expect(await late).toMatchObject({ code: 'store.fenced', runId: 'r' });
    await beside;
    expect(await store.get('r')).toBeUndefined();
    await store.close();
  });

  test('do once what was sent again while the first was still waiting for somebody', async () => {
    const url = await sharedServer();
    const store = openAt({ url, schema: freshSchema(), timeoutMs: 4_000 });
    expect(await store.claim('r', 'one', { leaseMs: 60_000 })).toEqual({ epoch: 1 });
    const other = await holding(schemaOf(store), `SELECT 1 FROM @.claims WHERE run_id = 'r' FOR UPDATE`);
    const claimed = store.claim('r', 'one', { leaseMs: 60_000 });
    await other.isWaitedFor('2');
    await other.commit();
    expect(await claimed).toEqual({ epoch: 2 });
    expect(await store.claim('r', 'one', { leaseMs: 60_000 })).toEqual({ epoch: 3 });
    await store.close();
  });

  test('that write the first step of the same run, or claim it, leave it to one of them', async () => {
    const one = await openFresh();
    const other = openAt({ url: await sharedServer(), schema: schemaOf(one) });
    await Promise.all([one.get('r'), other.get('r')]);
    for (const n of oneTo(40)) {
      const runId = `r${n}`;
      const step = stepOf({ runId, owner: 'one' });
      const rival =
        n % 2 === 0
          ? other.claim(runId, 'two', { leaseMs: 60_000 }).then((claim) => claim !== null)
          : other.commit([stepOf({ runId, owner: 'two' })]).then(
              () => true,
              () => false,
            );
      const [written, rivals] = await Promise.allSettled([one.commit([step]), rival]);
      const isRivals = rivals.status === 'fulfilled' && rivals.value;
      // Who claimed after it was written has it now; who wrote first keeps it from another writer.
      const [event] = await listOf(one.events({ runId }));
      if (written.status === 'rejected') expect(written.reason).toMatchObject({ code: 'store.fenced' });
      expect(isRivals || written.status === 'fulfilled').toBe(true);
      if (n % 2 === 1) expect(isRivals).toBe(written.status === 'rejected');
      if (n % 2 === 0) expect(event === undefined).toBe(written.status === 'rejected');
    }
    await other.close();
    await one.close();
  });
});
