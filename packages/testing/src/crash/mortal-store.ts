import type { MemoryStore, RunStore } from '@troupe/protocol';

/**
 * When a process dies: with its n-th commit stored, before it hears so (`unheard`), or when it asks for the one after (`heard`). With
 * `afterWrite`, whatever it asks to be stored counts: commits, messages, memories.
 */
export type Death = ({ afterCommit: number } | { afterWrite: number }) & { as: 'heard' | 'unheard' };

/** A store as one process sees it. Once the process is dead, its calls reach nobody and are never answered. */
export type MortalStore<Store> = {
  store: Store;
  readonly commits: number;
  /** Commits, messages and memories that were asked to be stored or forgotten. */
  readonly writes: number;
  readonly dead: boolean;
  die(): void;
  /** Resolves once every call that reached the real store is answered there, though a dead process does not hear it. */
  settled(): Promise<void>;
};

/** One for each call: whoever waits for it is forgotten with it. */
const never = <R>(): R => new Promise<never>(() => {}) as R;

/** What a dead process reads: it goes on for ever, and nothing comes. */
const silence: AsyncIterable<never> = { [Symbol.asyncIterator]: () => ({ next: () => never() }) };

/** All that something can do, be it an object, one without a prototype, or of a class. */
const membersOf = <T extends object>(of: T): T => {
  const members: Record<PropertyKey, unknown> = {};
  for (
    let at: object | null = of;
    at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at) as object | null
  )
    for (const name of Reflect.ownKeys(at)) {
      if (name === 'constructor' || Object.hasOwn(members, name)) continue;
      const member: unknown = Reflect.get(of, name);
      members[name] = typeof member === 'function' ? member.bind(of) : member;
    }
  return members as T;
};

/** Gives a store to a process that dies at a moment of its life. @param death Default: it does not. */
export const mortalStore = <Store extends RunStore & MemoryStore>(inner: Store, death?: Death): MortalStore<Store> => {
  let commits = 0;
  let writes = 0;
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
  /** Whether it dies now that it asks for something to be stored, and was told of the last; or once that is stored. */
  const dies = (as: 'heard' | 'unheard', isCommit: boolean): boolean => {
    if (death?.as !== as) return false;
    if ('afterWrite' in death) return writes >= death.afterWrite;
    return isCommit && commits >= death.afterCommit;
  };
  const writing =
    <A extends unknown[], R>(call: (...args: A) => R, isCommit = false) =>
    (...args: A): R => {
      if (dies('heard', isCommit)) dead = true;
      if (dead) return never<R>();
      writes += 1;
      if (isCommit) commits += 1;
      const stored = watch(call(...args));
      if (!dies('unheard', isCommit)) return stored;
      dead = true;
      return never<R>();
    };
  const { changes, live } = inner;
  const reading = <A extends unknown[], R>(call: (...args: A) => R) => living((...args: A) => watch(call(...args)));
  /** Reads on, or nothing any more. */
  const streaming =
    <A extends unknown[], R>(call: (...args: A) => R) =>
    (...args: A): R =>
      dead ? (silence as R) : call(...args);
  const store: Store = {
    ...membersOf(inner),
    claim: reading((...given) => inner.claim(...given)),
    holder: reading((...given) => inner.holder(...given)),
    renew: reading((...given) => inner.renew(...given)),
    release: reading((...given) => inner.release(...given)),
    get: reading((...given) => inner.get(...given)),
    list: reading((...given) => inner.list(...given)),
    quotas: reading((...given) => inner.quotas(...given)),
    checkpoint: reading((...given) => inner.checkpoint(...given)),
    cursor: reading(() => inner.cursor()),
    events: streaming((...given) => inner.events(...given)),
    journal: streaming((...given) => inner.journal(...given)),
    post: writing((...given) => inner.post(...given)),
    withdraw: writing((...given) => inner.withdraw(...given)),
    inbox: reading((...given) => inner.inbox(...given)),
    sessionInbox: reading((...given) => inner.sessionInbox(...given)),
    receipt: reading((...given) => inner.receipt(...given)),
    read: reading((...given) => inner.read(...given)),
    write: writing((...given) => inner.write(...given)),
    search: reading((...given) => inner.search(...given)),
    reset: writing((...given) => inner.reset(...given)),
    commit: writing((...given) => inner.commit(...given), true),
    prune: writing((...given) => inner.prune(...given)),
    ...(changes && {
      changes: (...[heard, ...how]: Parameters<typeof changes>) =>
        changes.call(inner, () => (dead ? undefined : heard()), ...how),
    }),
    ...(live && {
      live: {
        ...membersOf(live),
        tell: living((event) => live.tell(event)),
        listen: (...[rootId, heard, ...how]: Parameters<typeof live.listen>) =>
          live.listen(rootId, (event) => (dead ? undefined : heard(event)), ...how),
      },
    }),
  };
  return {
    store,
    get commits() {
      return commits;
    },
    get writes() {
      return writes;
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
