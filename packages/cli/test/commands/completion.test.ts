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
const shells: [shell: string, program: string, found: RegExp][] = [
  [
    'bash',
    'eval "$(troupe completion bash)"; COMP_WORDS=(troupe answer run_a); COMP_CWORD=2; _troupe; printf "%s\\n" "${COMPREPLY[@]}"',
    /^run_asking\n$/,
  ],
  [
    'zsh',
    'autoload -Uz compinit; compinit -u -D; eval "$(troupe completion zsh)"; compadd() { print -rl -- ${(P)@[-1]} }; words=(troupe answer run_a); CURRENT=3; _troupe',
    /^run_asking\n$/,
  ],
  [
    'fish',
    'troupe completion fish | source; complete -C "troupe answer run_a"',
    /^run_asking\tlead, paused: deploy\n$/,
  ],
];
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: this is what shells are told

describe.each(shells)('in %s', (shell, program, found) => {
  const isThere = spawnSync(shell, ['-c', 'true']).status === 0;

  test('the script gives what may come next', ({ skip }) => {
    if (!isThere) skip(`${shell} is not installed here`);
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
