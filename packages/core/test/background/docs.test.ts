import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const blocksIn = (page: string, language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, text]) => text);

test('the page on background work shows programs that print what it says', async () => {
  const page = read('../../docs/background.md');
  expect(blocksIn(page, 'ts')).toEqual([read('docs/research.ts'), read('docs/specialists.ts')]);
  const printed: string[] = [];
  for (const program of [() => import('./docs/research.ts'), () => import('./docs/specialists.ts')]) {
    const lines: string[] = [];
    const log = vi.spyOn(console, 'log').mockImplementation((...words: unknown[]) => void lines.push(words.join(' ')));
    await program().finally(() => log.mockRestore());
    printed.push(`${lines.join('\n')}\n`);
  }
  expect(blocksIn(page, 'text')).toEqual(printed);
});
