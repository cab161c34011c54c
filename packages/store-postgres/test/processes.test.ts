import { describe, expect, test } from 'vitest';
import { listOf } from '../../../test/support/list-of.ts';
import { stepOf } from '../../../test/support/steps.ts';
import { sharedServer } from '../../../test/tools/postgres/server.ts';
import { startChild } from './children.ts';
import { freshSchema, openAt, openFresh, patience, schemaOf } from './schemas.ts';

const open = async (schema: string) => openAt({ url: await sharedServer(), schema, pollMs: 20 });
const lease = { leaseMs: 3_600_000 };

describe('a second process', { timeout: 30_000 }, () => {
  test('is heard of when it has stored something, by whoever listens', async () => {
    const store = await openFresh({ pollMs: 20 });
    let wasWritten = false;
    const changed = new Promise<void>((resolve) => {
      const stop = store.changes(() => {
        if (!wasWritten) return;
        stop();
        resolve();
      });
    });
    const stopped = store.changes(() => {
      throw new Error('This one has left.');
    });
    stopped();
    const child = await startChild(schemaOf(store), 'once');
    await child.says(1);
    wasWritten = true;
    const other = await open(schemaOf(store));
    await other.post({ id: 'm', runId: 'r', at: 1, message: { type: 'steer' } });
    await changed;
    expect(await store.get('once')).toBeDefined();
    await other.close();
    await store.close();
    expect(() => store.changes(() => {})).toThrow(expect.objectContaining({ code: 'store.closed' }));
  });

  test('is not heard of while nobody writes, nor is what this one writes', async () => {
    const store = await openFresh({ pollMs: 10 });
    await store.get('r');
    let heard = 0;
    let looks = 0;
    store.changes(() => {
      heard += 1;
    });
    await expect.poll(() => heard, patience).toBe(1);
    await store.commit([stepOf({ runId: 'r' })]);
    // Whoever listens to another store of this schema has been told many times since.
    const other = await open(schemaOf(store));
    other.changes(() => {
      looks += 1;
    });
    await expect.poll(() => looks, patience).toBe(1);
    await store.commit([stepOf({ runId: 'r', expectedSeq: 1 })]);
    await expect.poll(() => looks, patience).toBe(2);
    expect(heard).toBe(1);
    await other.close();
    await store.close();
  });

  test('writes another run at the same time, and is refused one that is claimed', async () => {
    const schema = freshSchema();
    const child = await startChild(schema, 'hours');
    await child.says(1);
    const store = await open(schema);
    expect(await store.claim('long', 'here', lease)).toBeNull();
    await expect(store.commit([stepOf({ runId: 'long', owner: 'here' })])).rejects.toMatchObject({
      code: 'store.fenced',
      runId: 'long',
      message: expect.stringContaining(`owner ${child.process.pid}`),
    });
    expect(await store.commit([stepOf({ runId: 's', owner: 'here' })])).toMatchObject([{ rootSeq: 1 }]);
    // killed or not: nobody here knows of processes elsewhere, and its lease is long
    await child.kill();
    expect(await store.claim('long', 'here', lease)).toBeNull();
    await store.close();
  });

  test('leaves runs that can be claimed when its lease has run out, not before', async () => {
    const schema = freshSchema();
    const child = await startChild(schema, 'hold');
    await child.says(1);
    const store = await open(schema);
    // while it renews
    for (const until = performance.now() + 800; performance.now() < until; )
      expect(await store.claim('r', 'here', lease)).toBeNull();
    await child.kill();
    const { epoch } = child.said[0] as { epoch: number };
    await expect.poll(() => store.claim('r', 'here', lease), patience).toEqual({ epoch: epoch + 1 });
    await store.close();
  });

  test('that is killed while it writes loses nothing that was acknowledged, again and again', {
    timeout: 60_000,
  }, async () => {
    const schema = freshSchema();
    const last = new Map<string, number>();
    let stored = 0;
    for (const lines of [1, 40, 200]) {
      const child = await startChild(schema, 'write');
      await child.says(lines);
      await child.kill();
      for (const { runId, seq } of child.said as { runId: string; seq: number }[]) last.set(runId, seq);
      const store = await open(schema);
      for (const [runId, seq] of last) {
        const seqs = (await listOf(store.events({ runId }))).map((event) => event.seq);
        expect(seqs.length).toBeGreaterThanOrEqual(seq);
        expect(seqs).toEqual(seqs.map((_, i) => i + 1));
        expect(await store.checkpoint(runId)).toEqual({ seq: seqs.length });
      }
      const tree = await listOf(store.events({ rootId: 'tree' }));
      expect(tree.map(({ rootSeq }) => rootSeq)).toEqual(tree.map((_, i) => i + 1));
      expect(tree.length).toBeGreaterThanOrEqual(stored + child.said.length);
      stored = tree.length;
      await store.close();
    }
  });
});

describe('a process', { timeout: 30_000 }, () => {
  test.each([
    ['in which nothing is asked', 'nothing', ['opened']],
    ['that somebody has read', 'open', ['open']],
    ['to which somebody listens who keeps nothing alive', 'linger', ['lingering']],
  ])('ends by itself while a store is open %s', async (_what, mode, said) => {
    const child = await startChild(freshSchema(), mode);
    expect(await child.ended, child.errors.join('')).toBe(0);
    expect(child.said).toEqual(said);
  });

  test('does not end before what it writes is stored, and ends then', async () => {
    const schema = freshSchema();
    const child = await startChild(schema, 'once');
    expect(await child.ended).toBe(0);
    expect(child.said).toEqual(['written']);
    const store = await open(schema);
    expect(await store.get('once')).toBeDefined();
    await store.close();
  });

  test('that listens and does nothing else lives on until it stops listening', async () => {
    const child = await startChild(freshSchema(), 'listen');
    await child.says(2);
    expect(await child.ended).toBe(0);
    expect(child.said).toEqual(['listening', 'heard']);
  });
});
