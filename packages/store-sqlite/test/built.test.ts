import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { damage, freshPath, largeFile } from './files.ts';

const package_ = fileURLToPath(new URL('..', import.meta.url));
// Beside the sources, so that what it imports is found; not in bundle, which others may be building.
const built = join(package_, 'node_modules', '.cache', `built-${process.pid}`);
afterAll(() => rmSync(built, { recursive: true, force: true }));

beforeAll(() => {
  mkdirSync(built, { recursive: true });
  const { scripts } = JSON.parse(readFileSync(join(package_, 'package.json'), 'utf8'));
  const made = spawnSync(`${scripts.prepack} --dir ${JSON.stringify(built)}`, {
    cwd: package_,
    shell: true,
    encoding: 'utf8',
  });
  expect(made.stderr).toBe('');
}, 60_000);

/** What a program says that uses it. */
const run = (text: string): string => {
  const program = `import { sqliteStore } from ${JSON.stringify(pathToFileURL(join(built, 'index.js')).href)}; ${text}`;
  const ran = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(ran.stderr).toBe('');
  return ran.stdout;
};

test('the package as it is published has a writer of its own', { timeout: 60_000 }, () => {
  const said = run(`
    const store = sqliteStore(${JSON.stringify(freshPath())});
    await store.write('s', 'k', 'written by JavaScript');
    console.log(store.read('s', 'k'));`);
  expect(said).toBe('written by JavaScript\n');
});

test('and checks a large file while it is used', { timeout: 60_000 }, async () => {
  const path = await largeFile();
  damage(path);
  const said = run(`
    const store = sqliteStore(${JSON.stringify(path)});
    for (let tries = 0; tries < 2_000; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      try {
        store.holder('r0');
      } catch (error) {
        console.log(error.code);
        break;
      }
    }`);
  expect(said).toBe('store.corrupt\n');
});
