/** The value in the middle. */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [below = Number.NaN, above = below] = sorted.length % 2 === 1 ? [sorted[middle]] : sorted.slice(middle - 1);
  return (below + above) / 2;
};

/** The same in an order that nobody chose: no adapter always runs behind the same neighbour. */
export const shuffled = <T>(all: readonly T[]): T[] =>
  all
    .map((one) => ({ one, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ one }) => one);

/** Milliseconds that work took. */
export const timeOf = async (work: () => unknown): Promise<number> => {
  const from = performance.now();
  await work();
  return performance.now() - from;
};
