/** All that there is to iterate over, at once or later. */
export const listOf = async <T>(iterable: Iterable<T> | AsyncIterable<T>): Promise<T[]> => {
  const list: T[] = [];
  for await (const each of iterable) list.push(each);
  return list;
};
