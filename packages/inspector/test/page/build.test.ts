import { cp, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const room = fileURLToPath(new URL('../../', import.meta.url));
let home = '';
let copy = '';
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'page-build-'));
  copy = join(home, 'packages/inspector');
  await cp(join(room, '../../tsconfig.base.json'), join(home, 'tsconfig.base.json'));
  for (const name of ['protocol', 'core'])
    await cp(join(room, '..', name, 'tsconfig.json'), join(home, 'packages', name, 'tsconfig.json'));
  for (const name of ['page', 'src', 'package.json', 'tsconfig.json'])
    await cp(join(room, name), join(copy, name), { recursive: true });
  await symlink(join(room, 'node_modules'), join(copy, 'node_modules'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const build = async (): Promise<string> => {
  const module = (await import(pathToFileURL(join(copy, 'page/build.ts')).href)) as { buildPage(): Promise<string> };
  return module.buildPage();
};

describe('The bundle of the page', () => {
  test('is made once for the same sources, by however many ask, and nothing is left beside it', async () => {
    const folders = await Promise.all([build(), build(), build()]);
    expect(new Set(folders)).toEqual(new Set([join(copy, 'dist-page')]));
    const made = (await stat(join(copy, 'dist-page/index.html'))).mtimeMs;
    await build();
    expect((await stat(join(copy, 'dist-page/index.html'))).mtimeMs).toBe(made);
    expect((await readdir(copy)).filter((name) => name.startsWith('dist-page'))).toEqual(['dist-page']);
  });

  test('is made again when a source has changed', async () => {
    await build();
    await cp(join(copy, 'page/src/style/views.css'), join(copy, 'page/src/style/more.css'));
    const before = await readFile(join(copy, 'dist-page/sources.txt'), 'utf8');
    await build();
    expect(await readFile(join(copy, 'dist-page/sources.txt'), 'utf8')).not.toBe(before);
  });

  test('has no script or style in the page itself, and leads nowhere else', async () => {
    const folder = await build();
    const html = await readFile(join(folder, 'index.html'), 'utf8');
    expect(html).not.toMatch(/<style|<script(?![^>]*\bsrc=)|https?:|\son\w+=/);
  });
});
