/** pg-boss, in one of two parts: for those who only dispatch, or for a server, which also looks after what others have left. */
import type { RunId } from '@troupe/protocol';
import { PgBoss } from 'pg-boss';
import { databaseOf, listeningDatabaseOf, patienceMs } from './database.ts';
import type { Settled } from './options.ts';
import { keyOf, payloadOf } from './payload.ts';
import { makeQueue } from './queues.ts';
import { type Complain, say } from './trouble.ts';

type Sending = {
  queue: string;
  runId: RunId;
  /** How often in a row it could not be executed. Default: 0. */
  attempts?: number;
  /** Not before this moment, in epoch milliseconds by the clock of the database. */
  notBefore?: number;
  /** Not before so many milliseconds have passed. Default: 0. */
  afterMs?: number;
};

export type Engine = {
  readonly boss: PgBoss;
  /** Starts it, and makes the queue where there is none. */
  ready(queue: string): Promise<void>;
  /** One more activation of a run, unless one waits already: that one is made to wait no longer than this one would. */
  send(sending: Sending): Promise<void>;
  close(): Promise<void>;
};

/** @param heard The engine is a server's, which is told of new work: of a queue, or of any. */
export const openEngine = (
  { pool, name, schema, heartbeatSeconds, logger }: Settled,
  complain: Complain,
  heard?: (queue?: string) => void,
): Engine => {
  const isServer = heard !== undefined;
  const boss = new PgBoss({
    db: heard ? listeningDatabaseOf(pool, heard, complain) : databaseOf(pool),
    schema,
    schedule: false,
    registerInstance: false,
    openTelemetry: { enabled: false },
    supervise: isServer,
    useListenNotify: isServer,
    superviseIntervalSeconds: 1,
    monitorIntervalSeconds: 1,
    maintenanceIntervalSeconds: 60,
  });
  boss.on('error', (error) => complain('something that it does by itself could not be done', error));
  boss.on('warning', ({ message }) => say(logger, 'warn', `The engine in ${name} warns: ${message}`));

  let started: Promise<unknown> | undefined;
  const queues = new Map<string, Promise<void>>();

  const start = async (): Promise<void> => {
    started ??= boss.start();
    try {
      await started;
    } catch (error) {
      started = undefined;
      throw error;
    }
  };

  const ready = async (queue: string): Promise<void> => {
    await start();
    const made = queues.get(queue) ?? makeQueue(boss, queue, heartbeatSeconds);
    queues.set(queue, made);
    try {
      await made;
    } catch (error) {
      queues.delete(queue);
      throw error;
    }
  };

  const send = async ({ queue, runId, attempts = 0, notBefore, afterMs = 0 }: Sending): Promise<void> => {
    const startAfter = notBefore === undefined ? afterMs / 1_000 : new Date(notBefore);
    const singletonKey = keyOf(runId);
    const job = await boss.send(queue, payloadOf(runId, attempts), { singletonKey, startAfter, heartbeatSeconds });
    if (job !== null) return;
    const sooner = {
      text: `UPDATE ${schema}.job SET start_after = wanted.moment
        FROM (SELECT coalesce($3::timestamptz, now() + $4 * interval '1 ms') AS moment) AS wanted
        WHERE name = $1 AND singleton_key = $2 AND state = 'created' AND start_after > wanted.moment`,
      values: [queue, singletonKey, notBefore === undefined ? null : new Date(notBefore), afterMs],
      query_timeout: patienceMs,
    };
    await pool.query(sooner);
  };

  return {
    boss,
    ready,
    async send(sending) {
      await ready(sending.queue);
      try {
        await send(sending);
      } catch (error) {
        // Somebody may have taken the queue away.
        queues.delete(sending.queue);
        throw error;
      }
    },
    async close() {
      try {
        await boss.stop({ graceful: true, timeout: 1_000 });
      } catch (error) {
        complain('it could not be left in order', error);
      }
    },
  };
};
