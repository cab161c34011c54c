import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryStore } from '@troupe/core';
import { type PostgresStore, postgresStore } from '@troupe/store-postgres';
import { sqliteStore } from '@troupe/store-sqlite';
import { exploreCrashes } from '@troupe/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sharedServer } from '../../../../test/tools/postgres/server.ts';
import type { AnyStore } from './program.ts';
import { programOf, type Scene, scenes } from './scenes.ts';

const explore = (scene: Scene, openStore: () => AnyStore | Promise<AnyStore>) => {
  const { person, essence, verify } = scene;
  return exploreCrashes<AnyStore, ReturnType<typeof programOf>>({
    openStore,
    program: (life) => programOf(life, scene),
    start: (runtime) => runtime.start(),
    ...(person && { person }),
    ...(essence && { essence }),
    ...(verify && { verify }),
  });
};

describe('[L7, F-13] killed after any of its commits and recovered, a run comes to the same end', () => {
  test.each(Object.entries(scenes))('%s', async (_name, scene) => {
    const { crashes, commits } = await explore(scene, memoryStore);
    expect(crashes).toBe(2 * commits);
    expect(commits).toBeGreaterThan(1);
  });
});

describe('[L7, F-13] and on a file that a thread of its own writes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-crashes-'));
  const store = sqliteStore({ path: join(folder, 'runs.db'), durability: 'normal' });
  afterAll(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(Object.entries(scenes))('%s', { timeout: 60_000 }, async (_name, scene) => {
    const empty = async () => {
      await store.prune({ olderThan: Number.MAX_SAFE_INTEGER, keep: 0 });
      await store.reset('here');
      expect(store.list()).toEqual([]);
      return store;
    };
    const { crashes, commits } = await explore(scene, empty);
    expect(crashes).toBe(2 * commits);
  });
});

describe('[L7, F-13] and on a server, where no answer comes at once', () => {
  let store: PostgresStore;
  beforeAll(async () => {
    store = postgresStore({ url: await sharedServer(), schema: 'crashes' });
  });
  afterAll(() => store.close());

  // All of them with `SCENES=all`.
  const some = ['with children', 'whose tool starts children itself', 'whose children ask a person'];
  const chosen = Object.entries(scenes).filter(([name]) => process.env.SCENES === 'all' || some.includes(name));

  test.each(chosen)('%s', { timeout: 60_000 }, async (_name, scene) => {
    const empty = async () => {
      await store.prune({ olderThan: Number.MAX_SAFE_INTEGER, keep: 0 });
      await store.reset('here');
      expect(await store.list()).toEqual([]);
      return store;
    };
    const { crashes, commits } = await explore(scene, empty);
    expect(crashes).toBe(2 * commits);
  });
});
