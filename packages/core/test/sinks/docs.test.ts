import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const blocksIn = (page: string, language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, text]) => text);
const settled = (text = '') => text.replaceAll(/\d\d:\d\d:\d\d\.\d{3}Z/g, 'TIME');

test('the page on sinks shows a program that prints what it says', () => {
  // given a folder for the file that it writes
  const folder = mkdtempSync(join(tmpdir(), 'troupe-sinks-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const page = read('../../docs/sinks.md');
  expect(blocksIn(page, 'ts')).toEqual([read('docs/watching.ts')]);
  // when it runs there
  const program = fileURLToPath(new URL('docs/watching.ts', import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, [program], { cwd: folder, encoding: 'utf8' });
  // then it prints what the page says
  expect(stderr).toBe('');
  expect(settled(stdout)).toBe(settled(blocksIn(page, 'text')[0]));
});
