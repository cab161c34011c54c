/**
 * The way to the database. Whatever is asked here may be asked twice, so it is asked again, on a connection of its own, until it is
 * answered or its time is up: a server that starts anew is waited for, and a connection that hangs is given up after half the time.
 */
import { setTimeout } from 'node:timers/promises';
import { FaultError, isFaultError } from '@troupe/protocol';
import type { Settled } from '../options.ts';
import { migrate, type Place, placeOf } from '../schema/migrate.ts';
import { isStarting, mayPass } from './trouble.ts';

/** Milliseconds between two tries: from this, doubled each time, up to that. */
const [shortestPauseMs, longestPauseMs] = [20, 1_000];

export type Row = Record<string, unknown>;

export type Database = Pick<Settled, 'name'> & {
  readonly place: Place;
  /** Asks until there is an answer. Throws what the last try did: what it was to write may be written or not. */
  ask(text: string, values: readonly unknown[]): Promise<Row[]>;
  /** Ends what was opened here. */
  end(): Promise<void>;
};

export const openDatabase = ({ pool, isOwn, name, schema, timeoutMs }: Settled): Database => {
  const place = placeOf(schema);
  const tryMs = Math.ceil(timeoutMs / 2);
  let ready: Promise<void> | undefined;
  /** It was reached before, so it will be there again. */
  let isKnown = false;

  // A connection that ends while nobody uses it is no news: the next question opens another one.
  const ignore = (): void => {};
  pool.on('error', ignore);

  const prepare = async (): Promise<void> => {
    const client = await pool.connect();
    // What a connection that is in use complains about is told by whoever uses it.
    client.on('error', ignore);
    let isReleased = false;
    const release = (failure?: Error): void => {
      if (!isReleased) client.release(failure);
      isReleased = true;
    };
    const timer = globalThis.setTimeout(() => release(new Error('It has taken too long.')), timeoutMs);
    try {
      await migrate(client, place, name);
      isKnown = true;
      client.off('error', ignore);
      release();
    } catch (error) {
      release(new Error('It was left in the middle of something.'));
      throw error;
    } finally {
      clearTimeout(timer);
    }
  };

  const once = async (text: string, values: readonly unknown[], leftMs: number): Promise<Row[]> => {
    ready ??= prepare();
    try {
      await ready;
    } catch (error) {
      ready = undefined;
      throw error;
    }
    const asked = { text, values: [...values], query_timeout: Math.max(1, Math.min(tryMs, leftMs)) };
    return (await pool.query<Row>(asked)).rows;
  };

  return {
    name,
    place,
    async ask(text, values) {
      const until = performance.now() + timeoutMs;
      for (let pauseMs = shortestPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
        const leftMs = until - performance.now();
        try {
          return await once(text, values, leftMs);
        } catch (error) {
          const isWorthIt = isKnown ? mayPass(error) : isStarting(error);
          if (isFaultError(error) || !isWorthIt || performance.now() + pauseMs >= until) throw error;
        }
        await setTimeout(pauseMs);
      }
    },
    async end() {
      pool.off('error', ignore);
      if (isOwn) await pool.end();
    },
  };
};

export const closed = (name: string): FaultError =>
  new FaultError('store.closed', `The store in ${name} is closed. Open it again to use it.`);
