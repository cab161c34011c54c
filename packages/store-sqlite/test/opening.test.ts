import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { FaultError } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { stepOf } from '../../../test/support/steps.ts';
import { sqliteStore } from '../src/index.ts';
import { startChild } from './children.ts';
import { damage, freshFolder, freshPath, openAt } from './files.ts';

const thrown = (open: () => unknown): unknown => {
  try {
    open();
  } catch (error) {
    return error;
  }
  throw new Error('Nothing was thrown.');
};

/** A file with this many events in one run. */
const written = async (events = 3): Promise<string> => {
  const path = freshPath();
  const store = openAt({ path });
  for (let seq = 0; seq < events; seq++) await store.commit([stepOf({ runId: 'r', expectedSeq: seq })]);
  await store.close();
  return path;
};

const run = (path: string, sql: string): void => {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
};

describe('opening', () => {
  test('makes a file as it should be', async () => {
    const path = freshPath();
    await openAt({ path }).close();
    const db = new DatabaseSync(path, { readOnly: true });
    const pragma = (name: string) => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    expect(pragma('journal_mode')).toBe('wal');
    expect(pragma('auto_vacuum')).toBe(2);
    expect(db.prepare(`SELECT value FROM meta WHERE name = 'schema'`).get()).toEqual({ value: 1 });
    db.close();
  });

  test('takes a path, relative ones from where the process stands', async () => {
    const path = freshPath();
    await sqliteStore(relative(process.cwd(), path)).close();
    expect(existsSync(path)).toBe(true);
  });

  test('takes an empty file for a new one', async () => {
    const path = freshPath();
    writeFileSync(path, '');
    const store = openAt({ path });
    expect(store.list()).toEqual([]);
    await store.close();
  });

  test.each(['', ':memory:'])('refuses the path "%s", which names no file', (path) => {
    expect(thrown(() => sqliteStore(path))).toMatchObject({ code: 'store.unavailable' });
  });

  test('refuses what cannot be a file, and says what to do', () => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'file'), 'text');
    for (const path of [folder, join(folder, 'missing', 'runs.db'), join(folder, 'file', 'runs.db')]) {
      expect(thrown(() => sqliteStore(path))).toMatchObject({
        code: 'store.unavailable',
        message: expect.stringMatching(/could not be opened: .*folder that exists/),
      });
    }
    expect(readdirSync(folder)).toEqual(['file']);
  });

  test('refuses a file that may not be written', async () => {
    const path = await written();
    chmodSync(path, 0o444);
    chmodSync(dirname(path), 0o755);
    // The superuser may write anything: another user tries.
    const child = startChild(path, 'nothing', { ...(process.getuid?.() === 0 && { uid: 65_534 }) });
    expect(await child.ended).toBe(1);
    expect(child.errors.join('')).toMatch(/store\.unavailable/);
    expect(child.errors.join('')).toContain('See that this process may write the file and its folder.');
  });

  test('leaves the database of another program alone', () => {
    const path = freshPath();
    run(path, 'CREATE TABLE runs (theirs)');
    const before = readFileSync(path);
    expect(thrown(() => sqliteStore(path))).toMatchObject({
      code: 'store.unavailable',
      message: expect.stringContaining('of another program'),
    });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('leaves the file of a newer version alone, and says both versions', async () => {
    const path = await written();
    run(path, `UPDATE meta SET value = 7 WHERE name = 'schema'`);
    expect(thrown(() => sqliteStore(path))).toMatchObject({
      code: 'store.newer',
      message: expect.stringMatching(/version 7; this version .* knows 1\. Update the package/),
      details: { found: 7, known: 1 },
    });
    run(path, `UPDATE meta SET value = 1 WHERE name = 'schema'`);
    const store = openAt({ path });
    expect(store.get('r')).toBeDefined();
    await store.close();
  });
});

