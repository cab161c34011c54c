import type { JSONSchema } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { satisfiesStrictMode } from '../src/strict-schema.ts';

const object = (properties: object, more: object = {}) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
});
const text = { type: 'string' };
const nested = (levels: number): object => (levels === 0 ? text : object({ in: nested(levels - 1) }));

describe('strict mode', () => {
  test.each([
    ['an object of texts', object({ a: text })],
    ['an empty object', { type: 'object', additionalProperties: false }],
    [
      'lists, choices and constants',
      object({ a: { type: 'array', items: text }, b: { anyOf: [text, { type: 'null' }] }, c: { const: 1 } }),
    ],
    ['several types', object({ a: { type: ['string', 'null'] } })],
    ['known formats and bounds', object({ a: { type: 'string', format: 'uuid' }, b: { type: 'number', minimum: 0 } })],
    [
      'definitions',
      object({ a: { $ref: '#/$defs/a' } }, { $defs: { a: object({ b: text }) }, definitions: { b: text } }),
    ],
    [
      'what zod makes of a strict object',
      z.toJSONSchema(z.strictObject({ a: z.enum(['x', 'y']), b: z.int().nullable() })),
    ],
    ['ten levels', nested(10)],
  ])('takes %s', (_, schema) => expect(satisfiesStrictMode(schema as JSONSchema)).toBe(true));

  test.each([
    ['a root that is no object', { type: 'array', items: text }],
    ['a choice at the root', { ...object({}), anyOf: [object({})] }],
    ['an optional property', object({ a: text }, { required: [] })],
    ['no word on what is required', { type: 'object', properties: { a: text }, additionalProperties: false }],
    ['open objects', object({ a: text }, { additionalProperties: true })],
    ['an open object inside', object({ a: { type: 'object', properties: {} } })],
    ['an open object in a choice', object({ a: { anyOf: [{ type: ['object', 'null'] }] } })],
    ['an open object in a definition', object({}, { $defs: { a: { type: 'object' } } })],
    ['unknown keywords', object({ a: { type: 'string', default: 'x' } })],
    ['combinations', object({ a: { allOf: [text] } })],
    ['unknown formats', object({ a: { type: 'string', format: 'uri' } })],
    ['anything', object({ a: {} })],
    ['true for a schema', object({ a: true })],
    ['lists of anything', object({ a: { type: 'array' } })],
    ['properties that are a list', object([] as object)],
    ['eleven levels', nested(12)],
  ])('does not take %s', (_, schema) => expect(satisfiesStrictMode(schema as JSONSchema)).toBe(false));
});
