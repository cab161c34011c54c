import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const run = (path: string) => spawnSync('node', [path], { cwd: root, encoding: 'utf8', timeout: 60_000 });
const blocks = (markdown: string, language: string) =>
  [...markdown.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);

const prints: Record<string, RegExp> = {
  '01-hello.ts':
    /^lead run\.started\nscout run\.started\nscout run\.completed\nlead run\.completed\nThe scout says 42\.\n$/,
  '02-tools.ts': /^Rome .*4.*19.* 2 turns\n$/,
  '03-questions.ts': /^paused Deletes a file\. \(notes\.txt\) yes\/no\naccepted\nAll clean\.\n$/,
};

describe('the examples', () => {
  const examples = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.ts'));

  test.each(examples)('%s runs offline and prints what it promises', (name) => {
    const { status, stdout, stderr } = run(`examples/${name}`);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(prints[name] ?? /\S/);
  });
});

describe('the README', () => {
  const [program = ''] = blocks(read('README.md'), 'ts');

  test('holds a smallest program of at most 15 lines, the one in examples/01-hello.ts', () => {
    expect(program.trim().split('\n').length).toBeLessThanOrEqual(15);
    expect(read('examples/01-hello.ts')).toContain(program);
  });

  test('says what the program prints', () => {
    expect(run('examples/01-hello.ts').stdout).toBe(blocks(read('README.md'), 'text')[0]);
  });

  test('names every package', () => {
    for (const name of readdirSync(join(root, 'packages'), { withFileTypes: true }))
      if (name.isDirectory()) expect(read('README.md')).toContain(`(packages/${name.name})`);
  });
});

test('the map of the house names every file', () => {
  const map = read('packages/README.md');
  const files = globSync('packages/*/src/**/*.ts', { cwd: root }).filter((file) => !file.endsWith('index.ts'));
  expect(files.filter((file) => !map.includes(basename(file)))).toEqual([]);
});

test.each([
  ["core's", 'core', 0, /^completed It is 5\. 2\n$/],
  ["core's, about models that fail,", 'core', 1, /^Hello from the spare key\.\n$/],
  ["core's, about sessions,", 'core', 2, /^That was message 2\. That was message 4\.\n$/],
  ["core's, about crashes,", 'core', 3, /^sum 5 0\n$/],
  ["core's, about replays and forks,", 'core', 4, /^xstate\.init → turn\.closed → run\.closed completed\n5\. 0\n$/],
  ["the store's", 'store-sqlite', 0, /^42\n$/],
])('the program in %s README runs', (_whose, name, place, expected) => {
  // Inside the tree, so that the packages are found.
  const folder = mkdtempSync(join(root, 'test', 'readme-'));
  try {
    writeFileSync(join(folder, 'program.ts'), blocks(read(`packages/${name}/README.md`), 'ts')[place] ?? '');
    const { stdout, stderr } = spawnSync('node', ['program.ts'], { cwd: folder, encoding: 'utf8', timeout: 60_000 });
    expect(stderr).toBe('');
    expect(stdout).toMatch(expected);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
