import type { Writable } from 'node:stream';

/** Resolves once nobody reads a stream any more: a pipe to `head`, a terminal that is gone. */
export const leftBy = (...streams: readonly Writable[]): { left: Promise<void>; forget(): void } => {
  const { promise: left, resolve } = Promise.withResolvers<void>();
  const heard = (): void => resolve();
  for (const stream of streams) stream.on('error', heard);
  return {
    left,
    forget() {
      for (const stream of streams) stream.off('error', heard);
    },
  };
};

/** The same values, for as long as somebody reads what is made of them. */
export async function* untilLeft<T>(values: AsyncIterable<T>, output: Writable): AsyncGenerator<T> {
  const { left, forget } = leftBy(output);
  const over = left.then((): IteratorReturnResult<undefined> => ({ done: true, value: undefined }));
  const iterator = values[Symbol.asyncIterator]();
  try {
    for (;;) {
      const step = await Promise.race([iterator.next(), over]);
      if (step.done) return;
      yield step.value;
    }
  } finally {
    forget();
    await iterator.return?.();
  }
}
