import { globSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { fileURLToPath } from 'node:url';
import { defaultBudget } from '@troupe/core';
import { expect, test } from 'vitest';
import { parseAst } from 'vitest/node';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const readmes = ['README.md', ...globSync('packages/*/README.md', { cwd: root }).sort()];

/** The packages that commands install: `npm install --save-dev @troupe/testing zod # …` gives both. */
const installedBy = (commands: string): string[] =>
  [...commands.matchAll(/^npm install (.*?)(?: *#.*)?$/gm)]
    .flatMap(([, words = '']) => words.split(' '))
    .filter((word) => !word.startsWith('-'));

/** The packages that a program imports: `xstate/graph` is `xstate`. */
const importedBy = (program: string): string[] =>
  parseAst(program, { lang: 'ts', sourceType: 'module' })
    .body.flatMap((node) => ('source' in node && node.source ? [node.source.value] : []))
    .filter((name) => !name.startsWith('.') && !isBuiltin(name))
    .map((name) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name);

/** What the programs of a page import that no command above them installs. */
const missingIn = (page: string): string[] => {
  const installed = new Set<string>();
  return [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, language = '', text = '']) => {
    if (language === 'sh') for (const name of installedBy(text)) installed.add(name);
    return ['ts', 'js'].includes(language) ? importedBy(text).filter((name) => !installed.has(name)) : [];
  });
};

test.each(readmes)('%s says what to install before its programs import it', (path) => {
  expect(missingIn(read(path))).toEqual([]);
});

const nodeOf = (path: string) => /\d+\.\d+/.exec(JSON.parse(read(path)).engines.node)?.[0];

test.each(readmes)('%s names the Node that it needs, where another one does for most packages', (path) => {
  const [least, needed] = [nodeOf('package.json'), nodeOf(path.replace('README.md', 'package.json'))];
  const named = path === 'README.md' || needed !== least ? [`Node ${needed} or later`] : [];
  expect(named.filter((text) => !read(path).includes(text))).toEqual([]);
});

test("core's README names the xstate and the rxjs that its types come from", () => {
  const { dependencies } = JSON.parse(read('packages/core/package.json'));
  const page = read('packages/core/README.md');
  expect(page).toContain(`\`xstate\` (${dependencies.xstate}) and \`rxjs\` (${dependencies.rxjs})`);
  expect(page).toContain(`\`npm install xstate@${dependencies.xstate} rxjs@${dependencies.rxjs}\``);
});

test("core's README tells the true defaults of budgets, and which limits have none", () => {
  const page = read('packages/core/README.md');
  const { turns, toolCalls, depth, ...rest } = defaultBudget;
  expect(rest).toEqual({});
  expect(page).toContain(`| \`turns\`, \`toolCalls\` | the run itself; defaults ${turns} and ${toolCalls} |`);
  expect(page).toContain(`nesting below the root (depth 0); default ${depth} |`);
  expect(page).toContain('Of these only `turns`, `toolCalls` and `depth` have defaults.');
});

test('what a README forgets to install is found', () => {
  const program = "```ts\nimport 'node:fs';\nimport { a } from '@b/c/d';\nimport type { E } from 'e/f';\n```\n";
  expect(missingIn(program)).toEqual(['@b/c', 'e']);
  expect(missingIn(`\`\`\`sh\nnpm install -D @b/c  # of e, too\n\`\`\`\n${program}`)).toEqual(['e']);
  expect(missingIn(`\`\`\`sh\nnpm install e @b/c\n\`\`\`\n${program}`)).toEqual([]);
});
