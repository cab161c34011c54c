import type { MemoryStore, RunStore } from '@troupe/protocol';

/** When a process dies: with its n-th commit stored, before it hears so (`unheard`), or when it asks for the one after (`heard`). */
export type Death = { afterCommit: number; as: 'heard' | 'unheard' };

/** A store as one process sees it. Once the process is dead, its calls reach nobody and are never answered. */
export type MortalStore<Store> = { store: Store; readonly commits: number; readonly dead: boolean; die(): void };

const never = new Promise<never>(() => {});

/** Gives a store to a process that dies at a moment of its life. @param death Default: it does not. */
export const mortalStore = <Store extends RunStore & MemoryStore>(inner: Store, death?: Death): MortalStore<Store> => {
  let commits = 0;
  let dead = false;
  const living =
    <A extends unknown[], R>(call: (...args: A) => R) =>
    (...args: A): R =>
      dead ? (never as R) : call(...args);
  const store: Store = {
    ...inner,
    claim: living(inner.claim.bind(inner)),
    renew: living(inner.renew.bind(inner)),
    release: living(inner.release.bind(inner)),
    read: living(inner.read.bind(inner)),
    write: living(inner.write.bind(inner)),
    commit: living((steps) => {
      if (death?.as === 'heard' && commits >= death.afterCommit) {
        dead = true;
        return never;
      }
      commits += 1;
      const stored = inner.commit(steps);
      if (death?.as !== 'unheard' || commits < death.afterCommit) return stored;
      dead = true;
      return never;
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
  };
};
