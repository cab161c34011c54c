/** Processes that share a store and notice what others write when they look for it, each 200 ms, as with SQLite. */
import { createRuntime, memoryStore, type RuntimeOptions } from '@troupe/core';
import { mortalStore, type Script, scriptedProvider } from '@troupe/testing';
import { onTestFinished } from 'vitest';
import { SimulatedClock } from 'xstate';
import { settle } from '../../../../test/support/open-runtime.ts';
import { silent } from './program.ts';

const pollMs = 200;
type Store = ReturnType<typeof memoryStore>;

export const severalProcesses = () => {
  const clock = new SimulatedClock();
  const base = memoryStore({ now: () => clock.now() });
  /** What each process has written, and of all others what it has seen. */
  const writes: number[] = [];
  const seen: number[] = [];
  const listeners = new Map<() => void, number>();
  const byOthers = (me: number): number => writes.reduce((sum, n, i) => (i === me ? sum : sum + n), 0);
  const poll = (): void => {
    const isNews = writes.map((_, me) => byOthers(me) !== seen[me]);
    for (const me of writes.keys()) seen[me] = byOthers(me);
    for (const [heard, me] of [...listeners]) if (isNews[me]) setImmediate(heard);
    clock.setTimeout(poll, pollMs);
  };
  clock.setTimeout(poll, pollMs);

  const boot = (
    script: Script,
    options: Partial<RuntimeOptions> = {},
    change: (store: Store) => Partial<Store> = () => ({}),
  ) => {
    const me = writes.push(0) - 1;
    const noted =
      <A extends unknown[], R>(write: (...args: A) => R) =>
      (...args: A): R => {
        const given = write(...args);
        writes[me] = (writes[me] ?? 0) + 1;
        return given;
      };
    const changes = (heard: () => void) => {
      // Whoever begins to listen has seen what is there.
      if (![...listeners.values()].includes(me)) seen[me] = byOthers(me);
      listeners.set(heard, me);
      return () => void listeners.delete(heard);
    };
    const store = { ...base, commit: noted(base.commit), post: noted(base.post), changes, lasting: true };
    const mortal = mortalStore({ ...store, ...change(store) });
    const provider = scriptedProvider(script);
    const ids = { next: (kind: string) => `${kind}-${me}-${writes.length}-${Math.trunc(count++)}` };
    const runtime = createRuntime({
      provider,
      model: 'm',
      clock,
      ids,
      store: mortal.store,
      leaseMs: 30_000,
      logger: silent,
      ...options,
    });
    onTestFinished(async () => {
      if (!mortal.dead) mortal.die();
    });
    return { runtime, mortal };
  };
  let count = 0;
  return {
    clock,
    base,
    boot,
    async pass(ms = pollMs, times = 1): Promise<void> {
      for (let i = 0; i < times; i++) {
        clock.increment(ms);
        await settle();
      }
    },
  };
};
