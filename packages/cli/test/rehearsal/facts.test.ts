import { describe, expect, test } from 'vitest';
import { factsOf, firstSentence, wordsToFind } from '../../src/rehearsal/facts.ts';

describe('the facts of a file', () => {
  test('are headings and the first sentence of prose, code blocks left out', () => {
    const text = [
      '# **Troupe**',
      '',
      '[![badge](x)](y)',
      '',
      'It runs agents that *delegate*. More follows.',
      '',
      '```sh',
      '# not a heading',
      '```',
      '## Install ##',
      '- a list item that is long enough to be taken',
      '<!-- TODO: say how -->',
    ].join('\n');
    expect(factsOf('README.md', text)).toEqual({
      file: 'README.md',
      lines: 12,
      headings: ['Troupe', 'Install'],
      exports: [],
      about: 'It runs agents that *delegate*.',
      marks: [{ line: 12, text: '<!-- TODO: say how -->' }],
    });
  });

  test.each([
    [
      'a.ts',
      `import x from 'x';\n/**\n * Does one thing.\n * And more.\n */\nexport const one = 1;\nexport default class Two {}\nexport async function three() {}\nexport type { Four, Five as Six } from './b.ts';\nexport interface Seven {}\nconst hidden = 1;`,
      ['one', 'Two', 'three', 'Seven', 'Four', 'Six'],
      'Does one thing.',
    ],
    ['b.mjs', `// Runs it.\n// Twice.\nexport let a = 1;`, ['a'], 'Runs it.'],
    [
      'c.py',
      `#!/usr/bin/env python\n"""Counts words. Slowly."""\ndef count():\n  def inner(): pass\nclass Counter: pass`,
      ['count', 'Counter'],
      'Counts words.',
    ],
    [
      'd.go',
      'package d\nfunc Open() {}\nfunc (d *D) Close() {}\nfunc hidden() {}\ntype D struct{}',
      ['Open', 'Close', 'D'],
      '',
    ],
    ['e.rs', 'pub fn run() {}\npub(crate) struct Inner;\nfn hidden() {}', ['run', 'Inner'], ''],
    ['package.json', '{"name":"@a/b","description":"Does it."}', [], '@a/b: Does it.'],
    ['broken/package.json', '{', [], ''],
    ['f.css', 'a { color: red }', [], ''],
  ])('of %s are what it offers and says of itself', (file, text, exports, about) => {
    expect(factsOf(file, text)).toMatchObject({ exports, about });
  });

  test('number marks from the first line that was read', () => {
    const facts = factsOf('a.ts', 'x\n// FIXME: y\nconst TODOS = 1;', { firstLine: 10, lineCount: 99 });
    expect(facts).toMatchObject({ lines: 99, marks: [{ line: 11, text: '// FIXME: y' }] });
  });

  test('cut sentences that do not end', () => {
    expect(firstSentence('word '.repeat(100))).toHaveLength(200);
    expect(firstSentence('Git - fast\n==========\nIt works. Yes.')).toBe('Git - fast It works.');
    expect(firstSentence('See a.b for it. Then go.')).toBe('See a.b for it.');
  });

  test('the words of a question are those that say something', () => {
    expect(wordsToFind('How are the errors of a run-time handled, and what would that Handled do?')).toEqual([
      'errors',
      'run-time',
      'handled',
    ]);
    expect(wordsToFind('Где обрабатываются ошибки?')).toEqual(['обрабатываются', 'ошибки']);
    expect(wordsToFind('What is in this folder?')).toEqual([]);
  });
});
