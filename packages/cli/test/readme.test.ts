import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('the program of the README runs as it stands', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const program = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  // from here `@troupe/…` leads to the sources
  const cwd = fileURLToPath(new URL('../../..', import.meta.url));
  const env = { ...process.env, TROUPE_MODEL: 'rehearsal' };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    cwd,
    env,
  });
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^Rehearsal: no language model took part\./);
  expect(stdout).toContain('✔ helper completed after 1 turn');
  expect(stdout).toContain('It has no file tools here');
  expect(stdout).toMatch(/^together +1 run/m);
}, 20_000);
