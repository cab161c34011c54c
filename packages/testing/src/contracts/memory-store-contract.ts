import type { JSONValue, MemoryStore } from '@troupe/protocol';
import { expect } from 'vitest';
import type { Contract, ContractOptions, Open, Reopen } from './contract.ts';
import { declareContract } from './declare.ts';

/**
 * The tests that every {@link MemoryStore} passes: call it in a vitest file of the adapter.
 *
 * @param open Opens a new, empty store.
 */
export const memoryStoreContract = <Store extends MemoryStore>(
  name: string,
  open: Open<Store>,
  options: ContractOptions<Store> = {},
): void =>
  declareContract(name, [...memoryStoreSentences, ...(options.reopen ? lasting(options.reopen) : [])], open, options);

const values: JSONValue[] = [
  null,
  true,
  false,
  0,
  -1.5,
  '',
  'Zoë 👩‍👩‍👧 "\'\\ \u2028',
  [],
  {},
  [1, [null]],
  { a: { b: ['c'] } },
];

const keysOf = (found: readonly { key: string }[]) => found.map(({ key }) => key);

/** What a {@link MemoryStore} promises, a sentence at a time. */
export const memoryStoreSentences: Contract<MemoryStore> = [
  [
    'knows nothing at first',
    async (open) => {
      const store = await open();
      expect(await store.read('s', 'k')).toBeUndefined();
      expect(await store.search('s', '')).toEqual([]);
    },
  ],
  [
    'gives back any value as it was, nothing included',
    async (open) => {
      const store = await open();
      for (const [index, value] of values.entries()) await store.write('s', `k${index}`, value);
      for (const [index, value] of values.entries()) expect(await store.read('s', `k${index}`)).toEqual(value);
    },
  ],
  [
    'keeps what it was given, whatever becomes of that, and of what it gives',
    async (open) => {
      const store = await open();
      const value = { list: [1] };
      await store.write('s', 'k', value);
      value.list.push(2);
      expect(await store.read('s', 'k')).toEqual({ list: [1] });
      const found = await store.search('s', 'k');
      for (const given of [await store.read('s', 'k'), ...found.map((memory) => memory.value)])
        (given as typeof value).list.push(3);
      expect(await store.read('s', 'k')).toEqual({ list: [1] });
    },
  ],
  [
    'gives back 1 MB as it was',
    async (open) => {
      const store = await open();
      const text = 'ten bytes '.repeat(104_858);
      await store.write('s', 'k', { text });
      expect((await store.read('s', 'k')) as object).toEqual({ text });
    },
  ],
  [
    'remembers the last value under a key',
    async (open) => {
      const store = await open();
      await store.write('s', 'k', 'old');
      await store.write('s', 'k', 'new');
      expect(await store.read('s', 'k')).toBe('new');
      expect(await store.search('s', '')).toEqual([{ scope: 's', key: 'k', value: 'new' }]);
    },
  ],
  [
    'keeps scopes apart',
    async (open) => {
      const store = await open();
      await store.write('a', 'k', 1);
      await store.write('b', 'k', 2);
      await store.write('a:b', 'k', 3);
      await store.write('a', 'b:k', 4);
      expect(await store.read('a', 'k')).toBe(1);
      expect(await store.read('b', 'k')).toBe(2);
      expect(await store.read('a:b', 'k')).toBe(3);
      expect(await store.search('b', '')).toEqual([{ scope: 'b', key: 'k', value: 2 }]);
      expect(await store.read('A', 'k')).toBeUndefined();
    },
  ],
  [
    'finds what contains a text in its key or its value, in any case',
    async (open) => {
      const store = await open();
      await store.write('s', 'City', 'Köln');
      await store.write('s', 'trip', { to: [{ name: 'KÖLN' }] });
      await store.write('s', 'other', 'Bonn');
      await store.write('other scope', 'city', 'Köln');
      expect(keysOf(await store.search('s', 'köln'))).toEqual(['City', 'trip']);
      expect(keysOf(await store.search('s', 'cITY'))).toEqual(['City']);
      expect(await store.search('s', 'Rome')).toEqual([]);
    },
  ],
  [
    'takes the text by the letter',
    async (open) => {
      const store = await open();
      for (const key of ['100%', '1000', 'a_b', 'axb', 'a.b', "it's"]) await store.write('s', key, 0);
      await store.write('s', ' said ', 'She said: "Hi"');
      expect(keysOf(await store.search('s', ': "hi'))).toEqual([' said ']);
      expect([await store.read('s', ' said '), await store.read('s', 'said')]).toEqual(['She said: "Hi"', undefined]);
      expect(keysOf(await store.search('s', '0%'))).toEqual(['100%']);
      expect(keysOf(await store.search('s', 'a_b'))).toEqual(['a_b']);
      expect(keysOf(await store.search('s', 'a.b'))).toEqual(['a.b']);
      expect(keysOf(await store.search('s', "t's"))).toEqual(["it's"]);
    },
  ],
  [
    'finds in the order things were first written, and as many as it is asked for',
    async (open) => {
      const store = await open();
      for (const key of ['c', 'a', 'b']) await store.write('s', key, 'x');
      await store.write('s', 'c', 'x again');
      expect(keysOf(await store.search('s', 'x'))).toEqual(['c', 'a', 'b']);
      expect(keysOf(await store.search('s', 'x', { limit: 2 }))).toEqual(['c', 'a']);
    },
  ],
  [
    'forgets a scope, and only that',
    async (open) => {
      const store = await open();
      await store.write('s', 'k', 1);
      await store.write('t', 'k', 2);
      await store.reset('s');
      await store.reset('never written');
      expect(await store.read('s', 'k')).toBeUndefined();
      expect(await store.search('s', '')).toEqual([]);
      expect(await store.read('t', 'k')).toBe(2);
      await store.write('s', 'k', 3);
      expect(await store.read('s', 'k')).toBe(3);
    },
  ],
  [
    'forgets one key, and only that',
    async (open) => {
      const store = await open();
      for (const key of ['a', 'b', 'c']) await store.write('s', key, 'same words');
      await store.reset('s', '');
      await store.write('t', 'b', 'same words');
      await store.reset('s', 'b');
      await store.reset('s', 'never written');
      await store.reset('never written', 'b');
      expect(await store.read('s', 'b')).toBeUndefined();
      expect((await store.search('s', 'same words')).map(({ key }) => key)).toEqual(['a', 'c']);
      expect(await store.read('t', 'b')).toBe('same words');
      await store.write('s', 'b', 'same words');
      expect((await store.search('s', 'same words')).map(({ key }) => key)).toEqual(['a', 'c', 'b']);
    },
  ],
];

const lasting = <Store extends MemoryStore>(reopen: Reopen<Store>): Contract<Store> => [
  [
    'remembers everything when it is opened again',
    async (open, time) => {
      const store = await open();
      for (const key of ['b', 'a']) await store.write('s', key, { key });
      const before = await store.search('s', '');
      expect(await (await reopen(store, time)).search('s', '')).toEqual(before);
    },
  ],
];
