import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { stepOf } from '../../../test/support/steps.ts';
import { startChild } from './children.ts';
import { freshPath, openAt, pathOfStore } from './files.ts';

const hour = 3_600_000;
const lease = { leaseMs: hour };

describe('a second process', () => {
  test('is heard of when it has stored something, by whoever listens, and only then', async () => {
    const path = freshPath();
    const store = openAt({ path });
    let heard = 0;
    const changed = new Promise<void>((resolve) => {
      const stop = store.changes(() => {
        heard += 1;
        stop();
        resolve();
      });
    });
    const stopped = store.changes(() => {
      throw new Error('This one has left.');
    });
    stopped();
    expect(heard).toBe(0);
    const child = startChild(path, 'once');
    await changed;
    expect(heard).toBe(1);
    await child.ended;
    expect(store.get('once')).toBeDefined();
    await store.close();
    expect(() => store.changes(() => {})).toThrow(expect.objectContaining({ code: 'store.closed' }));
  });

  test('that listens and does nothing else lives on until it stops listening', async () => {
    const child = startChild(freshPath(), 'listen');
    await child.says(2);
    expect(await child.ended).toBe(0);
    expect(child.said).toEqual(['listening', 'heard']);
  });

  test('writes another run at the same time, and is refused one that is claimed', async () => {
    const path = freshPath();
    const child = startChild(path, 'hold');
    await child.says(1);
    const store = openAt({ path });
    expect(await store.claim('r', 'here', lease)).toBeNull();
    await expect(store.commit([stepOf({ runId: 'r', owner: 'here', expectedSeq: 1 })])).rejects.toMatchObject({
      code: 'store.fenced',
      runId: 'r',
      message: expect.stringContaining(`owner ${child.process.pid}`),
    });
    expect(await store.commit([stepOf({ runId: 's', owner: 'here' })])).toMatchObject([{ rootSeq: 1 }]);
    expect(store.get('r')).toMatchObject({ runId: 'r' });
    await store.close();
  });

  test('may write flat out beside this one', { timeout: 60_000 }, async () => {
    const path = freshPath();
    const store = openAt({ path });
    const child = startChild(path, 'write');
    await child.says(50);
    for (let seq = 0; seq < 200; seq++)
      await store.commit([stepOf({ runId: 'here', rootId: 'tree', expectedSeq: seq })]);
    await child.kill();
    const seqs: number[] = [];
    for await (const { rootSeq } of store.events({ rootId: 'tree' })) seqs.push(rootSeq);
    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
    expect(seqs.length).toBeGreaterThan(250);
    await store.close();
  });

  test('may open a new file at the same moment', { timeout: 60_000 }, async () => {
    const path = freshPath();
    const children = Array.from({ length: 4 }, () => startChild(path, 'close'));
    expect(await Promise.all(children.map(({ ended }) => ended))).toEqual([0, 0, 0, 0]);
    const store = openAt({ path });
    expect(store.list({ limit: 1_000 })).toHaveLength(200);
    await store.close();
  });

  test('leaves runs that can be claimed at once when it is killed', async () => {
    const path = freshPath();
    const child = startChild(path, 'hold');
    await child.says(1);
    const store = openAt({ path });
    expect(await store.claim('r', 'here', lease)).toBeNull();
    await child.kill();
    const { epoch } = child.said[0] as { epoch: number };
    expect(await store.claim('r', 'here', lease)).toEqual({ epoch: epoch + 1 });
    await store.close();
  });
});

describe('an owner', () => {
  /** A run that is claimed for an hour by somebody who is changed like this then. */
  const heldBy = async (change: string) => {
    const path = freshPath();
    const clock = { now: 1_000 };
    const store = openAt({ path, now: () => clock.now });
    await store.claim('r', 'other', lease);
    const db = new DatabaseSync(path);
    db.exec(`UPDATE owners SET ${change}`);
    db.close();
    return { store, clock };
  };

  const isDead = async (change: string) => {
    const { store } = await heldBy(change);
    expect(await store.claim('r', 'here', lease)).not.toBeNull();
    await store.close();
  };

  test('is known to be dead when it has no process any more', () => isDead('pid = 2147483646'));

  // Only /proc says when a process was started.
  test.skipIf(process.platform !== 'linux').each([
    ['has another process under its id now', `started = 'long ago'`],
    ['was on this machine before it was started again', `started = '00000000-0000-0000-0000-000000000000 1'`],
  ])('is known to be dead when it %s', (_what, change) => isDead(change));

  test.each([
    ['is on another host, whatever its process', `host = 'elsewhere', pid = 2147483646`],
    ['is alive', 'pid = pid'],
    ['is alive, and it is not known since when', 'started = NULL'],
  ])('keeps its claims until its lease runs out when it %s', async (_what, change) => {
    const { store, clock } = await heldBy(change);
    expect(await store.claim('r', 'here', lease)).toBeNull();
    clock.now += hour;
    expect(await store.claim('r', 'here', lease)).not.toBeNull();
    await store.close();
  });

  test('is forgotten once it is dead, and what it claimed and never wrote when runs are forgotten', async () => {
    const { store } = await heldBy('pid = 2147483646');
    const again = openAt({ path: pathOfStore(store) });
    await again.renew('here', lease);
    const db = new DatabaseSync(pathOfStore(store), { readOnly: true });
    expect(db.prepare('SELECT owner FROM owners').all()).toEqual([{ owner: 'here' }]);
    await again.prune({ olderThan: 0, keep: 0 });
    expect(db.prepare('SELECT * FROM claims').all()).toEqual([]);
    db.close();
    await again.close();
    await store.close();
  });
});
