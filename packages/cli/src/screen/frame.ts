/** What is on the screen: the tree, the question or line that is being typed in its place, and what keys do. Pure. */
import type { Question } from '@troupe/protocol';
import { endOf, fitTo, harmless, lettersOf, oneLine, textWidth } from '../text-width.ts';
import type { Paint } from '../tree/paint.ts';
import { hiddenLine, layOut, totalLine, windowAround, windowOf } from '../tree/rows.ts';
import { runsOf, type Tree } from '../tree/tree.ts';
import { type KeysContext, openIn, selectedIn } from './keys-machine.ts';

/** What keys are for; absent where none are read. */
export type Keys = { mode: 'browsing' | 'answering' | 'steering' | 'confirming'; context: KeysContext };

export type FrameOptions = {
  now: number;
  columns: number;
  rows: number;
  paint: Paint;
  keys?: Keys | undefined;
  /** Whether no run of this process may start children. */
  isHeld?: boolean | undefined;
};

/** Lines that are never wider than the screen, and fewer than it has. */
export const frameOf = (tree: Tree, { now, columns, rows, paint, keys, isHeld }: FrameOptions): string[] => {
  const width = Math.max(8, columns - 1);
  const gutter = keys ? 2 : 0;
  const placed = [...runsOf(tree)];
  if (placed.length === 0) return [];
  const selected = keys && selectedIn(keys.context)?.runId;
  const below = keys ? belowOf(keys, { width, rows, paint }) : { under: '', lines: [] };
  const foot = [fitTo(footOf(tree, { now, width, isHeld }), width), ...(keys ? [hintsOf(keys, width, paint)] : [])];
  const height = Math.max(1, rows - 1 - below.lines.length - foot.length);
  const moved = keys?.context.selected;
  const { shown, hidden } =
    moved && placed.some(({ run }) => run.runId === moved)
      ? windowAround(placed, height, moved)
      : windowOf(placed, height);

  const lines: string[] = [];
  layOut(shown, { now, width: width - gutter, paint }).forEach((row, i) => {
    const { runId } = shown[i]?.run ?? {};
    const mark = keys ? (runId === selected ? paint('❯ ', 'bold') : '  ') : '';
    lines.push(`${mark}${row}`);
    if (runId === below.under) lines.push(...below.lines);
  });
  if (hidden > 0) lines.push(hiddenLine(hidden, width));
  if (below.lines.length > 0 && !shown.some(({ run }) => run.runId === below.under)) lines.push(...below.lines);
  return [...lines, ...foot].slice(0, Math.max(1, rows - 1));
};

const footOf = (
  tree: Tree,
  { now, width, isHeld }: { now: number; width: number; isHeld: boolean | undefined },
): string => `${isHeld ? 'Spawning is held.  ' : ''}${totalLine(tree, { now, width })}`;

/** What opens below a run: its question, or the line that is typed for it. */
const belowOf = (
  { mode, context }: Keys,
  { width, rows, paint }: { width: number; rows: number; paint: Paint },
): { under: string; lines: string[] } => {
  const indent = '    ';
  const room = width - indent.length;
  const typed = (): string => `${indent}${paint('› ', 'cyan')}${endOf(oneLineKept(context.text), room - 3)}▏`;
  const question = openIn(context);
  const run = selectedIn(context);
  if (mode === 'answering' && question)
    return {
      under: question.runId,
      lines: [...questionLines(question, room, rows).map((line) => indent + paint(line, 'yellow')), typed()],
    };
  if (mode === 'steering' && run) return { under: run.runId, lines: [typed()] };
  return { under: '', lines: [] };
};

/** As much of a question as fits in half of the screen. */
const questionLines = ({ prompt, options }: Question, room: number, rows: number): string[] => {
  const choice = options.length === 0 ? '' : ` (${options.map(oneLine).join(', ')})`;
  return wrap(`${harmless(prompt)}${choice}`, room, Math.max(4, Math.floor(rows / 2) - 2));
};

/** A text in lines of at most `columns`, broken between words, and within those that are longer; what is more than `most` lines is cut off. */
export const wrap = (text: string, columns: number, most: number): string[] => {
  const lines: string[] = [];
  for (const line of linesIn(text, columns)) {
    if (lines.length === most) return [...lines.slice(0, -1), fitTo(`${lines.at(-1)} …`, columns)];
    lines.push(line);
  }
  return lines;
};

function* linesIn(text: string, columns: number): Generator<string> {
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(/\s+/))
      for (const piece of piecesOf(word, columns)) {
        const longer = line === '' ? piece : `${line} ${piece}`;
        if (textWidth(longer) <= columns) line = longer;
        else {
          if (line !== '') yield line;
          line = fitTo(piece, columns);
        }
      }
    if (line !== '') yield line;
  }
}

function* piecesOf(word: string, columns: number): Generator<string> {
  if (textWidth(word) <= columns) return yield word;
  let piece = '';
  for (const letter of lettersOf(word)) {
    if (piece !== '' && textWidth(piece + letter) > columns) {
      yield piece;
      piece = '';
    }
    piece += letter;
  }
  yield piece;
}

/** Blanks at the end are typed, too. */
const oneLineKept = (text: string): string => harmless(text).replaceAll(/\s/g, ' ');

/** What keys do now; a notice comes first. */
const hintsOf = ({ mode, context }: Keys, width: number, paint: Paint): string => {
  if (mode === 'confirming') {
    const who = selectedIn(context)?.runId ?? '';
    const asks = [`Interrupt ${who} and all below it? y: yes, any other key: no`, 'Interrupt it and all below? y/n'];
    return paint(asks.find((text) => textWidth(text) <= width) ?? fitTo('Interrupt? y/n', width), 'yellow');
  }
  if (context.notice !== '') return paint(fitTo(oneLine(context.notice), width), 'yellow');
  const hints =
    mode === 'browsing'
      ? [
          ...(context.questions.length > 0 ? ['a answer'] : []),
          '↑↓ select',
          's steer',
          'space pause',
          selectedIn(context)?.spawningPaused ? 'p let spawn' : 'p hold spawning',
          'i interrupt',
          '^C stop',
        ]
      : ['enter send', 'esc back', '^C stop'];
  while (hints.length > 1 && textWidth(hints.join('  ')) > width) hints.pop();
  return paint(fitTo(hints.join('  '), width), 'dim');
};
