// node test/tools/bundle.mjs, in the folder of a package: makes `bundle/index.js`, its sources as one module, as it is published.
// A module costs a fifth of a millisecond to load, whatever is in it, and the sources of core are over a hundred.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

const room = process.cwd();

/**
 * RxJS loads all of its 223 modules from its main entry. What is published imports each name from the module that defines it, which
 * RxJS exports, too (`rxjs/internal/*`): the same classes, and none that nobody asked for.
 *
 * @type {import('rolldown').Plugin}
 */
const leanRxjs = {
  name: 'lean-rxjs',
  resolveId: (id) => (id === 'rxjs' ? { id: '\0rxjs', moduleSideEffects: false } : null),
  load(id) {
    if (id !== '\0rxjs') return null;
    const folder = join(createRequire(join(room, 'package.json')).resolve('rxjs/package.json'), '..');
    return readFileSync(join(folder, 'dist', 'esm', 'index.js'), 'utf8')
      .replace(/^\/\/#.*$/m, '')
      .replaceAll("'./internal/", "'rxjs/internal/");
  },
};

const bundle = await rolldown({
  input: join(room, 'src', 'index.ts'),
  cwd: room,
  plugins: [leanRxjs],
  // What is ours comes along; everything else is a dependency, and is found when it runs.
  external: (id) =>
    id !== 'rxjs' && !id.startsWith('.') && !id.startsWith('/') && !id.startsWith('\0') && !/^[A-Za-z]:/.test(id),
  treeshake: { moduleSideEffects: (id) => !id.startsWith('rxjs/') },
  platform: 'neutral',
});
const file = join(room, 'bundle', 'index.js');
await bundle.write({
  file,
  format: 'esm',
  sourcemap: true,
  comments: { jsdoc: false },
});
await bundle.close();
// One character outside ASCII, and the whole module takes two bytes for each: twice as much to read, copy and clear up.
const escaped = (/** @type {string} */ character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
writeFileSync(file, readFileSync(file, 'utf8').replace(/[^\0-\x7f]/g, escaped));
