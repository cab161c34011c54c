import { describe, expect, test } from 'vitest';
import { fitTo, harmless, oneLine, padTo, textWidth } from '../src/text-width.ts';

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
    expect(oneLine('bell\u0007 csi\u009b31m')).toBe('bell csi 31m');
  });
});
