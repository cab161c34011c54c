import type { Clock, RunStore } from '@troupe/protocol';

/** Keeps the claims of a runtime while it has runs: a store gives them to others once nobody renews them. */
export type Lease = {
  /** Called whenever a run comes to life. */
  hold(): void;
  /** Gives claims of runs back that are not executed here any more: resolves once the store has them, however late it answers. */
  giveBack(runIds: readonly string[]): Promise<void>;
  /** Gives every claim back. */
  release(): Promise<void>;
};

/** Milliseconds until claims are given back again that a store did not take: as long as they are renewed nobody else can have them. */
const againMs = 1_000;

export const openLease = ({
  clock,
  store,
  owner,
  leaseMs,
  isNeeded,
  isHere,
  beats,
  lost,
}: {
  clock: Clock;
  store: RunStore;
  owner: string;
  leaseMs: number;
  isNeeded(): boolean;
  /** Whether a run is executed here. */
  isHere(runId: string): boolean;
  /** Called with each renewal. */
  beats(): void;
  /** The store has not answered for as long as a lease runs: others may hold by now what is executed here. */
  lost(): void;
}): Lease => {
  let timer: unknown;
  /** Until when the claims are ours as far as is known, and how many renewals were asked for since that was known. */
  let heldUntil = Number.POSITIVE_INFINITY;
  let unanswered = 0;
  const renew = (): void => {
    const until = clock.now() + leaseMs;
    const answered = (): void => {
      heldUntil = until;
      unanswered = 0;
    };
    unanswered += 1;
    try {
      const answer = store.renew(owner, { leaseMs });
      // A store that cannot be reached says so when a run is written.
      if (answer instanceof Promise) answer.then(answered, () => {});
      else answered();
    } catch {
      // The same.
    }
  };
  const beat = (): void => {
    timer = undefined;
    if (!isNeeded()) return;
    if (unanswered > 0 && clock.now() >= heldUntil) lost();
    renew();
    beats();
    wait();
  };
  const wait = (): void => {
    timer = clock.setTimeout(beat, leaseMs / 3);
    // Waiting for a person keeps no process alive.
    (timer as { unref?: () => void } | undefined)?.unref?.();
  };
  let isOver = false;
  const giveBack = async (runIds: readonly string[]): Promise<void> => {
    if (runIds.length === 0 || isOver) return;
    try {
      await store.release(owner, runIds);
    } catch {
      await new Promise<void>((resolve) => void clock.setTimeout(resolve, againMs));
      // What has come back meanwhile is kept.
      await giveBack(runIds.filter((runId) => !isHere(runId)));
    }
  };
  return {
    giveBack,
    hold() {
      if (timer !== undefined || !store.lasting || leaseMs === 0) return;
      // What was known of an earlier time says nothing of the runs that come now: they are claimed for as long as a lease runs.
      heldUntil = clock.now() + leaseMs;
      unanswered = 0;
      renew();
      wait();
    },
    async release() {
      isOver = true;
      clock.clearTimeout(timer);
      await store.release(owner);
    },
  };
};
