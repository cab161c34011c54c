// node packages/inspector/page/build.ts
//
// Makes the bundle of the page. Packing does so, and whoever opens an inspector in a clone.
import { createHash, randomUUID } from 'node:crypto';
import { globSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { readStamp, STAMP, takePlace } from './take-place.ts';

const page = fileURLToPath(new URL('.', import.meta.url));
const room = join(page, '..');
const target = join(room, 'dist-page');

/** Everything that the bundle is made of, as one text that changes when any of it does. */
const stampOf = async (): Promise<string> => {
  const files = globSync(['page/**/*.{ts,tsx,css,html,svg,txt}', 'src/wire.ts', 'package.json'], { cwd: room }).sort();
  const hash = createHash('sha256');
  for (const file of files) hash.update(file.split(sep).join('/')).update(await readFile(join(room, file)));
  return hash.digest('hex');
};

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
    await takePlace(target, { aside, stamp });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
  return target;
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await buildPage();
