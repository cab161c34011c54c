import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { stepOf } from '../../../test/support/steps.ts';
import { startChild } from './children.ts';
import { freshPath, openAt, openFresh } from './files.ts';

const lease = { leaseMs: 3_600_000 };

describe('close', () => {
  test('waits until everything is written that was asked for, and leaves one file', async () => {
    const path = freshPath();
    const store = openAt({ path });
    const asked = Array.from({ length: 300 }, (_, n) => store.commit([stepOf({ runId: `r${n}` })]));
    const written = store.write('s', 'k', 'v');
    await store.close();
    expect((await Promise.all(asked)).flat()).toHaveLength(300);
    await written;
    expect(existsSync(path)).toBe(true);
    expect(existsSync(`${path}-wal`)).toBe(false);
    const again = openAt({ path });
    expect(again.list({ limit: 1_000 })).toHaveLength(300);
    expect(again.read('s', 'k')).toBe('v');
    await again.close();
  });

  test('may be asked for twice', async () => {
    const store = openFresh();
    expect(store.close()).toBe(store.close());
    await store.close();
  });

  test('gives back the claims that were made here, and no others', async () => {
    const path = freshPath();
    const [here, there] = [openAt({ path }), openAt({ path })];
    await here.claim('r', 'here', lease);
    await there.claim('s', 'there', lease);
    await here.close();
    expect(await there.claim('r', 'other', lease)).not.toBeNull();
    expect(await there.claim('s', 'other', lease)).toBeNull();
    await there.close();
  });

  test('refuses everything from then on', async () => {
    const store = openFresh();
    const events = store.events({ rootId: 'r' }) as AsyncIterable<unknown>;
    const closing = store.close();
    const refused = { code: 'store.closed', message: expect.stringContaining('Open it again') };
    for (const ask of [
      () => store.commit([stepOf({ runId: 'r' })]),
      () => store.claim('r', 'o', lease),
      () => store.renew('o', lease),
      () => store.release('o'),
      () => store.prune({ olderThan: 0, keep: 0 }),
      () => store.write('s', 'k', 1),
      () => store.reset('s'),
      () => events[Symbol.asyncIterator]().next(),
    ])
      await expect(ask()).rejects.toMatchObject(refused);
    for (const look of [
      () => store.get('r'),
      () => store.list(),
      () => store.checkpoint('r'),
      () => store.events({ runId: 'r' }),
      () => store.read('s', 'k'),
      () => store.search('s', 't'),
    ])
      expect(look).toThrow(expect.objectContaining(refused));
    await closing;
  });
});

describe('a process', () => {
  test('ends by itself while a store is open in which nothing is written', async () => {
    const child = startChild(freshPath(), 'nothing');
    expect(await child.ended).toBe(0);
    expect(child.said).toEqual(['opened']);
  });

  test('does not end before what it writes is stored, and ends then', async () => {
    const path = freshPath();
    const child = startChild(path, 'once');
    expect(await child.ended).toBe(0);
    expect(child.said).toEqual(['written']);
    const store = openAt({ path });
    expect(store.get('once')).toBeDefined();
    await store.close();
  });
});
