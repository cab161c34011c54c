/** A connection that only listens: what it hears makes things quicker, and nothing depends on it. */

import pg from 'pg';
import type { Complain } from './trouble.ts';

/** Milliseconds: between two looks whether the connection still hears · until one has failed · until another is opened, at most. */
const [lookMs, patienceMs, longestPauseMs] = [10_000, 5_000, 10_000];

type Hearing = {
  /** Called with each payload. */
  onNotification: (payload: string) => void;
  /** Called when it hears again: what was said meanwhile is lost. */
  onConnect: () => void;
};

export type Ears = { close(): Promise<void> };

/** Listens until it is closed, on a new connection whenever the last one is lost. */
export const listen = (
  { options }: pg.Pool,
  channel: string,
  { onNotification, onConnect }: Hearing,
  complain: Complain,
): Ears => {
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  let pauseMs = 500;

  const later = (what: () => Promise<void>, ms: number): void => {
    clearTimeout(timer);
    if (!isClosed) timer = setTimeout(() => void what(), ms);
  };

  const giveUp = (lost: pg.Client, error: unknown): void => {
    if (client !== lost) return;
    client = undefined;
    lost.end().catch(() => {});
    if (isClosed) return;
    complain('nothing is heard of new work, which is looked for twice a second', error);
    later(connect, pauseMs);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  };

  const look = async (asked: pg.Client): Promise<void> => {
    const question = { text: 'SELECT FROM pg_listening_channels() AS c WHERE c = $1', query_timeout: patienceMs };
    try {
      const { rowCount } = await asked.query({ ...question, values: [channel] });
      if (rowCount === 0) throw new Error('The connection does not listen any more.');
      if (client === asked) later(() => look(asked), lookMs);
    } catch (error) {
      giveUp(asked, error);
    }
  };

  const connect = async (): Promise<void> => {
    const next = new pg.Client(options);
    client = next;
    next.on('error', (error) => giveUp(next, error));
    next.on('end', () => giveUp(next, new Error('The connection has ended.')));
    next.on('notification', ({ payload }) => onNotification(payload ?? ''));
    try {
      await next.connect();
      await next.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      giveUp(next, error);
      return;
    }
    if (client !== next) return;
    pauseMs = 500;
    later(() => look(next), lookMs);
    onConnect();
  };
  void connect();

  return {
    async close() {
      isClosed = true;
      clearTimeout(timer);
      const last = client;
      client = undefined;
      await last?.end().catch(() => {});
    },
  };
};
