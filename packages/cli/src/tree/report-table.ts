import { tokensOf } from '@troupe/protocol';
import { fitTo, oneLine, padTo, textWidth } from '../text-width.ts';
import { costText, markOf, statusOf, timeText, tokensText } from './figures.ts';
import { runsOf, type Tree, totalOf } from './tree.ts';

const unknown = '–';
const nameColumns = 48;

/** The tree of runs as a table: status, turns, tokens, cost and time of each run by itself, and what they are together. */
export const reportTable = (tree: Tree): string => {
  const rows = [...runsOf(tree)].map(({ run, level }) => {
    const ms = run.endedAt === undefined ? undefined : run.endedAt - (run.startedAt ?? run.since);
    const name = fitTo(`${'  '.repeat(level)}${oneLine(run.agent)}`, nameColumns);
    return [
      name,
      `${run.status === 'running' ? '·' : markOf(run, 0)} ${statusOf(run)}`,
      ...figures(run.turns, run.usage, ms),
    ];
  });
  const { runs, turns, usage, ms } = totalOf(tree);
  const total = ['together', runs === 1 ? '1 run' : `${runs} runs`, ...figures(turns, usage, ms)];
  return layOut([['run', 'status', 'turns', 'tokens', 'cost', 'time'], ...rows, total]);
};

const figures = (turns: number, usage: Parameters<typeof tokensOf>[0], ms: number | undefined): string[] => [
  String(turns),
  tokensText(tokensOf(usage)),
  usage.costUsd === undefined ? unknown : costText(usage.costUsd),
  ms === undefined ? unknown : timeText(ms),
];

/** Names and statuses to the left, figures to the right, a rule under the heading and one above the sums. */
const layOut = (rows: string[][]): string => {
  const widths = rows.reduce<number[]>((max, row) => row.map((cell, i) => Math.max(max[i] ?? 0, textWidth(cell))), []);
  const rule = widths.map((width) => '─'.repeat(width)).join('  ');
  const lines = rows.map((row) =>
    row
      .map((cell, i) =>
        i < 2 ? padTo(cell, widths[i] ?? 0) : `${' '.repeat((widths[i] ?? 0) - textWidth(cell))}${cell}`,
      )
      .join('  ')
      .trimEnd(),
  );
  return [lines[0], rule, ...lines.slice(1, -1), rule, lines.at(-1)].join('\n');
};
