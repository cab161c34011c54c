import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Activation } from '@troupe/protocol';
import pg from 'pg';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Child, startProgram } from '../../../test/support/children.ts';
import { sharedServer } from '../../../test/tools/postgres/server.ts';
import { freshSchema, openForTest } from './open.ts';

type Line = { workerId: string; run?: string; begins?: number; ends?: string };

const worker = fileURLToPath(new URL('./worker.ts', import.meta.url));

/** Worker processes on an engine of their own, and the table that they claim runs in. */
const startWorkers = async (names: readonly string[]) => {
  const [url, schema] = [await sharedServer(), freshSchema()];
  const client = new pg.Client(url);
  await client.connect();
  onTestFinished(() => client.end());
  await client.query(`CREATE TABLE ${schema}_claims (run text PRIMARY KEY, epoch int, done bool)`);
  // All at once: whoever comes first makes the tables and the queue.
  const workers = new Map(names.map((name) => [name, startProgram(worker, [url, schema, name])]));
  const here: string[] = [];
  const placement = await openForTest({ url, schema, logger: { warn: (text) => void here.push(text), error() {} } });
  await Promise.all([...workers.values()].map((child) => child.says(1)));
  const lines = (): Line[] => [...workers.values()].flatMap((child) => child.said as Line[]);
  return {
    ...{ schema, client, placement, here },
    worker: (name: string) => workers.get(name) as Child,
    /** Waits for a line that one of them says. */
    async hears(what: string, isIt: (line: Line) => boolean, withinMs: number): Promise<Line> {
      const until = performance.now() + withinMs;
      for (;;) {
        const line = lines().find(isIt);
        if (line) return line;
        if (performance.now() > until)
          throw new Error(`${what}: not within ${withinMs} ms. Heard: ${JSON.stringify(lines())}`);
        await setTimeout(20);
      }
    },
  };
};

test('a run goes on elsewhere when its worker stands still, and again when that one is killed, whatever the first says then', {
  timeout: 90_000,
}, async () => {
  const { placement, here, worker, hears, client, schema } = await startWorkers(['a', 'b', 'c']);
  const { maxDetectMs } = placement.caps;
  expect(maxDetectMs).toBe(15_000);
  // given a run that takes longer than all of this
  const long = vi.fn<() => Promise<Activation>>(() => new Promise(() => {}));
  await placement.serve({ run: long }, { queues: ['long'], concurrency: 2, workerId: 'here' });
  await placement.dispatch({ runId: 'long', queue: 'long' });
  await placement.dispatch({ runId: 'r', queue: 'q' });
  const first = await hears('The run begins', ({ begins }) => begins === 1, 5_000);
  // and a worker that stands still, and another one that has taken its run over
  worker(first.workerId).process.kill('SIGSTOP');
  const second = await hears('It is taken over', ({ begins }) => begins === 2, maxDetectMs);
  expect(second.workerId).not.toBe(first.workerId);
  // when the first goes on, and says that it is through
  worker(first.workerId).process.kill('SIGCONT');
  await hears('The first notices', (line) => line.workerId === first.workerId && line.ends === 'fenced', 5_000);
  await placement.dispatch({ runId: 'sign', queue: 'q' });
  await hears('The engine has heard of it', ({ run, begins }) => run === 'sign' && begins === 1, 5_000);
  // and the second is killed
  await worker(second.workerId).kill();
  // then the run goes on once more
  const third = await hears('It is taken over again', ({ run, begins }) => run === 'r' && begins === 3, maxDetectMs);
  expect(third.workerId).not.toBe(second.workerId);
  const said = [...here, ...['a', 'b', 'c'].flatMap((name) => worker(name).errors)].join('');
  expect(said).toContain('Run "r" is handed out again: whoever executed it gave no sign of life any more.');
  await client.query(`UPDATE ${schema}_claims SET done = true`);
  await hears('The run is done', ({ run, ends }) => run === 'r' && ends === 'done', 5_000);
  // and the one that takes so long has stayed where it was
  expect(long).toHaveBeenCalledTimes(1);
});

test('a worker that is told to leave hands its runs to another at once, and ends', { timeout: 60_000 }, async () => {
  const { placement, worker, hears } = await startWorkers(['a', 'b']);
  await placement.dispatch({ runId: 'r', queue: 'q' });
  const first = await hears('The run begins', ({ begins }) => begins === 1, 5_000);
  worker(first.workerId).process.kill('SIGTERM');
  const second = await hears('It is taken over', ({ begins }) => begins === 2, 5_000);
  expect(second.workerId).not.toBe(first.workerId);
  // nothing keeps it alive
  expect(await worker(first.workerId).ended).toBe(0);
  expect(worker(first.workerId).errors).toEqual([]);
});
