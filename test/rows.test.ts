import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { compareRows, idsIn, rowsOf, titlesOf } from './tools/rows.mjs';

// Not written in the `each` below, or these would be citations themselves.
const spellings: [what: string, title: string, ids: string[]][] = [
  ['one of them', 'gives it back (BG-013)', ['BG-013']],
  ['a list', 'BG-007, BG-008: refuses', ['BG-007', 'BG-008']],
  ['a list with spaces', 'F-01 F-02 asks', ['F-01', 'F-02']],
  ['a range', 'BG-009…011', ['BG-009', 'BG-010', 'BG-011']],
  ['a range with both ids', 'BG-009..BG-010', ['BG-009', 'BG-010']],
  ['alternatives', 'B-07/08', ['B-07', 'B-08']],
  ['laws', 'L1–L3, and L6', ['L1', 'L2', 'L3', 'L6']],
  ['nothing of another kind', 'UTF-8, GPT-5, HTML5, XB-01, 3L2', []],
];

describe('the rows of behaviour', () => {
  const here = () => compareRows(fileURLToPath(new URL('..', import.meta.url)));

  test('each have a test that cites them, or say that they come later', () => {
    expect(here().untested).toEqual([]);
  });

  test('hold every id that a test cites', () => {
    expect(here().unknown).toEqual([]);
  });

  test('are found by the id that begins a list item, exempt under "Not yet" or with a mark', () => {
    const page = [
      '# Page',
      '- BG-013 A row. See BG-099.',
      '- **F-11** A row in bold.',
      '* **B-01 A title.** More.',
      '- L3 A law.',
      '- B-40, B-41 Two.',
      '- HM-060…062 Three.',
      '- HM-070 A row for another day (later: issue 7, needs a store).',
      '- A sentence that names F-12.',
      '## Not yet',
      '- SB-001 A row.',
      '### Still not',
      '- SB-002 A row.',
      '## Again',
      '- SB-003 A row.',
    ].join('\n');
    const rows = rowsOf(page, 'page.md');
    const ids = (later: boolean) => rows.filter((row) => row.later === later).map(({ id }) => id);
    expect(ids(false)).toEqual([
      'BG-013',
      'F-11',
      'B-01',
      'L3',
      'B-40',
      'B-41',
      'HM-060',
      'HM-061',
      'HM-062',
      'SB-003',
    ]);
    expect(ids(true)).toEqual(['HM-070', 'SB-001', 'SB-002']);
  });

  test.each(spellings)('are cited by %s', (_what, title, ids) => {
    expect(idsIn(title)).toEqual(ids);
  });

  test('are cited in titles and tables, and not by what is skipped', () => {
    const source = `
      const other = 'not a title';
      describe('suite', () => {
        test('test', async () => { call('not a title either'); });
        it.concurrent(\`template \${other} end\`, () => {});
        test.each([['row', 1], { name: 'record' }])('%s', (name: string) => {});
        test.skipIf(isWindows)('conditional', () => {});
        test.skip('skipped', () => {});
        test.todo('to do');
      });
      describe.skip('skipped suite', () => { test('inside it', () => {}); });`;
    expect(titlesOf(source)).toEqual(['suite', 'test', 'template   end', '%s', 'row', 'record', 'conditional']);
  });

  test('are missed when there is no test, no row, or no page', () => {
    const root = mkdtempSync(join(tmpdir(), 'troupe-rows-'));
    onTestFinished(() => rmSync(root, { recursive: true }));
    expect(() => compareRows(root)).toThrow(/^No rows/);

    mkdirSync(join(root, 'test', 'behaviours'), { recursive: true });
    writeFileSync(
      join(root, 'test', 'behaviours', 'page.md'),
      '- F-01 One.\n- F-02 Two.\n- F-03 Three. (later: issue 9)\n',
    );
    // cut in two, or this very file would cite them
    writeFileSync(join(root, 'test', 'some.test.ts'), `test('keeps F-${'01'} and F-${'09'}', () => {});`);
    expect(compareRows(root)).toMatchObject({
      untested: ['F-02 (test/behaviours/page.md:2)'],
      unknown: ['F-09 in "keeps F-01 and F-09" (test/some.test.ts)'],
    });
  });
});
