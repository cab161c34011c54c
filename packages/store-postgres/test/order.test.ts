import { createRuntime, defineAgent } from '@troupe/core';
import { isLive, type ReadEvent } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { listOf } from '../../../test/support/list-of.ts';
import { stepOf } from '../../../test/support/steps.ts';
import { sharedServer } from '../../../test/tools/postgres/server.ts';
import type { PostgresStore } from '../src/index.ts';
import { openSession } from './psql.ts';
import { openAt, openFresh, patience, schemaOf } from './schemas.ts';

const read = (store: PostgresStore, after?: string): Promise<ReadEvent[]> =>
  listOf(store.events(after === undefined ? {} : { after }));
const runsOf = (events: readonly ReadEvent[]) => events.map(({ runId }) => runId);

/** Writes a tree in a transaction that is left open, as a process does that is slow to commit. */
const openTransaction = async (schema: string, runId: string) => {
  const session = await openSession(schema);
  const step = stepOf({ runId });
  const task = {
    type: 'commit',
    rootId: runId,
    said: 1,
    steps: [
      { nth: 0, runId, rootId: runId, owner: 'slow', epoch: 1, seq: 0, status: 'running', ended: false, data: 1 },
    ].map((each) => ({ ...each, events: [['warning.raised', 1]] })),
  };
  await session('BEGIN');
  await session('SELECT @.write($1, 1, $2, $3, $4, NULL)', [
    `store of ${runId}`,
    JSON.stringify([task]),
    [JSON.stringify(step.events[0])],
    [runId],
  ]);
  return session;
};

const open = async () => {
  const store = await openFresh({ pollMs: 20 });
  await store.commit([stepOf({ runId: 'before' })]);
  return { store, schema: schemaOf(store) };
};

