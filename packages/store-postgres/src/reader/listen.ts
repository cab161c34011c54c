/** A connection that only listens: what it hears makes things quicker, and nothing depends on it. It keeps no process alive. */
import type { Socket } from 'node:net';
import { clearTimeout, setTimeout } from 'node:timers';
import pg from 'pg';

/** Milliseconds. */
const times = {
  /** Between two looks whether the connection still hears. */
  lookMs: 10_000,
  /** Until one that does not answer is given up. */
  patienceMs: 5_000,
  /** Until the next one is opened: doubled each time that the last one was found to hear nothing. */
  shortestPauseMs: 100,
  longestPauseMs: 10_000,
};

export type Hearing = {
  onHint(): void;
  /** Called with what was said with it, where there was something. */
  onText(text: string): void;
  /** Called when it hears, or hears again: what was said before is lost. */
  onConnect(): void;
};

export type Ears = { close(): void };

/** Listens until it is closed, on a new connection whenever the last one is lost. */
export const listen = (
  { options }: pg.Pool,
  /** Asks for them, of a store that has its tables by then. */
  channelsNow: () => Promise<readonly string[]>,
  on: Hearing,
  { lookMs, patienceMs, shortestPauseMs, longestPauseMs } = times,
): Ears => {
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let pauseMs = shortestPauseMs;

  const later = (what: () => void, ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(what, ms).unref();
  };
  const leave = (left: pg.Client): void => {
    client = undefined;
    clearTimeout(timer);
    left.end().catch(ignore);
    // One that hangs does not say that it has ended.
    setTimeout(() => left.connection.stream.destroy(), patienceMs).unref();
  };
  const giveUp = (lost: pg.Client): void => {
    if (client !== lost) return;
    leave(lost);
    later(connect, pauseMs);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  };

  const look = async (asked: pg.Client, channels: readonly string[]): Promise<void> => {
    const question = { text: 'SELECT FROM pg_listening_channels() AS c WHERE c = ANY ($1)', query_timeout: patienceMs };
    const { rowCount } = await asked.query({ ...question, values: [channels] });
    if (client !== asked) return;
    if (rowCount !== channels.length) return giveUp(asked);
    pauseMs = shortestPauseMs;
    lookLater(asked, channels);
  };
  const lookLater = (asked: pg.Client, channels: readonly string[]): void =>
    later(() => void look(asked, channels).catch(() => giveUp(asked)), lookMs);

  const open = async (next: pg.Client): Promise<void> => {
    later(() => giveUp(next), patienceMs);
    const connected = next.connect();
    unref(next);
    await connected;
    // Where it is encrypted, its stream is another one now.
    unref(next);
    const channels = await channelsNow();
    if (client !== next) return;
    await next.query(channels.map((channel) => `LISTEN ${pg.escapeIdentifier(channel)}`).join('; '));
    if (client !== next) return;
    lookLater(next, channels);
    on.onConnect();
  };
  const connect = (): void => {
    const next = new pg.Client(options);
    client = next;
    next.on('error', () => giveUp(next));
    next.on('end', () => giveUp(next));
    next.on('notification', ({ payload = '' }) => (payload === '' ? on.onHint() : on.onText(payload)));
    open(next).catch(() => giveUp(next));
  };
  connect();

  return {
    close() {
      clearTimeout(timer);
      if (client) leave(client);
    },
  };
};

const unref = ({ connection }: pg.Client): void => {
  (connection.stream as Partial<Pick<Socket, 'unref'>>).unref?.();
};
const ignore = (): void => {};
