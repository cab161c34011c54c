import type { MemoryStore, RunStore } from '@troupe/protocol';

/** When a process dies: with its n-th commit stored, before it hears so (`unheard`), or when it asks for the one after (`heard`). */
export type Death = { afterCommit: number; as: 'heard' | 'unheard' };

/** A store as one process sees it. Once the process is dead, its calls reach nobody and are never answered. */
export type MortalStore<Store> = {
  store: Store;
  readonly commits: number;
  readonly dead: boolean;
  die(): void;
  /** Resolves once every call that reached the real store is answered there, though a dead process does not hear it. */
  settled(): Promise<void>;
};

/** One for each call: whoever waits for it is forgotten with it. */
const never = <R>(): R => new Promise<never>(() => {}) as R;

/** Gives a store to a process that dies at a moment of its life. @param death Default: it does not. */
export const mortalStore = <Store extends RunStore & MemoryStore>(inner: Store, death?: Death): MortalStore<Store> => {
  let commits = 0;
  let dead = false;
  const asked = new Set<Promise<unknown>>();
  const watch = <R>(answer: R): R => {
    if (answer instanceof Promise) {
      const over = () => asked.delete(answer);
      asked.add(answer);
      answer.then(over, over);
    }
    return answer;
  };
  const living =
    <A extends unknown[], R>(call: (...args: A) => R) =>
    (...args: A): R =>
      dead ? never<R>() : call(...args);
  const store: Store = {
    ...inner,
    claim: living((...given) => watch(inner.claim(...given))),
    renew: living((...given) => watch(inner.renew(...given))),
    release: living((...given) => watch(inner.release(...given))),
    post: living((...given) => watch(inner.post(...given))),
    withdraw: living((...given) => watch(inner.withdraw(...given))),
    inbox: living((...given) => watch(inner.inbox(...given))),
    sessionInbox: living((...given) => watch(inner.sessionInbox(...given))),
    receipt: living((...given) => watch(inner.receipt(...given))),
    read: living((...given) => watch(inner.read(...given))),
    write: living((...given) => watch(inner.write(...given))),
    commit: living((steps) => {
      if (death?.as === 'heard' && commits >= death.afterCommit) {
        dead = true;
        return never();
      }
      commits += 1;
      const stored = watch(inner.commit(steps));
      if (death?.as !== 'unheard' || commits < death.afterCommit) return stored;
      dead = true;
      return never();
    }),
  };
  return {
    store,
    get commits() {
      return commits;
    },
    get dead() {
      return dead;
    },
    die() {
      dead = true;
    },
    async settled() {
      while (asked.size > 0) await Promise.allSettled(asked);
    },
  };
};
