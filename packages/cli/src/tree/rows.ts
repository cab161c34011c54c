/** A tree of runs as lines for a terminal. Pure: the same tree, time and size give the same lines. */
import { isEnded, tokensOf } from '@troupe/protocol';
import { fitTo, oneLine, padTo, textWidth } from '../text-width.ts';
import { progressOf } from './batch.ts';
import { costText, countsOf, markOf, statusOf, timeText, tokensText } from './figures.ts';
import { type Look, type Paint, plain } from './paint.ts';
import { spentOf } from './spent.ts';
import { type RunNode, runsOf, type Tree, totalOf } from './tree.ts';

/** A run and its distance from the top. */
export type Placed = { run: RunNode; level: number };

export type RowOptions = {
  /** Epoch milliseconds: turns the spinners and tells how long a run works already. */
  now: number;
  width: number;
  /** When there are more runs, those that ended are left out first, and the last line counts what is missing. */
  height?: number;
  paint?: Paint;
};

/** The lines of a tree: one for each run, indented under its parent, none wider than `width`. */
export const rowsOf = (tree: Tree, { height, ...options }: RowOptions): string[] => {
  const { shown, hidden } = windowOf([...runsOf(tree)], height ?? Number.POSITIVE_INFINITY);
  const rows = layOut(shown, options);
  if (hidden > 0) rows.push(hiddenLine(hidden, options.width));
  return rows;
};

export const hiddenLine = (hidden: number, width: number): string =>
  fitTo(`… ${hidden} more ${hidden === 1 ? 'run' : 'runs'}`, width);

/** The lines of some runs, in columns; one that is empty everywhere is left out. */
export const layOut = (shown: readonly Placed[], { now, width, paint = plain }: RowOptions): string[] => {
  const titles = shown.map(({ run, level }) => `${'  '.repeat(level)}${markOf(run, now)} ${oneLine(run.agent)}`);
  const titleWidth = Math.min(Math.max(0, ...titles.map(textWidth)), Math.max(8, Math.floor(width / 2)));
  const figures = shown.map(({ run }) => figuresOf(run, now));
  const used = columnsOf(figures, width);
  const room = width - titleWidth - 2 - used.reduce((sum, i) => sum + (columns[i]?.width ?? 0) + 2, 0);
  return shown.map(({ run }, n) => {
    const title = padTo(fitTo(titles[n] ?? '', titleWidth), titleWidth);
    const cells = [paint(title, ...looksOf(run))];
    const doing = padTo(fitTo(doingOf(run, now), room), room);
    if (room > 3) cells.push(isEnded(run.status) ? paint(doing, 'dim') : doing);
    if (room >= 0)
      for (const i of used) {
        const { text = '', looks = [] } = figures[n]?.[i] ?? {};
        cells.push(paint(`${' '.repeat(Math.max(0, (columns[i]?.width ?? 0) - textWidth(text)))}${text}`, ...looks));
      }
    const row = cells.join('  ');
    return paint === plain ? fitTo(row.trimEnd(), width) : row;
  });
};

/** The places of the columns that something stands in and that there is room for. */
const columnsOf = (figures: readonly Figure[][], width: number): number[] =>
  columns.flatMap(({ from }, i) => (width >= from && figures.some((row) => row[i]?.text) ? i : []));

/** What a run does, or came to: the part of a row that gives way first. */
const doingOf = (run: RunNode, now: number): string => {
  if (isEnded(run.status)) return statusOf(run);
  const doing = run.status === 'running' ? workOf(run, now) : statusOf(run);
  return run.spawningPaused ? `spawning held  ${doing}` : doing;
};

const workOf = (run: RunNode, now: number): string => {
  const tools = countsOf(Object.values(run.calls));
  const progress = progressOf(run.batch, now);
  const parts = [tools === '' ? statusOf(run) : tools];
  if (!progress) return parts.join('  ');
  const { done, of, leftMs } = progress;
  if (leftMs !== undefined) parts.unshift(`about ${timeText(leftMs)} left`);
  return [`${bar(done / of, Math.min(of, 8))} ${done}/${of}`, ...parts].join('  ');
};

type Figure = { text: string; looks?: Look[] };

