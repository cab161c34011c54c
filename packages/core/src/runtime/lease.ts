import type { Clock, RunStore } from '@troupe/protocol';

/** Keeps the claims of a runtime while it has runs: a store gives them to others once nobody renews them. */
export type Lease = {
  /** Called whenever a run comes to life. */
  hold(): void;
  /** Gives every claim back. */
  release(): Promise<void>;
};

export const openLease = ({
  clock,
  store,
  owner,
  leaseMs,
  isNeeded,
  beats,
}: {
  clock: Clock;
  store: RunStore;
  owner: string;
  leaseMs: number;
  isNeeded(): boolean;
  /** Called with each renewal. */
  beats(): void;
}): Lease => {
  let timer: unknown;
  const renew = (): void => {
    // A store that cannot be reached says so when a run is written.
    void (async () => store.renew(owner, { leaseMs }))().catch(() => {});
  };
  const beat = (): void => {
    timer = undefined;
    if (!isNeeded()) return;
    renew();
    beats();
    wait();
  };
  const wait = (): void => {
    timer = clock.setTimeout(beat, leaseMs / 3);
    // Waiting for a person keeps no process alive.
    (timer as { unref?: () => void } | undefined)?.unref?.();
  };
  return {
    hold() {
      if (timer !== undefined || !store.lasting || leaseMs === 0) return;
      renew();
      wait();
    },
    async release() {
      clock.clearTimeout(timer);
      await store.release(owner);
    },
  };
};
