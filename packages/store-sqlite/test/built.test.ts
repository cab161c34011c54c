import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { freshPath } from './files.ts';

const package_ = fileURLToPath(new URL('..', import.meta.url));
// Beside the sources, so that what it imports is found; not in dist, which others may be building.
const built = join(package_, 'node_modules', '.cache', `built-${process.pid}`);
afterAll(() => rmSync(built, { recursive: true, force: true }));

test('the package as it is published has a writer of its own', { timeout: 60_000 }, () => {
  mkdirSync(built, { recursive: true });
  // Without looking at types: that needs the declarations of other packages, which others may be building.
  const options = ['--noCheck', '--outDir', built, '--tsBuildInfoFile', join(built, '.tsbuildinfo')];
  const tsc = spawnSync('tsc', ['-p', package_, ...options], { encoding: 'utf8' });
  expect(tsc.stdout).toBe('');
  const program = `
    import { sqliteStore } from ${JSON.stringify(pathToFileURL(join(built, 'index.js')).href)};
    const store = sqliteStore(${JSON.stringify(freshPath())});
    await store.write('s', 'k', 'written by JavaScript');
    console.log(store.read('s', 'k'));`;
  const ran = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(ran.stderr).toBe('');
  expect(ran.stdout).toBe('written by JavaScript\n');
});
