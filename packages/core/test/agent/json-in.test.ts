import { describe, expect, test } from 'vitest';
import { jsonIn, jsonValuesIn } from '../../src/agent/json-in.ts';

describe('JSON in an answer', () => {
  test.each([
    ['alone', '{"a":1}', { a: 1 }],
    ['with blanks around', '\n [1,2] \n', [1, 2]],
    ['in a fence', 'Here you are:\n```json\n{"a":1}\n```\nDone.', { a: 1 }],
    ['in a fence without a name', '```\n[1]\n```', [1]],
    ['in prose', 'The answer is {"a":{"b":2}}, I think.', { a: { b: 2 } }],
    ['a list in prose', 'Take [1, 2].', [1, 2]],
    ['behind other brackets', 'As in [the notes] and [0, 1), {see}: {"a":1}', { a: 1 }],
    ['whose texts hold brackets', 'Say {"a":"}] \\" {"} now.', { a: '}] " {' }],
    ['as the first of several', '{"a":1} or {"a":2}', { a: 1 }],
    ['in a fence behind brackets', '[1] says:\n```JSON\n{"a":1}\n```', { a: 1 }],
    ['a plain value', '42', 42],
    ['null', 'null', null],
  ])('is found %s', (_where, text, value) => {
    expect(jsonIn(text)).toEqual(value);
  });

  test.each(['', 'none', '{"a":', 'a } b { c', '``` ```', '{"a":[{"b":1},', '{"a":[{"b":1},]}', '{"a":1]'])(
    'is not found in "%s"',
    (text) => {
      expect(jsonIn(text)).toBeUndefined();
    },
  );

  test('is found in prose around a fence that holds none', () => {
    expect(jsonIn('```ts\nconst x = 1;\n```\nso: {"a":1}')).toEqual({ a: 1 });
  });

  test('is given whole, one after the other, in the order of the text', () => {
    const text = '[1] and {"a":[{"b":2}]}, {c}, [] too';
    expect([...jsonValuesIn(text)]).toEqual([[1], { a: [{ b: 2 }] }, []]);
    expect([...jsonValuesIn('[1, {"a":2}]')]).toEqual([[1, { a: 2 }]]);
  });

  test.each([
    ['brackets that are never closed', '['.repeat(300_000)],
    ['the same, and then prose', `${'['.repeat(300_000)} so`],
    ['objects that are cut off', '{"a":'.repeat(200_000)],
    ['texts that are never closed', '["'.repeat(300_000)],
    ['a fence that is never closed', `\`\`\`${' '.repeat(300_000)}x`],
    ['brackets in the wrong order', '[}'.repeat(300_000)],
  ])('is looked for in one go: %s', (_what, text) => {
    expect(jsonIn(text)).toBeUndefined();
    expect(jsonIn(`${text}\n\n`)).toBeUndefined();
  });

  test.each(['x\\"[{', '\n', '\\'])('is found however long its texts are: %j', (piece) => {
    const a = piece.repeat(4_000_000);
    expect(jsonIn(`So: {"a":${JSON.stringify(a)}}.`)).toEqual({ a });
  });
});
