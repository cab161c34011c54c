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
  /** Asks once, and waits no longer than this. */
  askOnce(text: string, values: readonly unknown[], ms: number): Promise<Row[]>;
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
  if (pool.listenerCount('error') === 0) pool.on('error', ignore);

  const prepare = async (): Promise<void> => {
    const client = await pool.connect();
    // What a connection that is in use complains about is told by whoever uses it.
    client.on('error', ignore);
    let isReleased = false;
    const release = (failure?: Error): void => {
      client.off('error', ignore);
      if (!isReleased) client.release(failure);
      isReleased = true;
    };
    const timer = globalThis.setTimeout(() => release(new Error('It has taken too long.')), timeoutMs);
    try {
      await migrate(client, place, name);
      isKnown = true;
      release();
    } catch (error) {
      release(new Error('It was left in the middle of something.'));
      throw error;
    } finally {
      clearTimeout(timer);
    }
  };

  const once = async (text: string, values: readonly unknown[], ms: number): Promise<Row[]> => {
    ready ??= prepare().catch((error: unknown) => {
      ready = undefined;
      throw error;
    });
    await ready;
    const asked = { text, values: [...values], query_timeout: ms };
    return (await pool.query<Row>(asked)).rows;
  };
  const askOnce: Database['askOnce'] = (text, values, ms) => within(once(text, values, ms), ms);

  return {
    name,
    place,
    askOnce,
    async ask(text, values) {
      const until = performance.now() + timeoutMs;
      for (let pauseMs = shortestPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
        const leftMs = Math.max(1, Math.ceil(Math.min(tryMs, until - performance.now())));
        try {
          return await askOnce(text, values, leftMs);
        } catch (error) {
          const isWorthIt = isKnown ? mayPass(error) : isStarting(error);
          if (isFaultError(error) || !isWorthIt || performance.now() + pauseMs >= until) throw error;
        }
        await setTimeout(pauseMs);
      }
    },
    async end() {
      if (isOwn) await pool.end();
    },
  };
};

const ignore = (): void => {};

/** Waits no longer than this. What is waited for goes on, and nobody hears of it. */
const within = async <T>(work: Promise<T>, ms: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = globalThis.setTimeout(() => reject(new Error(`timeout: there was no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};

export const closed = (name: string): FaultError =>
  new FaultError('store.closed', `The store in ${name} is closed. Open it again to use it.`);
