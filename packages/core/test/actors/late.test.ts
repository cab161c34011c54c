import { expect, test } from 'vitest';
import { lateProperties } from '../../src/actors/late.ts';

const counting = lateProperties<{ n: number }, { n: number; next: number }>({
  n: (of) => of.n,
  next: (of) => of.n + 1,
});

test('a late property says what is true when it is read', () => {
  const of = { n: 1 };
  const made = counting({ name: 'a' }, of);
  expect([made.name, made.n, made.next]).toEqual(['a', 1, 2]);
  of.n = 5;
  expect([made.n, made.next]).toEqual([5, 6]);
});

test('it is taken apart, copied and written out like any other', () => {
  const of = { n: 1 };
  const made = counting({ name: 'a' }, of);
  const { n } = made;
  const copy = { ...made };
  of.n = 5;
  expect([n, copy, JSON.stringify(made), Object.create(made).n]).toEqual([
    1,
    { name: 'a', n: 1, next: 2 },
    '{"name":"a","n":5,"next":6}',
    5,
  ]);
});

test('objects of a kind share its getters', () => {
  const getterOf = (n: number) => Object.getOwnPropertyDescriptor(counting({}, { n }), 'n')?.get;
  expect(getterOf(1)).toBe(getterOf(2));
});
