import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FrameOptions, frameOf, type Keys, wrap } from '../../src/screen/frame.ts';
import { textWidth } from '../../src/text-width.ts';
import { coloured, plain } from '../../src/tree/paint.ts';
import { runsOf, treeOf } from '../../src/tree/tree.ts';
import { journal } from '../events.ts';

const asks = (runId: string, prompt = 'May I deploy?') => ({
  id: `${runId}/1-0?`,
  runId,
  rootId: 'run_1',
  callId: 'a',
  kind: 'confirmation' as const,
  tool: 'deploy',
  arguments: {},
  prompt,
  options: ['yes', 'no'],
  askedAt: 1,
});

const team = (children = 3, prompt?: string) => {
  const log = journal();
  log.start('run_1', 'lead', 10);
  for (let n = 0; n < children; n++) log.start(`run_1/1-${n}/0`, `part ${n}`);
  if (prompt !== undefined)
    log.tell('run_1/1-1/0', 'part 1', { type: 'question.asked', question: asks('run_1/1-1/0', prompt) });
  return { tree: treeOf(log.events), now: log.now };
};

const keysFor = (
  tree: ReturnType<typeof team>['tree'],
  mode: Keys['mode'],
  more: Partial<Keys['context']> = {},
): Keys => {
  const runs = [...runsOf(tree)].map(({ run }) => run);
  const questions = runs.flatMap((run) => run.questions);
  const context = { runs, questions, selected: null, text: '', open: questions[0]?.id ?? null, seen: [], notice: '' };
  return { mode, context: { ...context, ...more } };
};
const size = { columns: 80, rows: 24, paint: plain };

