import { readFileSync } from 'node:fs';
import * as core from '@troupe/core';
import * as testing from '@troupe/testing';
import { expect, test } from 'vitest';
import * as inspector from '../src/index.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const AsyncFunction = (async () => {}).constructor as new (
  ...text: string[]
) => (...values: unknown[]) => Promise<void>;

test('the program of the README prints what it says', async () => {
  const [, program = ''] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  const body = program.replaceAll(/^import (.*) from '@troupe\/(\w+)';$/gm, 'const $1 = the_$2;');
  const printed: unknown[] = [];
  const names = ['the_core', 'the_inspector', 'the_testing', 'console'];
  await new AsyncFunction(...names, body)(core, inspector, testing, {
    log: (said: unknown) => void printed.push(said),
  });
  expect(printed).toEqual(['http://127.0.0.1:…', '42']);
  expect(readme).toContain('It prints `http://127.0.0.1:…` and `42`.');
});

test('the README names every option, and every error', () => {
  for (const option of [
    'port',
    'open',
    'name',
    'keepAlive',
    'maxBufferedBytes',
    'logger',
  ] satisfies (keyof inspector.InspectOptions)[])
    expect(readme).toContain(`| \`${option}\` |`);
  for (const code of ['inspector.port', 'inspector.url', 'row.unknown', 'run.unknown', 'message.invalid'])
    expect(readme).toContain(`\`${code}\``);
});
