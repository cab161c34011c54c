import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { endOf, fitTo, harmless, oneLine, padTo, textWidth } from '../src/text-width.ts';

describe('the width of text', () => {
  test.each([
    ['plain', 'abc', 3],
    ['accents in two code points', 'e\u0301a', 2],
    ['wide letters', '日本語', 6],
    ['full-width forms', 'Ａ！', 4],
    ['one emoji', '🚀', 2],
    ['an emoji of several people', '👩‍👩‍👧', 2],
    ['a flag', '🇳🇴', 2],
    ['narrow marks', '✔✖‖…⠋', 5],
    ['nothing', '', 0],
  ])('of %s', (_what, text, columns) => {
    expect(textWidth(text)).toBe(columns);
  });

  test('cuts to columns, never through a letter', () => {
    expect(fitTo('review', 6)).toBe('review');
    expect(fitTo('review', 4)).toBe('rev…');
    expect(fitTo('日本語', 4)).toBe('日…');
    expect(fitTo('👩‍👩‍👧x', 2)).toBe('…');
    expect(fitTo('x', 0)).toBe('');
    expect(textWidth(fitTo('日本語日本語', 7))).toBeLessThanOrEqual(7);
  });

  test('keeps the end, where one types', () => {
    expect(endOf('review', 4)).toBe('view');
    expect(endOf('日本語', 5)).toBe('本語');
    expect([endOf('x', 0), endOf('', 3), endOf('ab', 9)]).toEqual(['', '', 'ab']);
  });

  test('is one word for all of it: what is cut fits, what fits is not cut, and the end is the end', () => {
    const text = fc.string({
      unit: fc.oneof(fc.constantFrom('a', '日', '👩‍👩‍👧', 'e\u0301', '…'), fc.string({ unit: 'grapheme' })),
    });
    fc.assert(
      fc.property(text, fc.nat(30), (whole, columns) => {
        const [cut, end] = [fitTo(whole, columns), endOf(whole, columns)];
        expect(textWidth(cut)).toBeLessThanOrEqual(columns);
        expect(cut === whole).toBe(textWidth(whole) <= columns);
        expect(whole.endsWith(end)).toBe(true);
        expect(textWidth(end)).toBeLessThanOrEqual(columns);
      }),
    );
  });

  test('fills up with blanks', () => {
    expect(padTo('日本', 6)).toBe('日本  ');
    expect(padTo('long', 2)).toBe('long');
  });

  test('leaves nothing that a terminal would obey', () => {
    expect(oneLine('a\u001b[31mred\u001b[0m\r\nb\tc')).toBe('ared b c');
    expect(oneLine('\u001b]0;title\u0007x\u001b[2J')).toBe('x');
    expect(oneLine('abc\u202edef\u2066g')).toBe('abcdefg');
    expect(oneLine('👩‍👧 zero\u0000byte')).toBe('👩‍👧 zero byte');
    expect(harmless('a\r\n\tb\u001b[2Jc\u0008d\u2028e\u001b')).toBe('a\n\tbc d\u2028e');
    expect(oneLine('alm\u061cx')).toBe('almx');
    expect(oneLine('bell\u0007 csi\u009b31m')).toBe('bell csi 31m');
  });
});
