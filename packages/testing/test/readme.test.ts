import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const textOf = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const blocks = [...textOf('../README.md').matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
const files = [
  ['model', () => import('./readme/model.ts')],
  ['laws', () => import('./readme/laws.ts')],
  ['paths', () => import('./readme/paths.ts')],
  ['crashes', () => import('./readme/crashes.ts')],
] as const;

describe('the README', () => {
  test('shows no code that is not run', () => {
    expect(blocks).toEqual(files.map(([name]) => textOf(`./readme/${name}.ts`)));
  });

  test.each(files)('shows code that runs: %s', async (_name, run) => {
    await run();
  });
});
