import type { JSONValue } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openFresh } from './files.ts';

const textOf = (value: JSONValue) => (typeof value === 'string' ? value : JSON.stringify(value));

/** What the contract says, by the letter. */
const contains = (text: string, wanted: string) => text.toLowerCase().includes(wanted.toLowerCase());

describe('memories', () => {
  test('are found as if each were looked at', { timeout: 60_000 }, async () => {
    const letters = fc.constantFrom(
      ...['a', 'B', 'ß', 'ẞ', 'Σ', 'ς', 'σ', 'İ', 'ı', 'I', 'é', 'e\u0301', '👩', '👧', '\ud83d', '\udc69', '\ufffd'],
      ...['"', '%', '_', '*', '-', '\\', '\n', '\u0000', ' ', 'Ω', 'K'],
    );
    const text = fc.array(letters, { maxLength: 8 }).map((parts) => parts.join(''));
    const value = fc.oneof(text, fc.record({ t: text }), fc.array(text, { maxLength: 2 }), fc.constant(null));
    const store = openFresh({ durability: 'normal' });
    let n = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(text, value), { maxLength: 12 }), fc.array(text), async (given, wishes) => {
        const scope = `s${n++}`;
        // A lone half of a character cannot be a key of its own in SQLite.
        const entries = given.map(([key, its], i) => ({ scope, key: `${key.toWellFormed()}${i}`, value: its }));
        await Promise.all(entries.map(({ key, value: its }) => store.write(scope, key, its)));
        const parts = entries.flatMap(({ key, value: its }) => [key.slice(0, 4), textOf(its).slice(1, 5)]);
        for (const wish of [...wishes, ...parts, ''])
          expect(store.search(scope, wish, { limit: 100 })).toEqual(
            entries.filter(({ key, value: its }) => contains(key, wish) || contains(textOf(its), wish)),
          );
      }),
      { numRuns: 150 },
    );
    await store.close();
  });

  test('are looked for as they are now', async () => {
    const store = openFresh();
    await store.write('s', 'k', 'first words');
    await store.write('s', 'k', 'other words');
    expect(store.search('s', 'first')).toEqual([]);
    expect(store.search('s', 'other')).toHaveLength(1);
    await store.reset('s');
    expect(store.search('s', 'other')).toEqual([]);
    await store.write('s', 'k', 'third');
    expect(store.search('s', 'third')).toHaveLength(1);
    await store.close();
  });

  test('are found 20 at a time unless told otherwise', async () => {
    const store = openFresh();
    await Promise.all(Array.from({ length: 30 }, (_, n) => store.write('s', `key ${n}`, n)));
    expect(store.search('s', 'key')).toHaveLength(20);
    expect(store.search('s', 'key', { limit: 25 })).toHaveLength(25);
    expect(store.search('s', 'key', { limit: 0 })).toEqual([]);
    await store.close();
  });
});
