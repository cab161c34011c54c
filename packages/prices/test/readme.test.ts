import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as exported from '../src/index.ts';

test('the program of the README prints what it says', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const program = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  const printed: unknown[] = [];
  const body = program.replace(/^import (.*) from '@troupe\/prices';$/m, 'const $1 = exported;');
  const AsyncFunction = (async () => {}).constructor as new (
    ...text: string[]
  ) => (...values: unknown[]) => Promise<void>;
  await new AsyncFunction('exported', 'console', body)(exported, { log: (value: unknown) => printed.push(value) });
  expect(printed).toEqual([expect.closeTo(0.03, 10), expect.closeTo(0.022, 10), null]);
  expect(readme).toContain('It prints `0.03`, `0.022` and `null`.');
});
