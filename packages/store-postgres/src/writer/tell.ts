/**
 * Tells other stores that something was left for them. Whoever is not told finds it when it looks, so nothing waits for this, and
 * nothing fails with it.
 */
import type { Database } from '../server/database.ts';

/** Milliseconds after which nobody needs to be told any more. */
const patienceMs = 1_000;

/** Where a store hears that there is something for it. */
export const channelOf = (store: string): string => `troupe:${store}`;

export type Teller = {
  /** What is told while somebody is being told goes together, afterwards. */
  tell(stores: Iterable<string>): void;
  /** Resolves once everybody was told. */
  close(): Promise<void>;
};

// It is lost with the server, so nothing is flushed for it.
const notify = `SELECT set_config('synchronous_commit', 'off', true), pg_notify(channel, '') FROM unnest($1::text[]) AS channel`;

export const openTeller = ({ askOnce }: Pick<Database, 'askOnce'>): Teller => {
  const concerned = new Set<string>();
  let telling: Promise<void> | undefined;

  const work = async (): Promise<void> => {
    while (concerned.size > 0) {
      const channels = [...concerned].map(channelOf);
      concerned.clear();
      await askOnce(notify, [channels], patienceMs).catch(() => {});
    }
    telling = undefined;
  };

  return {
    tell(stores) {
      for (const store of stores) concerned.add(store);
      if (concerned.size > 0) telling ??= work();
    },
    async close() {
      await telling;
    },
  };
};
