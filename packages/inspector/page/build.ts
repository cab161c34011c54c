// node packages/inspector/page/build.ts
//
// Makes the bundle of the page. Packing does so, and whoever opens an inspector in a clone.
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, globSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const page = fileURLToPath(new URL('.', import.meta.url));
const room = join(page, '..');
const target = join(room, 'dist-page');
const STAMP = 'sources.txt';

/** Everything that the bundle is made of, as one text that changes when any of it does. */
const stampOf = async (): Promise<string> => {
  const files = globSync(['page/**/*.{ts,tsx,css,html,svg,txt}', 'src/wire.ts', 'package.json'], { cwd: room }).sort();
  const hash = createHash('sha256');
  for (const file of files) hash.update(file.split(sep).join('/')).update(await readFile(join(room, file)));
  return hash.digest('hex');
};

const readStamp = (folder: string): Promise<string | undefined> =>
  readFile(join(folder, STAMP), 'utf8').catch(() => undefined);

/**
 * Bundles the page into `dist-page` beside it and gives that folder. Does nothing when it was made from the same sources. Several
 * processes may ask at once: each builds aside, and one of them takes the place.
 *
 * @throws when vite is not installed, as in the published package: there the bundle is in it.
 */
export const buildPage = async (): Promise<string> => {
  const stamp = await stampOf();
  if ((await readStamp(target)) === stamp) return target;
  const { build } = await import('vite');
  const aside = `${target}-${randomUUID()}`;
  try {
    await build({
      configFile: false,
      root: page,
      base: './',
      logLevel: 'error',
      oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
      build: { outDir: aside, emptyOutDir: true, target: 'es2023', assetsInlineLimit: 0 },
    });
    await writeFile(join(aside, STAMP), stamp);
    await takePlace(aside, stamp);
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
  return target;
};

const takePlace = async (aside: string, stamp: string): Promise<void> => {
  const before = `${target}-${randomUUID()}`;
  try {
    if (existsSync(target)) await rename(target, before);
    await rename(aside, target);
  } catch (error) {
    // Another process was faster with the same sources.
    if ((await readStamp(target)) !== stamp) throw error;
  } finally {
    await rm(before, { recursive: true, force: true });
  }
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await buildPage();
