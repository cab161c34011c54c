import { describe, expect, test } from 'vitest';
import { asToolResult, declined, notExecuted, outcomeOf, previewOf, textOfResult } from '../../src/agent/outcome.ts';

describe('what a tool returns', () => {
  test.each([
    ['nothing', undefined, { content: '' }],
    ['text', 'Hi.', { content: 'Hi.' }],
    ['null', null, { data: null }],
    ['a number', 3, { data: 3 }],
    ['a list', [1], { data: [1] }],
    ['an object', { city: 'Köln' }, { data: { city: 'Köln' } }],
    ['an object that has more than a result', { content: 'a', size: 1 }, { data: { content: 'a', size: 1 } }],
    ['an object whose error is no text', { error: 404 }, { data: { error: 404 } }],
    ['an empty object', {}, { data: {} }],
    ['a result', { content: 'a', data: 1, error: 'b' }, { content: 'a', data: 1, error: 'b' }],
    [
      'a result whose data is not JSON yet',
      { data: { at: new Date(0), gone: undefined } },
      { data: { at: '1970-01-01T00:00:00.000Z' } },
    ],
  ])('is a result: %s', (_what, value, result) => {
    expect(asToolResult(value)).toStrictEqual(result);
  });

  test.each([
    ['text as it is', { content: 'Hi.' }, 'Hi.'],
    ['data as JSON', { data: { a: 1 } }, '{"a":1}'],
    ['data that is null', { data: null }, 'null'],
    ['text and data', { content: 'Hi.', data: [1] }, 'Hi.\n\n[1]'],
    ['an error', { error: 'No.' }, '{"error":"No."}'],
    ['an error with data', { error: 'No.', data: { id: 7 } }, '{"error":"No.","data":{"id":7}}'],
    ['an error with what there was', { error: 'No.', content: 'So far.' }, '{"error":"No.","partial":"So far."}'],
    ['all three', { error: 'No.', data: 1, content: 'So far.' }, '{"error":"No.","data":1,"partial":"So far."}'],
  ])('is told to the model: %s', (_what, result, text) => {
    expect(textOfResult(result)).toBe(text);
  });
});

describe('an outcome', () => {
  test('is an error if and only if the result has one, and keeps its marks', () => {
    expect(outcomeOf({ content: 'a', data: 1 })).toEqual({ status: 'ok', result: 'a\n\n1', data: 1 });
    expect(outcomeOf({ error: 'b' }, { timedOut: true })).toEqual({
      status: 'error',
      result: '{"error":"b"}',
      error: 'b',
      timedOut: true,
    });
  });

  test('of a call that was not executed says why, and as what it counts', () => {
    expect(notExecuted('skipped', 'Skipped.')).toEqual({
      status: 'skipped',
      error: 'Skipped.',
      result: '{"error":"Skipped."}',
    });
  });

  test('of a declined call has the reason, if there is one', () => {
    expect([declined(undefined).error, declined('not today').error]).toEqual([
      'Tool execution declined',
      'Tool execution declined: not today',
    ]);
  });
});

test('a preview is the first characters, marked when there are more', () => {
  expect(previewOf('a'.repeat(200))).toEqual({ preview: 'a'.repeat(200), truncated: false });
  expect(previewOf('a'.repeat(201))).toEqual({ preview: `${'a'.repeat(200)}…`, truncated: true });
  expect(previewOf('abc', 2)).toEqual({ preview: 'ab…', truncated: true });
});
