import { expect, test } from 'vitest';
import { z } from 'zod';
import { fillSchema } from '../../src/rehearsal/fill-schema.ts';

const shape = z.object({
  area: z.string(),
  score: z.int().min(1),
  share: z.number(),
  good: z.boolean(),
  kind: z.enum(['risk', 'mark']),
  version: z.literal(2),
  note: z.string().nullable(),
  line: z.int().optional(),
  items: z.array(z.object({ file: z.string(), kind: z.enum(['risk', 'mark']) })),
  inner: z.object({ title: z.string() }),
});
const schema = z.toJSONSchema(shape);

test.each([
  ['nothing', undefined],
  ['the wrong things', { area: 7, score: 'x', items: 'no', inner: 3, kind: 'else', good: 'yes', note: 4 }],
  [
    'everything',
    { area: 'a', score: 3, share: 0.5, good: true, kind: 'mark', line: 2, items: [{ file: 'f', kind: 'mark' }, null] },
  ],
])('a schema is filled with %s', (_what, known) => {
  expect(shape.parse(fillSchema(schema, known))).toBeDefined();
});

test('what is known is kept where it fits, and what nobody asked for is left out', () => {
  const known = {
    area: 'a',
    kind: 'mark',
    extra: 1,
    items: [{ file: 'f', kind: 'other', x: 1 }],
    note: 'n',
    score: 2.4,
  };
  expect(fillSchema(schema, known)).toEqual({
    area: 'a',
    score: 2,
    share: 0,
    good: false,
    kind: 'mark',
    version: 2,
    note: 'n',
    items: [{ file: 'f', kind: 'risk' }],
    inner: { title: '' },
  });
});
