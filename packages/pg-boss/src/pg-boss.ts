import type { Placement, PlacementServer, RunExecutor } from '@troupe/protocol';
import { spareMs } from './activations.ts';
import { type Engine, openEngine } from './engine.ts';
import { invalid, type PgBossOptions, settle } from './options.ts';
import { checkQueue } from './queues.ts';
import { openServer, type Serving } from './server.ts';
import { closed, complaints, unavailable } from './trouble.ts';
import { within } from './within.ts';

/** The last moment that has a year of four digits, in epoch milliseconds. */
const lastMoment = 253_402_300_799_999;

const checkMoment = (notBefore: number | undefined): void => {
  if (notBefore !== undefined && !(Number.isFinite(notBefore) && notBefore <= lastMoment))
    throw invalid(`notBefore was ${notBefore}. Expected epoch milliseconds, before the year 10000.`);
};

const checkServing = ({ queues, concurrency, workerId }: Serving): void => {
  if (queues.length === 0) throw invalid('serve() was given no queue. Name one or more.');
  queues.forEach(checkQueue);
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 10_000)
    throw invalid(`concurrency was ${concurrency}. Expected a whole number from 1 to 10000.`);
  if (typeof workerId !== 'string' || workerId === '')
    throw invalid('workerId was empty. Name the worker, so that it can be told from others.');
};

/**
 * Hands runs to workers on any number of machines, through pg-boss in a PostgreSQL. It connects when it is first asked something.
 *
 * @param options A url, or options.
 * @throws FaultError `placement.invalid`: options, a queue, a moment or a concurrency that cannot be · `placement.unavailable`: the
 *   database cannot be reached; `retryable` unless it refuses for good · `placement.closed`
 */
export const pgBoss = (options: string | PgBossOptions): Placement => {
  const settled = settle(options);
  const { pool, isOwn, name, schema, heartbeatSeconds, logger } = settled;
  const complain = complaints(logger, name);
  const servers = new Set<PlacementServer>();
  const underway = new Set<Promise<unknown>>();
  let dispatcher: Engine | undefined;
  let ended: Promise<void> | undefined;

  // A connection that ends while nobody uses it is no news: the next question opens another one.
  const ignore = (): void => {};
  pool.on('error', ignore);

  /** What closing waits for. A pool that ends forgets those who wait for a connection. */
  const asking = async <Answer>(asked: Promise<Answer>, failing: string): Promise<Answer> => {
    underway.add(asked);
    try {
      return await asked;
    } catch (error) {
      throw unavailable(error, name, failing);
    } finally {
      underway.delete(asked);
    }
  };

  const open = async (executor: RunExecutor, serving: Serving): Promise<PlacementServer> => {
    const server = await openServer(settled, complain, executor, serving);
    if (ended) {
      await server.drain(0);
      throw closed(name);
    }
    servers.add(server);
    return {
      async drain(ms) {
        await server.drain(ms);
        servers.delete(server);
      },
    };
  };

  const end = async (): Promise<void> => {
    await within(spareMs, Promise.allSettled(underway));
    await Promise.all([...servers].map((server) => server.drain(0)));
    await within(spareMs, dispatcher?.close() ?? Promise.resolve());
    pool.off('error', ignore);
    if (isOwn) await within(spareMs, pool.end());
  };

  return {
    name: 'pg-boss',
    caps: { maxDetectMs: (heartbeatSeconds + 5) * 1_000, engine: `pg-boss in the schema "${schema}" of ${name}` },
    async dispatch({ runId, queue, notBefore }) {
      checkQueue(queue);
      checkMoment(notBefore);
      if (ended) throw closed(name);
      dispatcher ??= openEngine(settled, complain);
      const isLater = notBefore !== undefined && notBefore > Date.now();
      const sent = dispatcher.send({ queue, runId, ...(isLater && { notBefore }) });
      await asking(sent, `run "${runId}" could not be dispatched`);
    },
    async serve(executor, { queues, concurrency, workerId }) {
      checkServing({ queues, concurrency, workerId });
      if (ended) throw closed(name);
      const opened = open(executor, { queues: [...new Set(queues)], concurrency, workerId });
      return asking(opened, `worker "${workerId}" could not begin`);
    },
    close: () => (ended ??= end()),
  };
};
