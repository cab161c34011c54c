import type { Observable } from 'rxjs';

/** An observable as an async iterator: nothing is lost between two reads; returning early unsubscribes. */
export const iterate = <T>(source$: Observable<T>): AsyncIterator<T> => {
  const waiting: { resolve(result: IteratorResult<T>): void; reject(error: unknown): void }[] = [];
  const held: T[] = [];
  let over: { error: unknown } | 'complete' | null = null;
  const end = (how: NonNullable<typeof over>) => {
    over = how;
    for (const { resolve, reject } of waiting.splice(0))
      if (how === 'complete') resolve({ done: true, value: undefined });
      else reject(how.error);
  };
  const subscription = source$.subscribe({
    next: (value) => {
      const reader = waiting.shift();
      if (reader) reader.resolve({ done: false, value });
      else held.push(value);
    },
    error: (error: unknown) => end({ error }),
    complete: () => end('complete'),
  });
  return {
    next: () => {
      if (held.length > 0) return Promise.resolve({ done: false, value: held.shift() as T });
      if (over === 'complete') return Promise.resolve({ done: true, value: undefined });
      if (over) return Promise.reject(over.error);
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    return: () => {
      subscription.unsubscribe();
      held.length = 0;
      end('complete');
      return Promise.resolve({ done: true, value: undefined });
    },
  };
};
