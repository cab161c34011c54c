/** Open questions are found by the run that asks, or by any above it, as if all of them had been looked through. */
import { isWithin, type Question } from '@troupe/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openQuestionsBook } from '../../src/runtime/open-questions.ts';

const runIds = ['a', 'ab', 'a/1-0/0', 'a/1-0/1', 'a/1-1/0', 'a/1-0/0/2-0/0', 'ab/1-0/0', 'b'];
const ids = ['1', '2', '3', '4', '5', '6'];
const question = fc
  .record({ id: fc.constantFrom(...ids), runId: fc.constantFrom(...runIds), prompt: fc.string({ maxLength: 3 }) })
  .map((about) => ({ ...about, rootId: 'a', kind: 'confirmation', options: [], askedAt: 0 }) as unknown as Question);
const steps = fc.array(fc.oneof(fc.record({ add: question }), fc.record({ remove: fc.constantFrom(...ids) })));

test('a question is found by its run and by each above it, and by nobody once it is gone', () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const book = openQuestionsBook();
      const plain = new Map<string, Question>();
      for (const step of taken) {
        if ('add' in step) {
          const { add } = step;
          // One that another run asks by the same id is another one.
          if (plain.get(add.id)?.runId !== add.runId) plain.delete(add.id);
          plain.set(add.id, add);
          book.add(add);
        } else expect(book.remove(step.remove)).toBe(plain.delete(step.remove));
        const all = [...plain.values()];
        for (const runId of [...runIds, 'a/1-0', 'c', ''])
          expect(book.within(runId)).toEqual(all.filter((asked) => isWithin(asked.runId, runId)));
        for (const id of ids) expect(book.get(id)).toBe(plain.get(id));
      }
    }),
  );
});
