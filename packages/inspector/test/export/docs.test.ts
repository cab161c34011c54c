import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('the program of the guide to exports prints what it says', async () => {
  const guide = readFileSync(new URL('../../docs/exports.md', import.meta.url), 'utf8');
  const block = (language: string) => new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(guide)?.[1] ?? '';
  // from here `@troupe/inspector` leads to the sources
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const run = promisify(execFile)(process.execPath, ['--input-type=module-typescript', '-e', block('ts')], { cwd });
  expect((await run).stdout.trim()).toBe(block('text').trim());
}, 20_000);
