/** Texts that come in parts: however they are cut, nothing of a secret is told. */
import { keepSecret, redact, redactParts } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const plain = ['swordfish-77', 'swordfish-77-and-more', 'two words of it'];
for (const secret of plain) keepSecret(secret);

const told = (parts: readonly string[]): string[] => {
  const redacted = redactParts();
  return [...parts.map((part) => redacted.add(part)), redacted.end()];
};

const secrets = [
  'sk-proj-abcdefgh12345678',
  'ghp_abcdefghijklmnop1234',
  'github_pat_abcdefghijklmnop1234',
  'xoxb-12345678-abcdefgh',
  'AKIAABCDEFGHIJKLMNOP',
  `AIza${'a'.repeat(35)}`,
  'eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeK',
  'Bearer abc.def-ghi_123',
  'postgres://ada:lovelace@db:5432/x',
  ...plain,
];

describe('a text in parts', () => {
  test.each(secrets)('is told without %s, one character at a time, and nothing of it is told before', (secret) => {
    const text = `It is ${secret}, is it?`;
    const parts = told(text.split(''));
    expect(parts.join('')).toBe(redact(text));
    const whole = redact(text);
    for (let at = 0, sum = ''; at < parts.length; at += 1) {
      sum += parts[at];
      expect(whole.startsWith(sum)).toBe(true);
    }
  });

  test('is told as it comes where no secret begins', () => {
    const parts = ['Ask', ' the risk', '-managing', ' desk: ', 'why', ', and e', 'ven "more"', '.'];
    expect(told(parts)).toEqual([...parts.slice(0, 5), ', and ', 'even "more"', '.', '']);
  });

  test('is held back no longer than until what stands there is no secret', () => {
    expect(told(['a s', 'k', '-', 'short ', 'one'])).toEqual(['a ', '', '', 'sk-short ', 'one', '']);
    expect(told(['http:', '//localhost', ':30', '00', '/path'])).toEqual([
      'http',
      '',
      '',
      '',
      '://localhost:3000/path',
      '',
    ]);
    expect(told(['fish: sword', 'fish-7', '8'])).toEqual(['fish: ', '', 'swordfish-78', '']);
  });

  test('is held back as long as a word that looks like a secret is, at no cost that grows with it', () => {
    const word = `eyJ${'YWJjZGVm'.repeat(50_000)}`;
    const parts = word.match(/.{1,4}/gs) ?? [];
    expect(told([...parts, ' is no token']).join('')).toBe(`${word} is no token`);
    expect(told(['eyJhbGciOiJI', '.', ...parts, '.', ...parts, ', is it?']).join('')).toBe('[redacted], is it?');
  });

  test.each(['sk-', 'AIza-', 'xoxb-', 'ghp_', 'eyJ-', 'Bearer ', '://u:', ':', 's '])(
    'costs no more than its length where all of it is "%s"',
    (piece) => {
      const text = `${piece.repeat(40_000)}!`;
      expect(told(text.match(/.{1,4}/gs) ?? []).join('')).toBe(redact(text));
    },
  );

  test('tells what it ends with', () => {
    expect(told(['yes, s'])).toEqual(['yes, ', 's']);
    expect(told(['it is sk-abcdef', 'gh12'])).toEqual(['it is ', '', '[redacted]']);
    expect(told([])).toEqual(['']);
  });

  // Where what was registered touches what looks like a secret, it depends on the cut whether both are seen.
  const apart = (text: string): string => (plain.some((word) => word.startsWith(text)) ? ` (${text}) ` : text);
  const secret = fc.constantFrom(...secrets);
  const other = [' ', '. ', ':', '@', '/', '-', 's', 'e', 'A', 'Bearer ', '://', '://u:', 'ö', '\n'];
  const piece = fc.oneof(
    { weight: 4, arbitrary: secret },
    { weight: 2, arbitrary: secret.chain((text) => fc.nat(text.length).map((n) => text.slice(0, n))) },
    { weight: 4, arbitrary: fc.constantFrom(...other) },
    { weight: 1, arbitrary: fc.string({ maxLength: 5 }) },
  );
  const cutIn = (text: string, cuts: number[]): string[] => {
    const places = [0, ...cuts.filter((at) => at < text.length).toSorted((a, b) => a - b), text.length];
    return places.slice(1).map((to, i) => text.slice(places[i], to));
  };
  const pieces = fc.array(piece, { maxLength: 7 });
  const cuts = fc.array(fc.nat(80), { maxLength: 12 });

  test('is the same however it is cut', () => {
    fc.assert(
      fc.property(pieces, cuts, (pieces, cuts) => {
        const text = pieces.map(apart).join('');
        expect(told(cutIn(text, cuts)).join('')).toBe(redact(text));
      }),
      { numRuns: 3_000 },
    );
  });

  test('is told without what was registered, whatever it touches', () => {
    fc.assert(
      fc.property(pieces, cuts, (pieces, cuts) => {
        const all = told(cutIn(pieces.join(''), cuts)).join('');
        expect(plain.filter((word) => all.includes(word))).toEqual([]);
      }),
      { numRuns: 3_000 },
    );
  });
});
