import { randomIds } from '@troupe/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { freeNameOf, isName, labelOf, nameFor, newAgentId, sessionKeyOf, slugOf } from '../../src/subagents/names.ts';

const never = () => false;

describe('the id of a sub-agent', () => {
  test('is sub_ and ten hexadecimal digits, and names its session [SB-005]', () => {
    const ids = Array.from({ length: 200 }, () => newAgentId(randomIds, never));
    for (const id of ids) expect(id).toMatch(/^sub_[0-9a-f]{10}$/);
    expect(new Set(ids).size).toBe(200);
    expect(sessionKeyOf('sub_0123456789')).toBe('subagent-sub_0123456789');
  });

  test('is what the source gives where that is short, and never one that is taken [SB-005]', () => {
    let n = 0;
    const ids = { next: (kind: string) => `${kind}_${++n}` };
    expect(newAgentId(ids, never)).toBe('sub_1');
    expect(newAgentId(ids, (id) => id < 'sub_5')).toBe('sub_5');
  });
});

describe('a label', () => {
  const task = 'Find every place where the old name is used, and tell me which of them are tests.';

  test('is 60 characters of the task, or the role and 40 of them [SB-006]', () => {
    expect(labelOf({ task })).toBe('Find every place where the old name is used, and tell me whi');
    expect(labelOf({ task: 'Short.' })).toBe('Short.');
    expect(labelOf({ task, role: 'tester' })).toBe('tester: Find every place where the old name is u…');
    expect(labelOf({ task: 'x'.repeat(40), role: 'tester' })).toBe(`tester: ${'x'.repeat(40)}`);
    expect(labelOf({ task: 'x'.repeat(41), role: 'tester' })).toBe(`tester: ${'x'.repeat(40)}…`);
  });

  test('is what it was given, unless that is blank; it is on one line [SB-006]', () => {
    expect(labelOf({ label: ' My\nown ', task, role: 'tester' })).toBe('My own');
    for (const label of ['', ' \n', null]) expect(labelOf({ label, task: ' Do\n\nit ' })).toBe('Do it');
  });

  test('cuts no character in two [SB-006]', () => {
    expect(labelOf({ task: `${'x'.repeat(59)}😀` })).toBe('x'.repeat(59));
  });
});

describe('a name', () => {
  test.each(['a', 'A-1_b', '__proto__', '-'])('is letters, digits, _ and -: %s [SB-025]', (name) => {
    expect(isName(name)).toBe(true);
  });

  test.each(['', ' a', 'a b', 'a/b', 'a.b', 'é', 'a\n', undefined, null, 7])('is not %j [SB-025]', (name) => {
    expect(isName(name)).toBe(false);
  });

  test.each([
    ['Law & Order', 'law-order'],
    ['  Über  Café ', 'uber-cafe'],
    ['already_a-slug', 'already_a-slug'],
    ['文献检索', 'subagent'],
    ['a文献2', 'a-2'],
    ['--', 'subagent'],
  ])('is made of the text %j: %s [SB-099]', (text, slug) => {
    expect(slugOf(text)).toBe(slug);
  });

  test('that is made of any text is a name, and the same when it is made of itself [SB-025, SB-099]', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const slug = slugOf(text);
        expect(isName(slug)).toBe(true);
        expect(slugOf(slug)).toBe(slug);
        expect(isName(nameFor(text))).toBe(true);
      }),
    );
  });

  test('gets the next number when it is taken [SB-099]', () => {
    const taken =
      (...names: string[]) =>
      (name: string) =>
        names.includes(name);
    expect(freeNameOf('law', taken())).toBe('law');
    expect(freeNameOf('law', taken('law'))).toBe('law-2');
    expect(freeNameOf('law', taken('law', 'law-2', 'law-4'))).toBe('law-3');
  });

  test.each([
    ['summarize weekly engineering status reports', 'summarize-weekly-subagent'],
    ['Handle literature search, and cite.', 'handle-literature-subagent'],
    ['do it by 10am: Café notes_x 文献 translate', 'translate-subagent'],
    ['文献检索', 'subagent'],
    ['', 'subagent'],
  ])('is made of the first words of %j: %s [SB-099]', (description, name) => {
    expect(nameFor(description)).toBe(name);
  });
});
