import type pg from 'pg';
import type { Db } from 'pg-boss';
import { listen } from './listen.ts';
import type { Complain } from './trouble.ts';

/** How long one statement may take unless said otherwise, in milliseconds: a connection may hang for ever. */
export const patienceMs = 30_000;

/** Building an index beside those who use it takes as long as it takes. */
const isLong = /\bCONCURRENTLY\b/i;

/** The database as pg-boss asks it. */
export const databaseOf = (pool: pg.Pool, query_timeout = patienceMs): Db => ({
  executeSql: (text, values) =>
    pool.query({ text, ...(values && { values }), ...(!isLong.test(text) && { query_timeout }) }),
});

/**
 * The same for a server, which listens.
 *
 * @param heard Called with a queue where there is new work, and without one where there may be some.
 */
export const listeningDatabaseOf = (pool: pg.Pool, heard: (queue?: string) => void, complain: Complain): Db => ({
  ...databaseOf(pool),
  listen: async (channel, onNotification, onReconnect) =>
    listen(
      pool,
      channel,
      {
        onNotification(queue) {
          onNotification(queue);
          heard(queue);
        },
        onConnect() {
          onReconnect();
          heard();
        },
      },
      complain,
    ),
});
