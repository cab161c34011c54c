import { fitTo, oneLine, padTo, textWidth } from '../text-width.ts';

/** Columns of text under a heading, two blanks apart. The last one may be as long as it likes. */
export const tableText = (heading: readonly string[], rows: readonly (readonly string[])[]): string => {
  const all = [heading, ...rows.map((row) => row.map(oneLine))];
  const widths = heading.map((_, i) => Math.max(...all.map((row) => textWidth(row[i] ?? ''))));
  return all
    .map((row) =>
      row
        .map((cell, i) => (i === heading.length - 1 ? cell : padTo(cell, widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};

/** A time, as people read it in a list: `2026-11-22 09:30:05`. */
export const momentText = (at: number): string => {
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replace('T', ' ');
};

/** The beginning of a text, on one line. */
export const briefly = (value: unknown, columns = 60): string =>
  fitTo(oneLine(typeof value === 'string' ? value : JSON.stringify(value)), columns);
