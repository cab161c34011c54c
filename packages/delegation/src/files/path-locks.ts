/**
 * Locks by name, first come, first served. Names that nobody holds or waits for cost nothing.
 *
 * A waiter that gives up leaves its place to those behind it, who wait for those before it all the same.
 */
export const pathLocks = () => {
  /** Settles when everybody who asked for the name so far is done with it. */
  const tails = new Map<string, Promise<void>>();

  const locked = async <T>(name: string, work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
    signal?.throwIfAborted();
    const before = tails.get(name);
    let release = () => {};
    const mine = new Promise<void>((resolve) => {
      release = resolve;
    });
    const tail = before ? before.then(() => mine) : mine;
    tails.set(name, tail);
    // Not where the lock is released: of a waiter that gave up, those before it may still be at work.
    void tail.then(() => {
      if (tails.get(name) === tail) tails.delete(name);
    });
    try {
      if (before) await unlessAborted(before, signal);
      return await work();
    } finally {
      release();
    }
  };

  return {
    /** Holds all the names while `work` goes on. They are taken in one order, whatever order they are given in: no deadlock. */
    hold: <T>(names: readonly string[], work: () => Promise<T>, signal?: AbortSignal): Promise<T> =>
      [...new Set(names)]
        .toSorted()
        .reduceRight<() => Promise<T>>((inner, name) => () => locked(name, inner, signal), work)(),
  };
};

const unlessAborted = (before: Promise<void>, signal: AbortSignal | undefined): Promise<void> =>
  signal === undefined
    ? before
    : new Promise((resolve, reject) => {
        const abort = () => reject(signal.reason as unknown);
        signal.addEventListener('abort', abort, { once: true });
        void before.then(() => {
          signal.removeEventListener('abort', abort);
          resolve();
        });
      });
