import { readFileSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { type Received, receive } from './receiver.ts';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const blockIn = (page: string, language: string) =>
  new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(page)?.[1];

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test('the program of the README prints, and sends, what it says', async () => {
  const page = read('../README.md');
  expect(blockIn(page, 'ts')).toBe(read('readme-program.ts'));
  const { url, arrived } = await receive();
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', url);
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  await import('./readme-program.ts');
  expect(log.mock.calls).toEqual([['It is 5.']]);
  expect(page).toContain('It prints `It is 5.`');
  expect(`${linesOf(arrived)}\n`).toBe(blockIn(page, 'text'));
});

const linesOf = (spans: readonly Received[], parent?: string, indent = ''): string =>
  spans
    .filter(({ parentSpanId }) => (parentSpanId || undefined) === parent)
    .sort((a, b) => a.from - b.from || spans.indexOf(a) - spans.indexOf(b))
    .flatMap(({ name, spanId }) => [`${indent}${name}`, linesOf(spans, spanId, `${indent}  `)])
    .filter((line) => line !== '')
    .join('\n');
