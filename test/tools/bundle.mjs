// node test/tools/bundle.mjs [--eager] [--dir folder] [entry …], in the folder of a package: makes `bundle/index.js`, its sources as
// one module, as they are published. A module costs a fifth of a millisecond to load, whatever is in it, and the sources of core are
// over a hundred. What is loaded by a thread of its own (`writer/writer.ts`) is an entry beside it (`bundle/writer.js`), what is
// imported when it is needed a module of its own. `--eager`: every program that loads the package opens it, too.
import { readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { rolldown } from 'rolldown';
import { parseAst } from 'rolldown/parseAst';

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

/** Where an escape would mean something else: behind a backslash, and in what is taken as it is written. */
const unescapable = /\\[^\0-\x7f]|String\.raw`[^`]*[^\0-\x7f]/;

/**
 * Changes what is about to be written.
 *
 * @param {string} name
 * @param {(code: string, fileName: string) => string} rewrite
 * @returns {import('rolldown').Plugin}
 */
const rewriting = (name, rewrite) => ({
  name,
  generateBundle(_options, written) {
    for (const file of Object.values(written)) if (file.type === 'chunk') file.code = rewrite(file.code, file.fileName);
  },
});

/** One character outside ASCII, and the whole module takes two bytes for each: twice as much to read, copy and clear up. */
const ascii = rewriting('ascii', (code, fileName) => {
  const [found] = unescapable.exec(code) ?? [];
  if (found) throw new Error(`${fileName} cannot be told in ASCII: ${found}`);
  return code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
});

/** Where functions at the top of a module stand that open a part of a program, by their names. */
const openers = (/** @type {string} */ code) =>
  parseAst(code)
    .body.flatMap((line) => (line.type === 'VariableDeclaration' ? line.declarations : []))
    .filter(
      ({ id, init }) =>
        id.type === 'Identifier' &&
        /^(open|create|make)[A-Z]/.test(id.name) &&
        init?.type === 'ArrowFunctionExpression',
    )
    .map(({ init }) => /** @type {{ start: number, end: number }} */ (init));

/**
 * V8 skips what a function says until it is called, and then reads it again, with the functions in it. What stands in parentheses it
 * compiles as it comes to it: of what opens a runtime, with all that is in that, a sixth of the time until the first run is done.
 */
const eager = rewriting('eager', (code) => {
  let out = '';
  let from = 0;
  for (const { start, end } of openers(code)) {
    out += `${code.slice(from, start)}(${code.slice(start, end)})`;
    from = end;
  }
  return out + code.slice(from);
});

const { values, positionals } = parseArgs({
  options: { eager: { type: 'boolean' }, dir: { type: 'string', default: 'bundle' } },
  allowPositionals: true,
});
const entries = ['index.ts', ...positionals];
const bundle = await rolldown({
  input: Object.fromEntries(entries.map((entry) => [basename(entry, '.ts'), join(room, 'src', entry)])),
  cwd: room,
  plugins: [leanRxjs, ascii, values.eager && eager],
  // What is ours comes along; everything else is a dependency, and is found when it runs.
  external: (id) => id !== 'rxjs' && !id.startsWith('\0') && !/^(\.|\/|[A-Za-z]:)/.test(id),
  treeshake: { moduleSideEffects: (id) => !id.startsWith('rxjs/') },
  platform: 'neutral',
});
const dir = resolve(room, values.dir);
rmSync(dir, { recursive: true, force: true });
await bundle.write({
  dir,
  entryFileNames: '[name].js',
  chunkFileNames: '[name].js',
  format: 'esm',
  sourcemap: true,
  comments: { jsdoc: false },
});
await bundle.close();
