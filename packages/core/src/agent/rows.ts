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

/** Puts an item in the place of another, where there is one, in rows that may be written on. @param owned Rows that are copies by now. */
export const putItem = <T>(rows: Rows<T>, index: number, item: T, owned: number[]): void => {
  const number = Math.floor(index / rowLength);
  const row = rows[number];
  if (!row || index % rowLength >= row.length) return;
  const mine = owned.includes(number) ? row : [...row];
  if (mine !== row) {
    rows[number] = mine;
    owned.push(number);
  }
  mine[index % rowLength] = item;
};
