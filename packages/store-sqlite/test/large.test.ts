/** Files that are too large to be checked before they are used. */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { stepOf } from '../../../test/support/steps.ts';
import { sqliteStore } from '../src/index.ts';
import { damage, largeFile, openAt } from './files.ts';

const marks = (path: string): string[] => readdirSync(dirname(path)).filter((name) => name.endsWith('-check'));

describe('a large file', { timeout: 60_000 }, () => {
  test('that is damaged is found out while it is used: every method says so, and it is set aside when it is opened again', async () => {
    const path = await largeFile();
    damage(path);
    const store = openAt({ path });
    expect(store.get('r0')).toMatchObject({ runId: 'r0' });
    const found = await (async () => {
      for (;;) {
        try {
          store.get('r0');
        } catch (error) {
          return error;
        }
        await pause(5);
      }
    })();
    expect(found).toMatchObject({ code: 'store.corrupt', details: { path } });
    await expect(store.commit([stepOf({ runId: 'more' })])).rejects.toBe(found);
    expect(() => store.list()).toThrow('Close it and open it again');
    await store.close();
    expect(marks(path)).toHaveLength(1);
    expect(() => sqliteStore({ path, now: () => 0 })).toThrow(/set aside as/);
    expect(existsSync(`${path}.corrupt-1970-01-01T00-00-00-000Z`)).toBe(true);
    expect(marks(path)).toEqual([]);
    const empty = openAt({ path });
    expect(empty.list()).toEqual([]);
    await empty.close();
  });

  test('that is whole is used as it is, also when somebody thought that it was damaged', async () => {
    const path = await largeFile();
    const file = openSync(`${path}-check`, 'w');
    closeSync(file);
    for (const opened of [1, 2]) {
      const store = openAt({ path });
      expect(marks(path)).toEqual([]);
      for (let i = 0; i < 20; i++) {
        await pause(10);
        expect(store.get('r199')?.runId, `${opened}`).toBe('r199');
      }
      await store.close();
    }
  });

  test('is checked before it is used where there is no node:sea to say that this is no single executable', async () => {
    const path = await largeFile();
    damage(path);
    const spied = vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined);
    onTestFinished(() => spied.mockRestore());
    expect(() => sqliteStore({ path })).toThrow(/set aside as/);
  });

  test('needs no node:sea: the package loads where there is none', async () => {
    vi.resetModules();
    vi.doMock('node:sea', () => {
      throw new Error('no such module');
    });
    onTestFinished(() => {
      vi.doUnmock('node:sea');
      vi.resetModules();
    });
    expect(await import('../src/index.ts')).toHaveProperty('sqliteStore');
  });

  test('keeps no process alive, and none waiting for the end of its check', async () => {
    const path = await largeFile();
    const program = `
      import { sqliteStore } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)};
      const store = sqliteStore(${JSON.stringify(path)});
      process.stdout.write(String(store.list({ limit: 1_000 }).length));
      process.on('exit', () => process.stdout.write(' over'));
    `;
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      timeout: 20_000,
    });
    expect([String(stdout), status]).toEqual(['200 over', 0]);
  });

  test.each([
    ['cannot be started', fileURLToPath(new URL('nobody', import.meta.url))],
    ['fails', '/bin/false'],
  ])('is checked before it is used the next time where the process that checks it %s', async (_how, program) => {
    const path = await largeFile();
    damage(path);
    const before = process.execPath;
    onTestFinished(() => {
      process.execPath = before;
    });
    process.execPath = program;
    const exits = process.listenerCount('exit');
    const store = openAt({ path });
    for (let i = 0; i < 400 && marks(path).length === 0; i++) await pause(5);
    expect(marks(path)).toHaveLength(1);
    expect(process.listenerCount('exit')).toBe(exits);
    await store.close();
    expect(() => sqliteStore(path)).toThrow('was set aside as');
    expect(marks(path)).toEqual([]);
  });

  test('is checked by a process that ends with its store, and knows nothing of the program', async () => {
    const path = await largeFile();
    const exits = process.listenerCount('exit');
    const stores = Array.from({ length: 3 }, () => openAt({ path }));
    expect(process.listenerCount('exit')).toBe(exits + 1);
    for (const store of stores) await store.close();
    expect(process.listenerCount('exit')).toBe(exits);
    expect(marks(path)).toEqual([]);
  });
});
