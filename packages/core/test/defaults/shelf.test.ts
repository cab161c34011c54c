/** Events in the order of their commits: places stay what they are, whatever is forgotten. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shelfOf } from '../../src/defaults/shelf.ts';

const orders = fc.array(
  fc.oneof(
    fc.record({ put: fc.integer({ min: 1, max: 300 }) }),
    fc.record({ remove: fc.array(fc.integer({ min: 0, max: 900 }), { maxLength: 400 }) }),
  ),
  { maxLength: 8 },
);

test('whoever reads on from a place, or back, finds what is left there, in order', () => {
  fc.assert(
    fc.property(orders, fc.nat(900), (steps, from) => {
      const shelf = shelfOf<{ place: number }>();
      const left = new Map<number, { place: number }>();
      for (const step of steps) {
        if ('put' in step)
          for (let i = 0; i < step.put; i++) {
            const item = { place: shelf.count + 1 };
            shelf.put(item);
            left.set(item.place, item);
          }
        else
          for (const place of step.remove) {
            shelf.remove(place);
            left.delete(place);
          }
      }
      expect([...shelf.after(0)]).toEqual([...left.values()]);
      expect([...shelf.after(from)]).toEqual([...left.values()].filter(({ place }) => place > from));
      expect([...shelf.newest()]).toEqual([...left.values()].reverse());
      expect([...shelf.newest(from)]).toEqual([...left.values()].filter(({ place }) => place < from).reverse());
    }),
  );
});

test('what is put while somebody reads is read, too', () => {
  const shelf = shelfOf<number>();
  shelf.put(1);
  const read: number[] = [];
  for (const item of shelf.after(0)) {
    read.push(item);
    if (item < 600) shelf.put(item + 1);
  }
  expect(read).toEqual(Array.from({ length: 600 }, (_, i) => i + 1));
});

test('a reader who pauses finds each item once, in order, whatever is put and removed meanwhile', () => {
  const deeds = fc.array(
    fc.oneof(
      fc.record({ put: fc.integer({ min: 1, max: 60 }) }),
      fc.record({ removeTo: fc.oneof(fc.nat(900), fc.constant(Number.POSITIVE_INFINITY)) }),
      fc.record({ read: fc.integer({ min: 1, max: 20 }) }),
    ),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(deeds, (steps) => {
      const shelf = shelfOf<{ place: number }>();
      const reader = shelf.after(0)[Symbol.iterator]();
      let gone = 0;
      let read = 0;
      let isDone = false;
      for (const step of steps) {
        if ('put' in step) for (let i = 0; i < step.put; i++) shelf.put({ place: shelf.count + 1 });
        else if ('removeTo' in step)
          while (gone < Math.min(step.removeTo, shelf.count)) {
            gone += 1;
            shelf.remove(gone);
          }
        else
          for (let i = 0; i < step.read && !isDone; i++) {
            const { value, done } = reader.next();
            const next = Math.max(read, gone) + 1;
            isDone = done === true;
            expect(value?.place).toBe(next <= shelf.count ? next : undefined);
            read = value?.place ?? read;
          }
      }
    }),
  );
});
