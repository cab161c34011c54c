// node test/tools/import-rules.mjs
//
// The arrows between the packages: who may import whom. They point down only, a package is entered by its index.ts alone,
// nobody imports the command line, and there are no cycles. A check that read nothing finds nothing, so this one also
// counts: a source file it did not read is a failure.
import { globSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { cruise } from 'dependency-cruiser';

/** What the sources of each package may import beside themselves: `@name` is another package's index.ts, `node:` what comes with Node. */
const ARROWS = {
  protocol: ['zod'],
  core: ['@protocol', 'xstate', 'rxjs', 'zod'],
  delegation: ['@protocol', '@core', 'xstate', 'rxjs', 'zod', 'node:'],
  openai: ['@protocol', 'openai'],
  otel: ['@protocol', 'rxjs', '@opentelemetry/api'],
  prices: ['@protocol', '@pydantic/genai-prices'],
  'ag-ui': ['@protocol', '@ag-ui/core', 'rxjs', 'zod', 'node:'],
  'store-sqlite': ['@protocol', 'node:'],
  'store-postgres': ['@protocol', 'pg', 'node:'],
  'pg-boss': ['@protocol', 'pg', 'pg-boss', 'node:'],
  inspector: ['@protocol', '@core', 'xstate', 'zod', 'ws', 'node:'],
  testing: ['@protocol', '@core', 'xstate', 'fast-check', 'vitest', 'rxjs'],
};

/** @param {string} name */
const pathOf = (name) => {
  if (name === 'node:') return `^(node:)?(${builtinModules.join('|')})$`;
  const room = name.slice(1);
  return room in ARROWS ? `^packages/${room}/src/index\\.ts$` : `(^|/)node_modules/${name}/`;
};

/** @type {import('dependency-cruiser').IForbiddenRuleType[]} */
const RULES = [
  ...Object.entries(ARROWS).map(([room, allowed]) => ({
    name: `${room}-imports-only`,
    comment: `packages/${room}/src may import itself and: ${allowed.join(', ')}`,
    severity: /** @type {const} */ ('error'),
    from: { path: `^packages/${room}/src/` },
    to: { pathNot: [`^packages/${room}/src/`, ...allowed.map(pathOf)] },
  })),
  {
    name: 'every-room-has-arrows',
    comment: 'a package with no line in ARROWS (test/tools/import-rules.mjs) may import nothing but itself',
    severity: 'error',
    from: { path: '^packages/([^/]+)/src/', pathNot: `^packages/(${[...Object.keys(ARROWS), 'cli'].join('|')})/` },
    to: { pathNot: '^packages/$1/src/' },
  },
  {
    name: 'loads-without-node',
    comment:
      'pages load delegation and ag-ui: what comes with Node they find by process.getBuiltinModule when they need it',
    severity: 'error',
    from: { path: '^packages/(delegation|ag-ui)/src/' },
    to: { path: pathOf('node:'), dependencyTypesNot: ['type-only'] },
  },
  {
    name: 'page-imports-only',
    comment:
      'the page of the inspector is bundled: it may import itself, the words of its wire, and what is bundled with it',
    severity: 'error',
    from: { path: '^packages/inspector/page/src/' },
    to: {
      pathNot: [
        '^packages/inspector/page/src/',
        '^packages/inspector/src/wire\\.ts$',
        ...['@protocol', 'xstate', 'preact', '@preact/signals', 'elkjs'].map(pathOf),
      ],
    },
  },
  {
    name: 'front-door',
    comment: 'a package is entered by its index.ts alone (testing has a second entry for its contracts)',
    severity: 'error',
    from: { path: '^packages/([^/]+)/' },
    to: {
      path: '^packages/[^/]+/',
      pathNot: ['^packages/$1/', '^packages/[^/]+/src/index\\.ts$', '^packages/testing/src/contracts/index\\.ts$'],
    },
  },
  {
    name: 'front-door-from-outside',
    comment: 'examples and whole-system tests enter a package by its index.ts alone',
    severity: 'error',
    from: { pathNot: '^packages/' },
    to: {
      path: '^packages/[^/]+/',
      pathNot: ['^packages/[^/]+/src/index\\.ts$', '^packages/testing/src/contracts/index\\.ts$'],
    },
  },
  {
    name: 'nobody-imports-cli',
    comment: 'the command line puts everything together; no package stands on it',
    severity: 'error',
    from: { path: '^packages/', pathNot: '^packages/cli/' },
    to: { path: '^packages/cli/' },
  },
  {
    name: 'no-cycles',
    comment: 'no cycles, but for types that name each other',
    severity: 'error',
    from: {},
    to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
  },
  {
    name: 'resolvable',
    comment: 'every import leads to a file',
    severity: 'error',
    from: {},
    to: { couldNotResolve: true },
  },
];

/**
 * Checks the tree under `root`.
 *
 * @param {string} root The workspace: `packages/*` and, where there are any, `examples` and `test`.
 * @param {import('dependency-cruiser').ICruiseOptions} [options] Over the usual ones.
 * @returns {Promise<{ read: number, missed: string[], broken: string[] }>} how many modules were read, the source files
 *   that were not, and one sentence per broken rule.
 */
export async function checkImports(root, options = {}) {
  const sources = find(root, 'packages/*/src/**/*.ts');
  const { output } = await cruise(
    // Folders, not files: what it cannot parse (no TypeScript below 7 beside it) is then missing from its answer instead
    // of read badly.
    find(root, '{packages/*/src,packages/*/page,packages/*/test,examples,test}'),
    {
      baseDir: root,
      ruleSet: { forbidden: RULES },
      validate: true,
      tsPreCompilationDeps: true,
      doNotFollow: { path: '(^|/)node_modules/' },
      ...options,
    },
    { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
  );
  if (typeof output === 'string') throw new Error('dependency-cruiser answered with text instead of its result.');

  // What was only resolved stands in the list too, as not followable.
  const read = new Set(output.modules.filter((module) => module.followable !== false).map((module) => module.source));
  return {
    read: read.size,
    missed: sources.filter((source) => !read.has(source)),
    broken: output.summary.violations.map(({ rule, from, to, cycle }) => {
      const comment = RULES.find(({ name }) => name === rule.name)?.comment;
      const path = cycle ? cycle.map((step) => step.name).join(' → ') : to;
      return `${rule.name}: ${from} → ${path} (${comment})`;
    }),
  };
}

/** @type {(root: string, pattern: string) => string[]} */
const find = (root, pattern) =>
  globSync(pattern, { cwd: root, exclude: (name) => name === 'node_modules' || name === 'dist' })
    .map((path) => path.split(sep).join('/'))
    .sort();

/** The whole answer in lines, the last one saying how much was read. @type {(found: Awaited<ReturnType<typeof checkImports>>) => string} */
export const describe = ({ read, missed, broken }) =>
  [
    ...broken,
    ...missed.map((source) => `not read: ${source}`),
    `import rules: ${read} modules read, ${missed.length} missed, ${broken.length} broken imports`,
  ].join('\n');

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const found = await checkImports(fileURLToPath(new URL('../..', import.meta.url)));
  console.log(describe(found));
  process.exitCode = found.missed.length + found.broken.length > 0 ? 1 : 0;
}