describe('a damaged file', () => {
  const setAside = async (path: string) => {
    const error = thrown(() => sqliteStore({ path, now: () => 0 })) as Error;
    const aside = `${path}.corrupt-1970-01-01T00-00-00-000Z`;
    expect(error).toMatchObject({ code: 'store.corrupt', details: { path, aside } });
    expect(error.message).toContain(`set aside as "${aside}"`);
    expect(existsSync(path)).toBe(false);
    // then opening it again starts empty
    const store = openAt({ path });
    expect(store.list()).toEqual([]);
    await store.close();
    return aside;
  };

  test('is set aside when it is no database', async () => {
    const path = freshPath();
    writeFileSync(path, 'Dear diary, '.repeat(1_000));
    writeFileSync(`${path}-wal`, 'not a log');
    const aside = await setAside(path);
    expect(readFileSync(aside, 'utf8')).toMatch(/^Dear diary/);
  });

  test('is set aside when a part of it is overwritten', async () => {
    const path = await written(500);
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 3 * 4_096, 12 * 4_096);
    writeFileSync(path, bytes);
    const aside = await setAside(path);
    expect(readFileSync(aside).equals(bytes)).toBe(true);
  });

  test.each(['normal', 'full'] as const)(
    'is written no more by those who have it open once another has set it aside: %s',
    async (durability) => {
      const path = freshPath();
      const first = openAt({ path, durability });
      const text = 'x'.repeat(100_000);
      for (let n = 0; n < 60; n++) await first.commit([stepOf({ runId: `r${n}`, checkpoint: { text } })]);
      await first.close();
      const mine = openAt({ path, durability });
      await mine.commit([stepOf({ runId: 'mine' })]);
      damage(path);
      const { details } = thrown(() => sqliteStore(path)) as FaultError;
      // another begins anew under the name
      const theirs = openAt({ path, durability });
      await theirs.commit([stepOf({ runId: 'theirs' })]);
      const why = { code: 'store.unavailable', message: expect.stringMatching(/moved or deleted.*open it again/) };
      await expect(mine.commit([stepOf({ runId: 'mine', expectedSeq: 1 })])).rejects.toMatchObject(why);
      await expect(mine.claim('theirs', 'me', { leaseMs: 1 })).rejects.toMatchObject(why);
      await theirs.commit([stepOf({ runId: 'theirs', expectedSeq: 1 })]);
      expect(theirs.list().map(({ runId }) => runId)).toEqual(['theirs']);
      await Promise.all([mine.close(), theirs.close()]);
      expect(existsSync(String(details?.aside))).toBe(true);
    },
  );

  test.each(['normal', 'full'] as const)(
    'is not taken for another that gets its name at once: %s',
    async (durability) => {
      const path = await written();
      const store = openAt({ path, durability });
      for (const suffix of ['', '-wal', '-shm'])
        if (existsSync(path + suffix)) renameSync(path + suffix, `${path}.away${suffix}`);
      const other = openAt({ path, durability });
      await expect(store.commit([stepOf({ runId: 's' })])).rejects.toMatchObject({ code: 'store.unavailable' });
      expect(other.list()).toEqual([]);
      await Promise.all([store.close(), other.close()]);
    },
  );

  test('that is deleted, or moved, is written no more', async () => {
    const path = freshPath();
    const store = openAt({ path });
    await store.commit([stepOf({ runId: 'r' })]);
    renameSync(path, `${path}.away`);
    await expect(store.commit([stepOf({ runId: 'r', expectedSeq: 1 })])).rejects.toMatchObject({
      code: 'store.unavailable',
      message: expect.stringContaining(`"${path}" could not be written`),
    });
    // for good: what was written meanwhile is not where it was
    renameSync(`${path}.away`, path);
    await expect(store.commit([stepOf({ runId: 's' })])).rejects.toMatchObject({ code: 'store.unavailable' });
    await store.close();
    const again = openAt({ path });
    await again.commit([stepOf({ runId: 'again' })]);
    await again.close();
  });

  test('is set aside when its end is missing', async () => {
    const path = await written(500);
    truncateSync(path, 5 * 4_096);
    await setAside(path);
  });

  test.each([1_000, 50_000])(
    'is read up to its last whole commit when only the end of its log is missing: %i bytes',
    async (lost) => {
      // given a file and its log as they were in the midst of work, without the end of the log
      const path = freshPath();
      const torn = join(freshFolder(), 'torn.db');
      const store = openAt({ path });
      for (let seq = 0; seq < 50; seq++)
        await store.commit([stepOf({ runId: 'r', expectedSeq: seq, checkpoint: { seq: seq + 1 } })]);
      copyFileSync(path, torn);
      copyFileSync(`${path}-wal`, `${torn}-wal`);
      await store.close();
      truncateSync(`${torn}-wal`, readFileSync(`${torn}-wal`).length - lost);
      // when it is opened
      const left = openAt({ path: torn });
      // then what is left is whole, and goes on
      const seqs = [...(left.events({ runId: 'r' }) as Iterable<{ seq: number }>)].map(({ seq }) => seq);
      expect(seqs.length).toBeGreaterThan(0);
      expect(seqs.length).toBeLessThan(50);
      expect(left.checkpoint('r')).toEqual({ seq: seqs.length });
      expect(await left.commit([stepOf({ runId: 'r', expectedSeq: seqs.length })])).toMatchObject([
        { rootSeq: seqs.length + 1 },
      ]);
      await left.close();
    },
  );

  test('stays where it is when it cannot be set aside', async () => {
    const path = freshPath();
    writeFileSync(path, 'Dear diary, '.repeat(1_000));
    mkdirSync(`${path}.corrupt-1970-01-01T00-00-00-000Z`);
    expect(thrown(() => sqliteStore({ path, now: () => 0 }))).toMatchObject({
      code: 'store.corrupt',
      message: expect.stringContaining('move it away yourself'),
    });
    expect(existsSync(path)).toBe(true);
  });
});
