/**
 * Tells other stores that something was left for them, and what the relay of live events has for them. Whoever is not told finds what is
 * stored when it looks, so nothing waits for this, and nothing fails with it.
 */
import type { Database } from '../server/database.ts';

/** Milliseconds after which nobody needs to be told any more. */
const patienceMs = 1_000;

/** Beside the ids of stores: all of them that listen. */
export const everybody = 'everybody';

/** Texts that wait to be sent at most: whoever says more than the database passes on is not heard. */
const mostWaiting = 1_000;

export type Teller = {
  /** What is told while somebody is being told goes together, afterwards. */
  tell(stores: Iterable<string>): void;
  /** Says something to a store, or to everybody. */
  say(text: string, to: string): void;
  /** Resolves once everybody was told. */
  close(): Promise<void>;
};

// It is lost with the server, so nothing is flushed for it.
const notifyIn = ({ quoted }: Database['place']): string =>
  `SELECT set_config('synchronous_commit', 'off', true), pg_notify(${quoted}.channel(store), said)
    FROM unnest($1::text[], $2::text[]) AS notice (store, said)`;

export const openTeller = ({ askOnce, place }: Pick<Database, 'askOnce' | 'place'>): Teller => {
  const notify = notifyIn(place);
  const concerned = new Set<string>();
  let texts: { to: string; text: string }[] = [];
  let telling: Promise<void> | undefined;
  let isClosed = false;

  const work = async (): Promise<void> => {
    while (concerned.size + texts.length > 0) {
      const notices = [...[...concerned].map((to) => ({ to, text: '' })), ...texts];
      concerned.clear();
      texts = [];
      const columns = [notices.map(({ to }) => to), notices.map(({ text }) => text)];
      await askOnce(notify, columns, patienceMs).catch(() => {});
    }
    telling = undefined;
  };

  return {
    tell(stores) {
      for (const store of stores) concerned.add(store);
      if (concerned.size > 0) telling ??= work();
    },
    say(text, to) {
      if (isClosed || texts.length >= mostWaiting) return;
      texts.push({ to, text });
      telling ??= work();
    },
    async close() {
      isClosed = true;
      await telling;
    },
  };
};
