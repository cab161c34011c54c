import { readFileSync } from 'node:fs';
import { LLMock } from '@copilotkit/aimock';
import * as core from '@troupe/core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { retryableOf } from '../src/fault-code.ts';
import * as provider from '../src/index.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const mock = new LLMock({ port: 0, logLevel: 'silent' });

beforeAll(() => mock.start());
afterAll(async () => {
  vi.unstubAllEnvs();
  await mock.stop();
});

test.skipIf(!('createRuntime' in core))('the program of the README greets the crew', async () => {
  mock.onMessage('Say hello to the crew.', { content: 'Hello, crew!' });
  vi.stubEnv('OPENAI_BASE_URL', `${mock.url}/v1`);
  const program = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  const body = program.replace(/^import (.*) from '(.*)';$/gm, "const $1 = packages['$2'];");
  const printed: unknown[] = [];
  const AsyncFunction = (async () => {}).constructor as new (
    ...text: string[]
  ) => (...values: unknown[]) => Promise<void>;
  await new AsyncFunction('packages', 'console', body)(
    { '@troupe/core': core, '@troupe/openai': provider },
    { log: (value: unknown) => printed.push(value) },
  );
  expect(printed).toEqual(['Hello, crew!']);
});

test('the README lists every code, and says which may be retried', () => {
  const listed = [...readme.matchAll(/^\| `(model\.\w+)` \|.*\| (yes|no) \|$/gm)].map(([, code, answer]) => [
    code,
    answer === 'yes',
  ]);
  expect(Object.fromEntries(listed)).toEqual(retryableOf);
});
