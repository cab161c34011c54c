import type { RunLine } from '../wire.ts';
import { timeText } from './amounts.ts';
import type { AnchorOf } from './html-run.ts';
import { html, type Markup } from './markup.ts';
import { allOf, type Chapter, lengthOf, statusText } from './story.ts';

type Span = { from: number; length: number };

/** A bar for each run, from its beginning to its end, with its calls in it. */
export const timelineOf = (chapters: readonly Chapter[], anchorOf: AnchorOf): Markup => {
  const all = allOf(chapters);
  const from = Math.min(...all.map(({ chapter: { line } }) => line.createdAt));
  const to = Math.max(...all.map(({ chapter: { line } }) => line.createdAt + lengthOf(line)));
  const place = ({ from: at, length }: Span): string => {
    const percent = (ms: number) => `${((100 * ms) / Math.max(1, to - from)).toFixed(3)}%`;
    return `left:${percent(at - from)};width:${percent(length)}`;
  };
  const rows = all.map(({ chapter: { line, entries }, level }) => {
    const calls = entries.flatMap((entry) => {
      if (entry.type !== 'call') return [];
      const span = { from: entry.at, length: (entry.endedAt ?? line.lastAt) - entry.at };
      return [
        html`<span role="img" class="call" style="${place(span)}" title="${entry.tool}: ${timeText(span.length)}" aria-label="${entry.tool}: ${timeText(span.length)}"></span>`,
      ];
    });
    return html`<a href="#${anchorOf(line.id)}" style="padding-left:${level}rem">${line.name}</a>
<div class="lane"><span role="img" class="bar ${line.status}" style="${place(spanOf(line))}" title="${statusText(line)}, ${timeText(lengthOf(line))}" aria-label="${line.name}: ${statusText(line)}, ${timeText(lengthOf(line))}"></span>${calls}</div>`;
  });
  return html`<div class="timeline">${rows}</div>`;
};

const spanOf = (line: RunLine): Span => ({ from: line.createdAt, length: lengthOf(line) });
