/**
 * Items that are changed one at a time, and never in place: a change copies the row that it is in, and the list of rows. Of ten
 * thousand items those are some two hundred places, where a plain list would be copied whole with every step. It is JSON.
 */
export type Rows<T> = T[][];

const rowLength = 64;

export const rowsOf = <T>(items: readonly T[]): Rows<T> => {
  const rows: Rows<T> = [];
  for (let from = 0; from < items.length; from += rowLength) rows.push(items.slice(from, from + rowLength));
  return rows;
};

export const itemAt = <T>(rows: Rows<T>, index: number): T | undefined =>
  rows[Math.floor(index / rowLength)]?.[index % rowLength];

/** All of them, in order. */
export const itemsOf = <T>(rows: Rows<T>): readonly T[] => (rows.length === 1 && rows[0]) || rows.flat();

export const everyItem = <T>(rows: Rows<T>, test: (item: T) => boolean): boolean =>
  rows.every((row) => row.every(test));

export const countOf = <T>(rows: Rows<T>): number =>
  rows.length === 0 ? 0 : (rows.length - 1) * rowLength + (rows.at(-1)?.length ?? 0);

/** With one more at the end. */
export const added = <T>(rows: Rows<T>, item: T): Rows<T> => {
  const last = rows.at(-1);
  return last && last.length < rowLength ? rows.with(-1, [...last, item]) : [...rows, [item]];
};

/** With an item in the place of another, where there is one. */
export const changed = <T>(rows: Rows<T>, index: number, item: T): Rows<T> => {
  const number = Math.floor(index / rowLength);
  const row = rows[number];
  return row && index % rowLength < row.length ? rows.with(number, row.with(index % rowLength, item)) : rows;
};

/** Items that are taken out wherever they are, and have no places. The first is the one that was added first. */
export type Queue<T> = Rows<T>;

/** Without an item; quickly where it is near the front. */
export const without = <T>(queue: Queue<T>, item: T): Queue<T> => {
  const number = queue.findIndex((row) => row.includes(item));
  const row = queue[number];
  if (!row) return queue;
  const left = row.filter((other) => other !== item);
  return left.length > 0 ? queue.with(number, left) : queue.toSpliced(number, 1);
};
