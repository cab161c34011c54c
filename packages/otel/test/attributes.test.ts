import * as conventions from '@opentelemetry/semantic-conventions/incubating';
import { describe, expect, test } from 'vitest';
import { finishReasonOf, key, providerIn } from '../src/attributes.ts';
import { timeOf } from '../src/times.ts';

test('every name is one of the conventions, or ours', () => {
  const theirs = new Set<unknown>(Object.values(conventions));
  // Newer than the list that is published.
  theirs.add('gen_ai.conversation.compacted');
  expect(Object.values(key).filter((name) => !theirs.has(name) && !name.startsWith('troupe.'))).toEqual([]);
  for (const operation of ['invoke_agent', 'chat', 'execute_tool']) expect(theirs).toContain(operation);
});

test('the provider of a model is named before its first slash, and is unknown without one', () => {
  expect(['openai/gpt-5', 'openrouter/openai/gpt-5', 'gpt-5', '/odd', ''].map(providerIn)).toEqual([
    'openai',
    'openrouter',
    '_OTHER',
    '_OTHER',
    '_OTHER',
  ]);
});

test('why a model stopped has the words of the conventions', () => {
  expect((['stop', 'calls', 'length', 'filter'] as const).map(finishReasonOf)).toEqual([
    'stop',
    'tool_call',
    'length',
    'content_filter',
  ]);
});

describe('a moment', () => {
  test('is seconds and nanoseconds, fractions of milliseconds included', () => {
    expect([0, 1, 999, 1_000, 1_760_000_000_123.5].map(timeOf)).toEqual([
      [0, 0],
      [0, 1_000_000],
      [0, 999_000_000],
      [1, 0],
      [1_760_000_000, 123_500_000],
    ]);
  });
});
