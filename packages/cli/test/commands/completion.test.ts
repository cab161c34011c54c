import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bin, office, troupe } from '../shell.ts';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'troupe-completion-'));
  await troupe(folder, ['run', office, 'deploy', '--id', 'run_asking']);
  await troupe(folder, ['run', office, 'Hello', '--id', 'run_over']);
  await troupe(folder, ['run', office, 'Hello', '--id', 'job:7', '--store', 'other.db']);
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin/troupe'), `#!/bin/sh\nexec "${process.execPath}" "${bin}" "$@"\n`);
  chmodSync(join(folder, 'bin/troupe'), 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const candidates = async (...words: string[]): Promise<string[]> => {
  const { stdout } = await troupe(folder, ['complete', '--', ...words]);
  return stdout.split('\n').flatMap((line) => line.split('\t')[0] || []);
};

describe('what may come next', () => {
  test.each<[words: string[], found: string[]]>([
    [['re'], ['resume', 'replay']],
    [
      ['runs', ''],
      ['list', 'show', 'events', 'tree', 'export', 'prune'],
    ],
    [
      ['runs', 'prune', '--'],
      ['--json', '--store', '--older-than', '--keep'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['answer', 'run_a'], ['run_asking']],
    [
      ['runs', 'show', ''],
      ['run_asking', 'run_over'],
    ],
    [['answer', '--store', 'nowhere.db', ''], []],
    [['answer', '--store', ''], []],
    [['answer', '--store=nowhere.db', ''], []],
    [['answer', '--store=other.db', ''], ['job:7']],
    [['answer', '--store=other.db', '--json', 'job:'], ['job:7']],
    [
      ['runs', 'export', 'run_over', '--as=m'],
      ['--as=markdown', '--as=mermaid'],
    ],
    [['answer', '--store='], []],
    [['answer', '--nothing=x'], []],
    [['answer', '--json', 'run_o'], ['run_over']],
    [['run', ''], []],
    [['pause', 'run_asking', ''], []],
    [['nowhere', ''], []],
  ])('%j', async (words, found) => {
    expect(await candidates(...words)).toEqual(found);
  });

  test('never names what is only for scripts', async () => {
    const all = await candidates('');
    expect(all).toContain('run');
    expect(all).not.toContain('complete');
  });
});

// In the shells themselves, where there are any.
// biome-ignore-start lint/suspicious/noTemplateCurlyInString: this is what shells are told
const inBash = (line: string, words: string, at: number): string =>
  `eval "$(troupe completion bash)"; COMP_LINE='${line}'; COMP_WORDS=(${words}); COMP_CWORD=${at}; _troupe; printf "%s\\n" "\${COMPREPLY[@]}"`;
const inZsh = (words: string, at: number): string =>
  `autoload -Uz compinit; compinit -u -D; eval "$(troupe completion zsh)"; compadd() { print -rl -- \${(P)@[-1]} }; compset() { print -r -- no $* }; _files() { print files }; words=(${words}); CURRENT=${at}; _troupe`;
const inFish = (line: string): string => `troupe completion fish | source; complete -C "${line}"`;

const shells: [shell: string, what: string, program: string, found: RegExp][] = [
  ['bash', 'what may come next', inBash('troupe answer run_a', 'troupe answer run_a', 2), /^run_asking\n$/],
  ['bash', 'a new word', inBash('troupe  completion ', 'troupe completion ""', 2), /^bash\nzsh\nfish\n$/],
  // It breaks words at = and :, and replaces the last piece only.
  [
    'bash',
    'ids with colons, of the store behind =',
    inBash('troupe answer --store=other.db job:', 'troupe answer --store = other.db job :', 6),
    /^7\n$/,
  ],
  [
    'bash',
    'the same, with more of the id',
    inBash('troupe answer --store other.db job:7', 'troupe answer --store other.db job : 7', 6),
    /^7\n$/,
  ],
  ['bash', 'values behind =', inBash('troupe runs export x --as=ht', 'troupe runs export x --as = ht', 6), /^html\n$/],
  ['zsh', 'what may come next', inZsh('troupe answer run_a', 3), /^run_asking\n$/],
  ['zsh', 'ids with colons, of the store behind =', inZsh('troupe answer --store=other.db job:', 4), /^job:7\n$/],
  ['zsh', 'files behind =', inZsh('troupe answer --store=ot', 3), /^no -P 1 \[-\]\[-\]\*=\nfiles\n$/],
  ['fish', 'what may come next', inFish('troupe answer run_a'), /^run_asking\tlead, paused: deploy\n$/],
  [
    'fish',
    'ids with colons, of the store behind =',
    inFish('troupe answer --store=other.db job:7'),
    /^job:7\tlead, completed: Hello\n$/,
  ],
];
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: this is what shells are told

const isThere = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;

describe('the script', () => {
  test.for(shells)('in %s gives %s', ([shell, , program, found], { skip }) => {
    if (!isThere(shell)) skip(`${shell} is not installed here`);
    const env = { ...process.env, PATH: [join(folder, 'bin'), process.env.PATH].join(delimiter), HOME: folder };
    const flags = shell === 'bash' ? ['--norc'] : shell === 'zsh' ? ['-f'] : ['--no-config'];
    const { stdout, stderr } = spawnSync(shell, [...flags, '-c', program], { cwd: folder, env, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout).toMatch(found);
  });
});

test('for another shell there is none', async () => {
  const ended = await troupe(folder, ['completion', 'tcsh']);
  expect(ended).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining('Allowed choices are bash, zsh, fish'),
  });
});
