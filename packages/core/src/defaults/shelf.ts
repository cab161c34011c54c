const boardLength = 256;

type Board<T> = { items: (T | undefined)[]; left: number };

/**
 * Items in the order in which they were put there, each with its place for good. What is removed costs its own place to find,
 * whatever is before and behind it, and a board that nothing is left of is gone.
 */
export type Shelf<T> = {
  /** How many were ever put here: the place that the next one gets, less one. */
  readonly count: number;
  put(item: T): void;
  /** @param place From 1. */
  remove(place: number): void;
  /** Those behind a place, also such as are put there meanwhile. */
  after(place: number): Iterable<T>;
  /** Those before a place, or all that are there now: the last one first. */
  newest(before?: number): Iterable<T>;
};

export const shelfOf = <T>(): Shelf<T> => {
  const boards = new Map<number, Board<T>>();
  let last: Board<T> = { items: [], left: 0 };
  let count = 0;
  return {
    get count() {
      return count;
    },
    put(item) {
      if (count % boardLength === 0) last = { items: [], left: 0 };
      if (last.left === 0) boards.set(Math.floor(count / boardLength), last);
      last.items.push(item);
      last.left += 1;
      count += 1;
    },
    remove(place) {
      const number = Math.floor((place - 1) / boardLength);
      const board = boards.get(number);
      const index = (place - 1) % boardLength;
      if (board?.items[index] === undefined) return;
      board.items[index] = undefined;
      board.left -= 1;
      if (board.left === 0) boards.delete(number);
    },
    *newest(before = count + 1) {
      let unseen = boards.size;
      for (let number = Math.floor((before - 2) / boardLength); number >= 0 && unseen > 0; number--) {
        const items = boards.get(number)?.items;
        if (!items) continue;
        unseen -= 1;
        for (let i = Math.min(before - 2 - number * boardLength, items.length - 1); i >= 0; i--) {
          const item = items[i];
          if (item !== undefined) yield item;
        }
      }
    },
    *after(place) {
      // A board of which all was removed comes again when something is put there.
      let read = place;
      for (const [number, { items }] of boards) {
        const before = number * boardLength;
        for (let i = Math.max(read - before, 0); i < items.length; i++) {
          read = before + i + 1;
          const item = items[i];
          if (item !== undefined) yield item;
        }
      }
    },
  };
};