describe('a reader over all trees', { timeout: 30_000 }, () => {
  test('is told of what was begun first and committed last, and in the order of numbers', async () => {
    const { store, schema } = await open();
    // given a transaction that has its number and is not committed
    const slow = await openTransaction(schema, 'slow');
    // when another tree is written and read meanwhile
    await store.commit([stepOf({ runId: 'quick' })]);
    const first = await read(store);
    expect(runsOf(first)).toEqual(['before']);
    // but whoever reads that tree or run sees it at once, and stands before all that may still come
    const tree = await listOf(store.events({ rootId: 'quick' }));
    expect(runsOf(tree)).toEqual(['quick']);
    const cursor = tree[0]?.cursor;
    // then nothing is left out once it is committed
    await slow('COMMIT');
    const rest = await read(store, first.at(-1)?.cursor);
    expect(runsOf(rest)).toEqual(['slow', 'quick']);
    expect(runsOf(await read(store, cursor))).toEqual(['slow', 'quick']);
    expect(await read(store, rest.at(-1)?.cursor)).toEqual([]);
    await store.close();
  });

  test('misses nothing of a tree that two processes write while a third is slow to commit [F-17, L6]', async () => {
    const { store, schema } = await open();
    const elsewhere = openAt({ url: await sharedServer(), schema });
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const provider = scriptedProvider(async () => {
      asked.resolve();
      await answer.promise;
      return 'Done.';
    });
    const runtime = createRuntime({ provider, model: 'scripted', store });
    const told: string[] = [];
    const following = runtime.events().subscribe((event) => void (isLive(event) || told.push(event.id)));
    const run = runtime.start(defineAgent({ name: 'a', instructions: 'Work.' }), 'Go.', { runId: 'r' });
    await asked.promise;
    const before = (await listOf(store.events({ rootId: 'r' }))).length;
    // given a write of another tree that is not through, and one of this tree elsewhere
    const slow = await openTransaction(schema, 'slow');
    await elsewhere.commit([stepOf({ runId: 'r/9-0/0', rootId: 'r' })]);
    // when this process writes the tree, too, and tells that
    answer.resolve();
    await run.report;
    const all = (await listOf(store.events({ rootId: 'r' }))).map(({ id }) => id);
    expect(all[before]).toBe('r/9-0/0:1');
    // then all of it is told at once, in its order, and the other one when it is there
    await expect.poll(() => told.at(-1), patience).toBe(all.at(-1));
    await slow('COMMIT');
    expect(told.filter((id) => id.startsWith('r'))).toEqual(all);
    await expect.poll(() => told, patience).toContain('slow:1');
    following.unsubscribe();
    await runtime.close();
    await elsewhere.close();
    await store.close();
  });

  test('goes on behind a transaction that comes to nothing', async () => {
    const { store, schema } = await open();
    const slow = await openTransaction(schema, 'slow');
    await store.commit([stepOf({ runId: 'quick' })]);
    expect(runsOf(await read(store))).toEqual(['before']);
    await slow('ROLLBACK');
    expect(runsOf(await read(store))).toEqual(['before', 'quick']);
    await store.close();
  });

  test('hears of it when whoever it waited for has committed, or has given up', async () => {
    for (const end of ['COMMIT', 'ROLLBACK']) {
      const { store, schema } = await open();
      const slow = await openTransaction(schema, 'slow');
      await store.commit([stepOf({ runId: 'quick' })]);
      let heard = 0;
      const stop = store.changes(() => {
        heard += 1;
      });
      await expect.poll(() => heard, patience).toBeGreaterThan(0);
      const before = heard;
      await slow(end);
      await expect.poll(() => heard, patience).toBeGreaterThan(before);
      stop();
      await store.close();
    }
  });

  test('waits for nothing that other programs do, however long it takes', async () => {
    const { store, schema } = await open();
    // given a transaction of another program, which has a number, and one that takes locks as we do, elsewhere
    const other = await openSession(schema);
    await other('BEGIN');
    await other('SELECT pg_current_xact_id()');
    const strange = await openSession(schema);
    await strange('BEGIN');
    await strange('SELECT pg_advisory_xact_lock(1, 1), pg_advisory_xact_lock(1)');
    await strange('SELECT pg_current_xact_id()');
    // when a tree is written
    await store.commit([stepOf({ runId: 'quick' })]);
    // then it is told at once
    expect(runsOf(await read(store))).toEqual(['before', 'quick']);
    await store.close();
  });

  test('of another schema waits for nothing that is written in this one', async () => {
    const { store, schema } = await open();
    const elsewhere = await open();
    await openTransaction(schema, 'slow');
    await elsewhere.store.commit([stepOf({ runId: 'quick' })]);
    expect(runsOf(await read(elsewhere.store))).toEqual(['before', 'quick']);
    await elsewhere.store.close();
    await store.close();
  });

  test('sees each event once while eight stores write many trees as fast as they can', async () => {
    const { store, schema } = await open();
    const url = await sharedServer();
    const writers = Array.from({ length: 8 }, () => openAt({ url, schema }));
    let isOver = false;
    const follow = (async () => {
      const seen: ReadEvent[] = [];
      for (;;) {
        const last = isOver;
        seen.push(...(await read(store, seen.at(-1)?.cursor)));
        if (last) return seen;
      }
    })();
    await Promise.all(
      writers.map(async (writer, w) => {
        for (let seq = 0; seq < 25; seq++)
          await Promise.all(
            // One tree that all write, and two of its own.
            [`tree/1-${w}/0`, `a${w}`, `b${w}`].map((runId) =>
              writer.commit([stepOf({ runId, rootId: runId.replace(/\/.*/, ''), owner: `o${w}`, expectedSeq: seq })]),
            ),
          );
      }),
    );
    isOver = true;
    const seen = await follow;
    expect(seen).toHaveLength(1 + 8 * 3 * 25);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length);
    // and of each tree in its order
    for (const events of Map.groupBy(seen, ({ rootId }) => rootId).values())
      expect(events.map(({ rootSeq }) => rootSeq)).toEqual(events.map((_, i) => i + 1));
    expect(await read(store)).toEqual(seen);
    for (const writer of writers) await writer.close();
    await store.close();
  });

  test('goes on where it stood when everything was brought to a server that counts from lower numbers', async () => {
    const { store, schema } = await open();
    const session = await openSession(schema);
    const before = await read(store);
    // given what looks as if it had been written by transactions that are far ahead
    await session('UPDATE @.events SET tx = tx + 1000000000');
    await store.close();
    const again = openAt({ url: await sharedServer(), schema });
    const moved = await read(again);
    expect(runsOf(moved)).toEqual(runsOf(before));
    await again.commit([stepOf({ runId: 'after' })]);
    expect(runsOf(await read(again, moved.at(-1)?.cursor))).toEqual(['after']);
    await again.close();
  });
});

test('refuses a cursor that it did not give', async () => {
  const { store } = await open();
  for (const after of ['7', 'x.y', '1.2.3', '-1.0', '99999999999999999999.1', ''])
    await expect(read(store, after)).rejects.toMatchObject({ code: 'store.cursor' });
  await store.close();
});
