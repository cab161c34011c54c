/** Notices that another connection has written: SQLite counts that for each connection, and asking costs microseconds. */
import { clearInterval, setInterval } from 'node:timers';
import type { Reader } from './statements.ts';

const pollMs = 200;

type Listener = { heard: () => void; keepAlive: boolean };

/** Whoever says so keeps the process alive: what it waits for comes from elsewhere. */
export const openChanges = (reader: Reader) => {
  const listeners = new Set<Listener>();
  let timer: NodeJS.Timeout | undefined;
  let version: unknown;

  /** A file that cannot be read is news, too: whoever reads it then is told why. */
  const look = (): unknown => {
    try {
      return reader.read('PRAGMA data_version', (statement) => statement.get()?.data_version);
    } catch {
      return Symbol('unknown');
    }
  };
  const poll = (): void => {
    const now = look();
    if (now === version) return;
    version = now;
    for (const { heard } of listeners) heard();
  };
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };

  const hold = (): void => {
    if ([...listeners].some(({ keepAlive }) => keepAlive)) timer?.ref();
    else timer?.unref();
  };

  return {
    listen(heard: () => void, { keepAlive = true }: { keepAlive?: boolean } = {}): () => void {
      const listener = { heard, keepAlive };
      listeners.add(listener);
      if (!timer) {
        version = look();
        timer = setInterval(poll, pollMs);
      }
      hold();
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) stop();
        else hold();
      };
    },
    stop,
  };
};
