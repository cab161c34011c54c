import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const blocksIn = (page: string, language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, text]) => text);

test('the page on background work shows a program that prints what it says', async () => {
  const page = read('../../docs/background.md');
  expect(blocksIn(page, 'ts')).toEqual([read('docs/research.ts')]);
  const lines: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((...words: unknown[]) => void lines.push(words.join(' ')));
  await import('./docs/research.ts').finally(() => log.mockRestore());
  expect(blocksIn(page, 'text')).toEqual([`${lines.join('\n')}\n`]);
});
