import { expect, test } from 'vitest';
import { check } from '../../src/actors/check.ts';

test('what is wrong with a value is said with its place, however a schema names the place', async () => {
  const schema = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      jsonSchema: { input: () => ({}), output: () => ({}) },
      validate: async () => ({
        issues: [
          { message: 'too long', path: ['list', 2, { key: 'name' }] },
          { message: 'not a list', path: [] },
          { message: 'odd' },
        ],
      }),
    },
  };
  expect(await check(schema, {})).toEqual({ problem: 'list.2.name: too long; not a list; odd' });
});
