import { readFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { policyOf } from '../src/subworker-options.ts';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const pages = { readme: read('../README.md'), guide: read('../docs/subworkers.md'), files: read('../docs/files.md') };
const programsIn = (page: string) => [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);

const printed = (page: string) => [...page.matchAll(/^```text\n(.*?)\n```$/gms)].map(([, text]) => text).join();

/** Each program, the page that shows it, and what it prints; ids of runs are left out. */
const programs: [name: string, page: keyof typeof pages, run: () => Promise<unknown>, prints: string][] = [
  ['readme', 'readme', () => import('./docs/readme.ts'), 'It is Titan. completed'],
  ['guide', 'guide', () => import('./docs/guide.ts'), printed(pages.guide)],
  ['paused', 'guide', () => import('./docs/paused.ts'), 'It waits for your approval. Deploys the build.\nIt is out.'],
  ['files', 'files', () => import('./docs/files.ts'), printed(pages.files)],
];

describe('the README and the guides', () => {
  test('show no code that is not run', () => {
    for (const page of ['readme', 'guide', 'files'] as const) {
      const shown = programs.filter(([, where]) => where === page).map(([name]) => read(`./docs/${name}.ts`));
      expect(programsIn(pages[page])).toEqual(shown);
    }
  });

  test.each(programs)('show a program that prints what they say: %s', async (_name, page, run, prints) => {
    const lines: string[] = [];
    const log = vi.spyOn(console, 'log').mockImplementation((...words: unknown[]) => void lines.push(words.join(' ')));
    await run().finally(() => log.mockRestore());
    expect(lines.join('\n').replaceAll(/run_\w{9,}/g, 'RUN')).toBe(prints);
    for (const line of prints.split('\n')) expect(pages[page]).toContain(line);
  });

  test('tell the true defaults', () => {
    const policy = policyOf('spawn_subworker', {});
    const told = [...pages.guide.matchAll(/^\| `(\w+)` \| `(\d+|'\w+')` \|/gm)].map(([, option = '', value = '']) => [
      option,
      value.startsWith("'") ? value.slice(1, -1) : Number(value),
    ]);
    const { tools: _tools, defaultModel: _default, allowedModels: _allowed, quotaKey: _key, ...rest } = policy;
    expect(Object.fromEntries(told)).toEqual(rest);
  });
});