describe('a picture', () => {
  test('is empty before anything is told', () => {
    expect(frameOf(treeOf([]), { ...size, now: 0 })).toEqual([]);
  });

  test('shows the question below the run that asks, with what is being typed', () => {
    const { tree, now } = team(3, 'May I deploy?');
    const keys = keysFor(tree, 'answering', { selected: 'run_1/1-1/0', text: 'ye' });
    const lines = frameOf(tree, { ...size, now, keys });
    const at = lines.findIndex((line) => line.startsWith('❯'));
    expect(lines[at]).toContain('part 1');
    expect(lines.slice(at + 1, at + 3)).toEqual(['    May I deploy? (yes, no)', '    › ye▏']);
    expect(lines.at(-1)).toBe('enter send  esc back  ^C stop');
  });

  test('shows what is typed for a run below it, what is confirmed, and notices', () => {
    const { tree, now } = team();
    const shown = (mode: Keys['mode'], more: Partial<Keys['context']>, isHeld?: boolean) =>
      frameOf(tree, { ...size, now, keys: keysFor(tree, mode, more), isHeld });
    expect(shown('steering', { text: 'go ' })[1]).toBe('    › go ▏');
    expect(shown('confirming', {}).at(-1)).toBe('Interrupt run_1 and all below it? y: yes, any other key: no');
    expect(shown('browsing', { notice: 'Not told:\nno' }).at(-1)).toBe('Not told: no');
    expect(shown('browsing', {}, true).at(-2)).toMatch(/^Spawning is held\. {2}4 runs/);
    expect(shown('browsing', {}).at(-1)).toContain('p hold spawning');
    const held = [{ runId: 'run_1', status: 'running' as const, spawningPaused: true }];
    expect(shown('browsing', { runs: held }).at(-1)).toContain('p let spawn');
  });

  test('leaves hints out that have no room', () => {
    const { tree, now } = team();
    const hints = (columns: number) => frameOf(tree, { ...size, columns, now, keys: keysFor(tree, 'browsing') }).at(-1);
    expect(hints(30)).toBe('↑↓ select  s steer');
    expect(hints(12)).toBe('↑↓ select');
  });

  test('keeps the selected run on the screen, however many there are', () => {
    const { tree, now } = team(60);
    for (const n of [0, 30, 59]) {
      const keys = keysFor(tree, 'browsing', { selected: `run_1/1-${n}/0` });
      const lines = frameOf(tree, { ...size, rows: 12, now, keys });
      expect(lines.find((line) => line.startsWith('❯'))).toContain(`part ${n}`);
      expect(lines).toContain('… 53 more runs');
    }
  });

  test('has colours that take no room', () => {
    const { tree, now } = team(2, 'May I?');
    const keys = keysFor(tree, 'answering');
    const [bare, painted] = [plain, coloured].map((paint) => frameOf(tree, { ...size, now, keys, paint }));
    expect(painted?.join('')).toContain('\u001b[');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the colours
    expect(painted?.map((line) => line.replaceAll(/\u001b\[[\d;]*m/g, '').trimEnd())).toEqual(
      bare?.map((line) => line.trimEnd()),
    );
  });

  test('shows a long question in half of the screen, and its rest is known to be missing', () => {
    const { tree, now } = team(3, `${'Shall I? '.repeat(200)}The end.`);
    for (const rows of [12, 24, 60]) {
      const lines = frameOf(tree, { ...size, rows, now, keys: keysFor(tree, 'answering') });
      const asked = lines.filter((line) => line.includes('Shall I?'));
      expect(asked).toHaveLength(Math.min(Math.max(4, rows / 2 - 2), 25));
      if (rows < 60) expect(asked.at(-1)).toMatch(/…$/);
      expect(lines.at(-1)).toMatch(/^enter send/);
    }
  });

  test('says which keys there are before a run is interrupted, however narrow it is', () => {
    const { tree, now } = team();
    const asked = (columns: number) =>
      frameOf(tree, { ...size, columns, now, keys: keysFor(tree, 'confirming') }).at(-1);
    expect([asked(80), asked(40), asked(20)]).toEqual([
      'Interrupt run_1 and all below it? y: yes, any other key: no',
      'Interrupt it and all below? y/n',
      'Interrupt? y/n',
    ]);
  });

  test('is drawn in time with 5,000 runs, a question without end and a text that was pasted', () => {
    const { tree, now } = team(5_000, '質問 '.repeat(50_000));
    const keys = keysFor(tree, 'answering', { text: '答え'.repeat(20_000) });
    const frames: FrameOptions[] = [
      { ...size, now, keys },
      { ...size, columns: 20, now },
    ];
    for (const frame of frames) {
      const at = performance.now();
      expect(frameOf(tree, frame).length).toBeLessThan(size.rows);
      // it takes 30 ms here; what grows with the square of anything takes minutes
      expect(performance.now() - at).toBeLessThan(2_000);
    }
  });

  test('is never wider or higher than the screen, whatever is asked and typed', () => {
    const options = fc.record({ columns: fc.integer({ min: 10, max: 120 }), rows: fc.integer({ min: 3, max: 40 }) });
    const mode = fc.constantFrom<Keys['mode']>('browsing', 'answering', 'steering', 'confirming');
    const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }));
    fc.assert(
      fc.property(options, mode, fc.nat(30), text, text, ({ columns, rows }, how, children, prompt, typed) => {
        const { tree, now } = team(children + 2, `${prompt} and more`);
        const keys = keysFor(tree, how, { text: typed, notice: how === 'browsing' ? prompt : '' });
        const frame: FrameOptions = { columns, rows, now, keys, paint: plain, isHeld: false };
        const lines = frameOf(tree, frame);
        expect(lines.length).toBeLessThan(rows);
        // what keys do is never pushed out
        if (rows > 12 && how === 'answering') expect(lines.at(-1)).toMatch(/^enter/);
        for (const line of lines) {
          expect(textWidth(line)).toBeLessThan(Math.max(columns, 9));
          expect(line).not.toMatch(/\p{Control}/u);
        }
      }),
    );
  });
});

test('a text is broken between words, and what is too much is cut off', () => {
  expect(wrap('one two three', 8, 4)).toEqual(['one two', 'three']);
  expect(wrap('one\n\ntwo', 8, 4)).toEqual(['one', 'two']);
  expect(wrap('a b c d e', 1, 3)).toEqual(['a', 'b', '…']);
  // nothing of a word is lost that is longer than a line: it may be what one is asked about
  expect(wrap('rm incomprehensible now', 6, 9)).toEqual(['rm', 'incomp', 'rehens', 'ible', 'now']);
  expect(wrap('incomprehensible', 6, 2)).toEqual(['incomp', 'rehen…']);
  expect(wrap('とても長い', 5, 9)).toEqual(['とて', 'も長', 'い']);
  expect(wrap('長い', 1, 9)).toEqual(['…', '…']);
});
