// node test/tools/rows.mjs
//
// Holds the rows of test/behaviours/*.md against the tests. A row is a list item that begins with an id (`- BG-013 …`,
// `- **F-11** …`, `- L3 …`); a test keeps it by citing the id in its title, its `describe`, or its `each` table. Ranges and
// lists count: `BG-011…015`, `F-01 F-02`, `B-07/08`. A test that is skipped or still to do keeps nothing.
//
// Rows under a heading `## Not yet`, and rows that end in `(later: …)`, need no test.
import { globSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseAst } from 'vitest/node';

/** @typedef {{ id: string, later: boolean, file: string, line: number }} Row */
/** @typedef {{ id: string, title: string, file: string }} Citation */

const SUITES = ['test', 'it', 'describe', 'suite'];
const FAMILIES = ['BG-', 'HM-', 'SB-', 'B-', 'F-', 'L'];

/**
 * The ids in `text` that belong to one of `families`, ranges spelled out.
 *
 * @param {string} text
 * @param {readonly string[]} families What stands before the number: `BG-`, `L`.
 */
export function idsIn(text, families = FAMILIES) {
  const family = `(?:${families.join('|')})`;
  const id = new RegExp(
    `(?<![\\w-])(${family})(\\d+)((?:/\\d+)*)(?:\\s*(?:…|–|\\.\\.\\.?)\\s*${family}?(\\d+))?(?!\\w)`,
    'g',
  );
  return [...text.matchAll(id)].flatMap(([, prefix, first = '', more = '', last]) => {
    const named = (/** @type {number | string} */ number) => `${prefix}${String(number).padStart(first.length, '0')}`;
    const numbers = Array.from(
      { length: Math.max(Number(last ?? first) - Number(first) + 1, 1) },
      (_, i) => i + Number(first),
    );
    return [...numbers, ...more.split('/').slice(1)].map(named);
  });
}

/**
 * The rows of one page.
 *
 * @param {string} markdown
 * @param {string} file
 * @returns {Row[]}
 */
export function rowsOf(markdown, file) {
  let notYet = 0; // the level of the heading "Not yet" that we are under, 0 for none
  return markdown.split('\n').flatMap((text, index) => {
    const heading = /^(#+)\s+(.*?)\s*$/.exec(text);
    if (heading) {
      const [, { length: level } = '', title = ''] = heading;
      if (/^not yet\b/i.test(title)) notYet ||= level;
      else if (level <= notYet) notYet = 0;
    }
    const head = /^\s*[-*+]\s+[*`]*([A-Z]{1,3}-\d+|[A-Z]\d+)((?:\s*[,/…–.]+\s*(?:[A-Z]{1,3}-?)?\d+)*)\b/.exec(text);
    if (!head) return [];
    const family = head[1]?.replace(/\d+$/, '') ?? '';
    const later = notYet > 0 || /\(later:[^)]*\)[\s.*]*$/.test(text);
    return idsIn(`${head[1]}${head[2]}`, [...new Set([family, ...FAMILIES])]).map((id) => ({
      id,
      later,
      file,
      line: index + 1,
    }));
  });
}

/**
 * The titles of the tests and suites in a test file, and the texts of their `each` tables, without what is skipped or
 * still to do.
 *
 * @param {string} source TypeScript.
 * @returns {string[]}
 */
export function titlesOf(source) {
  /** @type {string[]} */
  const titles = [];
  visit(parseAst(source, { lang: 'ts' }), (node) => {
    if (node.type !== 'CallExpression') return true;
    const words = chainOf(node.callee);
    if (!SUITES.includes(words[0] ?? '')) return true;
    if (words.includes('skip') || words.includes('todo')) return false;
    titles.push(...textsIn(node.arguments[0]));
    // test.each(table)('title'): the table is the argument of the inner call.
    if (node.callee.type === 'CallExpression') titles.push(...node.callee.arguments.flatMap(textsIn));
    return true;
  });
  return [...new Set(titles)];
}

/** `test.concurrent.each(table)` → test, concurrent, each. @type {(node: any) => string[]} */
const chainOf = (node) => {
  if (node.type === 'Identifier') return [node.name];
  if (node.type === 'MemberExpression') return [...chainOf(node.object), node.property.name];
  if (node.type === 'CallExpression') return chainOf(node.callee);
  if (node.type === 'TaggedTemplateExpression') return chainOf(node.tag);
  return [''];
};

/** The literal texts anywhere under a node that is not a function. @type {(node: any) => string[]} */
const textsIn = (node) => {
  /** @type {string[]} */
  const texts = [];
  visit(node, ({ type, value, quasis }) => {
    if (type === 'Literal' && typeof value === 'string') texts.push(value);
    if (type === 'TemplateLiteral') texts.push(quasis.map((/** @type {any} */ part) => part.value.cooked).join(' '));
    return !/Function/.test(type);
  });
  return texts;
};

/** Walks a tree from above; `enter` answers whether to go on below. @type {(node: any, enter: (node: any) => boolean) => void} */
const visit = (node, enter) => {
  if (Array.isArray(node)) for (const each of node) visit(each, enter);
  else if (typeof node?.type === 'string' && enter(node)) for (const part of Object.values(node)) visit(part, enter);
};

/**
 * Which rows have no test, and which tests cite an id that is no row.
 *
 * @param {string} root The workspace.
 * @throws {Error} when there are no rows at all.
 */
export function compareRows(root) {
  const read = (/** @type {string} */ file) => readFileSync(join(root, file), 'utf8');

  const rows = find(root, 'test/behaviours/*.md').flatMap((file) => rowsOf(read(file), file));
  if (rows.length === 0)
    throw new Error('No rows: test/behaviours/*.md holds no list item that begins with an id such as "- BG-013".');

  const families = [...new Set([...FAMILIES, ...rows.map(({ id }) => id.replace(/\d+$/, ''))])];
  /** @type {Citation[]} */
  const citations = find(root, '{packages/*/test/**/*.ts,test/**/*.test.ts}').flatMap((file) =>
    titlesOf(read(file)).flatMap((title) => idsIn(title, families).map((id) => ({ id, title, file }))),
  );
  const known = new Set(rows.map(({ id }) => id));
  const cited = new Set(citations.map(({ id }) => id));
  return {
    rows,
    later: rows.filter((row) => row.later),
    untested: rows
      .filter((row) => !row.later && !cited.has(row.id))
      .map(({ id, file, line }) => `${id} (${file}:${line})`),
    unknown: citations.filter(({ id }) => !known.has(id)).map(({ id, title, file }) => `${id} in "${title}" (${file})`),
  };
}

/** @type {(root: string, pattern: string) => string[]} */
const find = (root, pattern) =>
  globSync(pattern, { cwd: root, exclude: (name) => name === 'node_modules' })
    .map((path) => path.split(sep).join('/'))
    .sort();

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { rows, later, untested, unknown } = compareRows(fileURLToPath(new URL('../..', import.meta.url)));
  for (const row of untested) console.log(`no test: ${row}`);
  for (const citation of unknown) console.log(`no such row: ${citation}`);
  console.log(
    `rows: ${rows.length} rows, ${later.length} later, ${untested.length} without a test, ${unknown.length} unknown ids`,
  );
  process.exitCode = untested.length + unknown.length > 0 ? 1 : 0;
}