/** Budget, of what, turns, tokens, cost, time: each with its width, and the width of a screen that has room for it. */
const columns = [
  { width: 10, from: 64 },
  { width: 6, from: 110 },
  { width: 10, from: 90 },
  { width: 6, from: 46 },
  { width: 8, from: 60 },
  { width: 8, from: 34 },
];

/** What stands in the columns. */
const figuresOf = (run: RunNode, now: number): Figure[] => {
  const spent = isEnded(run.status) ? null : spentOf(run);
  const tokens = tokensOf(run.usage);
  const { costUsd } = run.usage;
  return [
    spent ? { text: `${bar(spent.share, 5)} ${percentOf(spent.share)}`, looks: lookOf(spent.share) } : { text: '' },
    { text: spent ? kindText[spent.kind].padEnd(6) : '', looks: ['dim'] },
    { text: run.turns === 0 ? '' : turnText(run) },
    { text: tokens === 0 ? '' : tokensText(tokens) },
    { text: costUsd === undefined ? '' : costText(costUsd) },
    { text: timeText((run.endedAt ?? now) - (run.startedAt ?? run.since)), looks: ['dim'] },
  ];
};

const turnText = ({ turns, limits }: RunNode): string =>
  limits.turns === undefined ? `turn ${turns}` : `turn ${turns}/${limits.turns}`;

const kindText = { turns: 'turns', toolCalls: 'calls', tokens: 'tokens', costUsd: 'cost' } as const;
const percentOf = (share: number): string => `${String(Math.min(999, Math.floor(share * 100))).padStart(2)} %`;
const lookOf = (share: number): Look[] => (share >= 1 ? ['red'] : share >= 0.8 ? ['yellow'] : ['blue']);

/** A share as a bar; full only when nothing is left. */
const bar = (share: number, columns: number): string => {
  const full = Math.max(0, Math.min(columns, Math.floor(share * columns + 1e-9)));
  return '█'.repeat(full) + '░'.repeat(columns - full);
};

const looksOf = ({ status, exitReason }: RunNode): Look[] => {
  switch (status) {
    case 'completed':
      return ['green'];
    case 'failed':
      return ['red'];
    case 'interrupted':
    case 'interrupting':
      return ['yellow'];
    case 'paused':
      return exitReason === 'question' ? ['bold', 'yellow'] : ['yellow'];
    case 'running':
      return ['cyan'];
    case 'queued':
      return ['dim'];
  }
};

/** One line for all runs together: `4 runs  12 turns  48.2k tokens  $0.03  12 s`. */
export const totalLine = (tree: Tree, { now, width }: { now: number; width: number }): string => {
  const { runs, turns, usage, ms } = totalOf(tree);
  const since = Math.min(...tree.roots.map((run) => run.startedAt ?? run.since));
  const parts = [`${runs} ${runs === 1 ? 'run' : 'runs'}`, `${turns} ${turns === 1 ? 'turn' : 'turns'}`];
  parts.push(`${tokensText(tokensOf(usage))} tokens`);
  if (usage.costUsd !== undefined) parts.push(costText(usage.costUsd));
  parts.push(timeText(ms ?? now - since));
  return fitTo(parts.join('  '), width);
};

/** As many runs as fit; ended ones without a working descendant go first, the deepest and oldest before others, then the newest. */
export const windowOf = (all: readonly Placed[], height: number): { shown: readonly Placed[]; hidden: number } => {
  if (all.length <= height) return { shown: all, hidden: 0 };
  const room = Math.max(1, height - 1);
  const working = (run: RunNode): boolean => !isEnded(run.status) || run.children.some(working);
  const leaving = all
    .filter(({ run, level }) => level > 0 && !working(run))
    .sort((a, b) => b.level - a.level)
    .slice(0, all.length - room);
  const left = new Set(leaving);
  const shown = all.filter((row) => !left.has(row)).slice(0, room);
  return { shown, hidden: all.length - shown.length };
};

/** As many runs as fit around one of them, in order. */
export const windowAround = (all: readonly Placed[], height: number, runId: string) => {
  if (all.length <= height) return { shown: all, hidden: 0 };
  const room = Math.max(1, height - 1);
  const at = all.findIndex(({ run }) => run.runId === runId);
  const from = Math.max(0, Math.min(at - Math.floor(room / 2), all.length - room));
  return { shown: all.slice(from, from + room), hidden: all.length - room };
};
