import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { bin } from './shell.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const block = (language: string): string => new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(readme)?.[1] ?? '';

test('the program of the README runs as it stands', async () => {
  expect(block('ts')).toBe(readFileSync(new URL('readme/program.ts', import.meta.url), 'utf8'));
  const env = { ...process.env, TROUPE_MODEL: 'rehearsal' };
  const program = fileURLToPath(new URL('readme/program.ts', import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program], { env });
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^Rehearsal: no language model took part\./);
  expect(stdout).toContain('✔ helper completed after 1 turn');
  expect(stdout).toContain('It has no file tools here');
  expect(stdout).toMatch(/^together +1 run/m);
}, 20_000);

test('the commands of the README print what it says', () => {
  // Inside the tree, so that the packages are found.
  const folder = mkdtempSync(fileURLToPath(new URL('readme-', import.meta.url)));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  // the file is type-checked where it stands
  expect(block('js')).toBe(readFileSync(new URL('readme/agents.mjs', import.meta.url), 'utf8'));
  writeFileSync(join(folder, 'agents.mjs'), block('js'));
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin', 'troupe'), `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`, {
    mode: 0o755,
  });
  // What `jq -r .name` does.
  const jq =
    'for (const line of require("fs").readFileSync(0, "utf8").trim().split("\\n")) console.log(JSON.parse(line)[process.argv[2].slice(1)])';
  writeFileSync(join(folder, 'bin', 'jq'), `#!/bin/sh\nexec '${process.execPath}' -e '${jq}' -- "$@"\n`, {
    mode: 0o755,
  });
  const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` };

  const [, ...steps] = block('console').split(/^\$ /m);
  expect(steps.length).toBeGreaterThan(4);
  for (const step of steps) {
    const [command = '', ...expected] = step.trimEnd().split('\n');
    const { stdout } = spawnSync('sh', ['-c', command], { cwd: folder, env, encoding: 'utf8' });
    expect(stdout.trimEnd().split('\n'), command).toEqual(expected);
  }
}, 30_000);
