import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addRows, gather, noFrame } from '../src/hub/frames.ts';

const happens = fc.array(
  fc.record({
    how: fc.constantFrom('row' as const, 'gone' as const, 'frame' as const),
    id: fc.constantFrom('a', 'b', 'c'),
  }),
  { maxLength: 30 },
);

test('whatever comes and goes, and whenever frames are taken, a page that missed some has the rows that there are', () => {
  fc.assert(
    fc.property(happens, (all) => {
      const gathered = gather();
      const owed = noFrame();
      const there = new Set<string>();
      for (const { how, id } of [...all, { how: 'frame' as const, id: '' }]) {
        if (how === 'frame') addRows(owed, gathered.take());
        else {
          gathered[how](id);
          if (how === 'row') there.add(id);
          else there.delete(id);
        }
      }
      // A page applies rows first, then what is gone.
      const page = new Set(owed.ids);
      for (const id of owed.gone) page.delete(id);
      expect([...page].sort()).toEqual([...there].sort());
    }),
  );
});
