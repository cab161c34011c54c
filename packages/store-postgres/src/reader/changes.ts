/**
 * Notices that another store has written: each counts its batches in a row of its own, and asking for those costs a millisecond. What is
 * left for this store is noticed at once where hints arrive, and by asking, like everything else, where none does.
 */
import { clearInterval, setInterval } from 'node:timers';
import type { Hints } from './hints.ts';
import { type Reader, textIn } from './reader.ts';

type Listener = { heard: () => void; keepAlive: boolean };

/**
 * Whoever says so keeps the process alive: what it waits for comes from elsewhere.
 *
 * @param self Whose own batches are no news.
 * @param hints Absent where there are none.
 */
export const openChanges = (
  { schema, read }: Reader,
  self: string,
  pollMs: number,
  hints: Pick<Hints, 'want' | 'leave'> | undefined,
) => {
  const listeners = new Set<Listener>();
  let timer: NodeJS.Timeout | undefined;
  let version: string | undefined;
  let isLooking = false;
  let isStale = false;

  // A reader over all trees waits for whoever was writing when it looked: that it has ended is news, too.
  const look = `SELECT blocked || coalesce(md5(string_agg(id || ' ' || batch, ',' ORDER BY id)), '') AS version
    FROM ${schema}.horizon() LEFT JOIN ${schema}.stores ON id <> $1 GROUP BY blocked`;

  /** A store that cannot be read is news, too: whoever reads it then is told why. */
  const now = async (): Promise<string> => {
    try {
      const [found] = await read(look, [self]);
      return found ? textIn(found, 'version') : '';
    } catch {
      return 'unknown';
    }
  };
  const tell = (): void => {
    for (const { heard } of listeners) heard();
  };
  const poll = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    try {
      do {
        isStale = false;
        const before = version;
        version = await now();
        // What was written between listening and the first look cannot be told from what was there before.
        if (version !== before) tell();
      } while (isStale);
    } finally {
      isLooking = false;
    }
  };
  const rest = (): void => {
    clearInterval(timer);
    timer = undefined;
    version = undefined;
  };
  const hold = (): void => {
    if ([...listeners].some(({ keepAlive }) => keepAlive)) timer?.ref();
    else timer?.unref();
  };

  return {
    listen(heard: () => void, { keepAlive = true }: { keepAlive?: boolean } = {}): () => void {
      const listener = { heard, keepAlive };
      listeners.add(listener);
      timer ??= setInterval(() => void poll(), pollMs);
      hints?.want();
      hold();
      return () => {
        if (!listeners.delete(listener)) return;
        hints?.leave();
        if (listeners.size > 0) hold();
        else rest();
      };
    },
    /** Something was left for this store. It is stored: whoever is told reads it, and no look is needed. */
    tell,
    /** Finds what was written before now, also while a look is under way. */
    lookAnew(): void {
      isStale = true;
      if (listeners.size > 0) void poll();
    },
    stop: rest,
  };
};
