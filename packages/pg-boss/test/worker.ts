// node worker.ts URL SCHEMA WORKER
//
// A process that executes runs: it claims one in a table, as a store would, and goes on with it until the table says that it is done or
// that somebody else has claimed it. Says what it does in lines of JSON. Told to end by SIGTERM.
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { Activation } from '@troupe/protocol';
import pg from 'pg';
import { pgBoss } from '../src/index.ts';

const [url = '', schema = '', workerId = ''] = process.argv.slice(2);
const say = (what: object): void => void process.stdout.write(`${JSON.stringify({ workerId, ...what })}\n`);

const table = new pg.Pool({ connectionString: url, max: 4 });
const claim = `INSERT INTO ${schema}_claims VALUES ($1, 1, false)
  ON CONFLICT (run) DO UPDATE SET epoch = ${schema}_claims.epoch + 1 RETURNING epoch`;

const execute = async (run: string, signal: AbortSignal): Promise<Activation> => {
  const [{ epoch }] = (await table.query(claim, [run])).rows;
  say({ run, begins: epoch });
  for (;;) {
    await setTimeout(50);
    if (signal.aborted) return 'idle';
    const [found] = (await table.query(`SELECT epoch, done FROM ${schema}_claims WHERE run = $1`, [run])).rows;
    if (found.done) return 'done';
    if (found.epoch !== epoch) return 'fenced';
  }
};

const placement = pgBoss({ url, schema });
const executor = {
  async run(run: string, { signal }: { signal: AbortSignal }) {
    const outcome = await execute(run, signal);
    say({ run, ends: outcome });
    return outcome;
  },
};
const server = await placement.serve(executor, { queues: ['q'], concurrency: 4, workerId });
say({ serves: true });
await once(process, 'SIGTERM');
await server.drain(5_000);
await placement.close();
await table.end();
