import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('the program of the guide to exports prints what it says', async () => {
  const guide = readFileSync(new URL('../../docs/exports.md', import.meta.url), 'utf8');
  const block = (language: string) => new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(guide)?.[1] ?? '';
  expect(block('ts')).toBe(readFileSync(new URL('docs/sequence.ts', import.meta.url), 'utf8'));
  const run = promisify(execFile)(process.execPath, [fileURLToPath(new URL('docs/sequence.ts', import.meta.url))]);
  expect((await run).stdout.trim()).toBe(block('text').trim());
}, 20_000);
