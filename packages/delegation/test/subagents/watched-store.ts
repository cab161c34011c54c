/** A store that a test can hold up and break. */
import { memoryStore } from '@troupe/core';
import type { MemoryStore, RunStore } from '@troupe/protocol';

type Store = RunStore & MemoryStore;

export type Watched = {
  store: Store;
  /** Every call of these throws; empty: none does. */
  broken: Set<keyof Store>;
  /** The next call of this method throws. */
  breakOnce(method: keyof Store): void;
  /** Calls of this method wait until it is let go on; gives who lets it. */
  hold(method: keyof Store): () => void;
};

export const watchedStore = (): Watched => {
  const inner = memoryStore();
  const broken = new Set<keyof Store>();
  const brokenOnce = new Set<keyof Store>();
  const held = new Map<keyof Store, Promise<void>>();
  const store = new Proxy(inner, {
    get(target, key) {
      const method = key as keyof Store;
      const own = target[method] as unknown;
      if (typeof own !== 'function') return own;
      return (...args: unknown[]) => {
        const go = (): unknown => {
          if (brokenOnce.delete(method) || broken.has(method)) throw new Error(`The disk is full: ${method}.`);
          return own.apply(target, args);
        };
        const wait = held.get(method);
        return wait ? wait.then(go) : go();
      };
    },
  });
  return {
    store,
    broken,
    breakOnce: (method) => void brokenOnce.add(method),
    hold(method) {
      const { promise, resolve } = Promise.withResolvers<void>();
      held.set(method, promise);
      return () => {
        held.delete(method);
        resolve();
      };
    },
  };
};
