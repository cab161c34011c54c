// What it costs to leave children to workers, through pg-boss in PostgreSQL: children a second, beside the engine alone with as many
// sends; how long a command takes to a child elsewhere; how long until what a killed worker had goes on.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { listOf } from '../support/list-of.ts';
import { ownServer } from '../tools/postgres/server.ts';
import { bootPlaced, engineOf, lead } from './placed-program.ts';
import { median } from './statistics.ts';

export type Placed = {
  children: number;
  /** Children a second with one worker and with two; activations a second of the engine alone. */
  oneWorker: number;
  twoWorkers: number;
  engineAlone: number;
  /** From a steer until its receipt, in milliseconds. */
  steerMs: number;
  /** From the death of a worker until everything that it had goes on elsewhere, in milliseconds. */
  takeoverMs: number;
};

const worker = fileURLToPath(new URL('./placed-worker.ts', import.meta.url));

const hire = async (url: string, schema: string, name: string): Promise<ChildProcess> => {
  const child = spawn(process.execPath, [worker, url, schema, name], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
};
const dismiss = async (...all: ChildProcess[]): Promise<void> => {
  for (const child of all) {
    const isOver = child.exitCode !== null || child.signalCode !== null;
    const over = isOver ? undefined : once(child, 'exit');
    child.kill('SIGKILL');
    await over;
  }
};

const job = (children: number, what: string) => ({ input: { children, job: what } });
const until = async (is: () => Promise<boolean>): Promise<void> => {
  while (!(await is())) await new Promise((resolve) => setTimeout(resolve, 20));
};

const childrenPerSecond = async (url: string, schema: string, workers: number, children: number): Promise<number> => {
  const crew = await Promise.all(Array.from({ length: workers }, (_, n) => hire(url, schema, `w${n}`)));
  const { runtime, close } = bootPlaced(url, schema);
  await runtime.start(lead, job(20, 'warm up')).report;
  const from = performance.now();
  const { text } = await runtime.start(lead, job(children, 'go')).report;
  const seconds = (performance.now() - from) / 1_000;
  if (text !== String(children)) throw new Error(`${text} of ${children} children were completed.`);
  await close();
  await dismiss(...crew);
  return children / seconds;
};

const activationsPerSecond = async (url: string, schema: string, count: number): Promise<number> => {
  const engine = engineOf(url, schema);
  await engine.dispatch({ runId: 'first', queue: 'troupe' });
  let left = count;
  const all = Promise.withResolvers<void>();
  const executor = {
    run: async () => {
      left -= 1;
      if (left === 0) all.resolve();
      return 'done' as const;
    },
  };
  const server = await engine.serve(executor, { queues: ['troupe'], concurrency: 64, workerId: 'bare' });
  await until(async () => left < count);
  left = count;
  const from = performance.now();
  await Promise.all(Array.from({ length: count }, (_, n) => engine.dispatch({ runId: `run${n}`, queue: 'troupe' })));
  await all.promise;
  const seconds = (performance.now() - from) / 1_000;
  await server.drain(1_000);
  await engine.close();
  return count / seconds;
};

const steeringAndTakeover = async (url: string, schema: string): Promise<Pick<Placed, 'steerMs' | 'takeoverMs'>> => {
  const children = 10;
  const first = await hire(url, schema, 'first');
  const { runtime, store, close } = bootPlaced(url, schema);
  const run = runtime.start(lead, job(children, 'wait'), { runId: 'root' });
  const count = async (type: string) =>
    (await listOf(store.events({ rootId: 'root' }))).filter((event) => event.type === type).length;
  await until(async () => (await count('turn.started')) === children + 1);
  const tookMs: number[] = [];
  for (let n = 0; n < 30; n++) {
    const child = await runtime.attach(`root/1-0/${n % children}`);
    const from = performance.now();
    const { status } = await child.steer('Hurry.');
    if (status === 'rejected') throw new Error('A child was steered in vain.');
    tookMs.push(performance.now() - from);
  }
  const second = await hire(url, schema, 'second');
  const from = performance.now();
  await dismiss(first);
  await until(async () => (await count('run.recovered')) === children);
  const takeoverMs = performance.now() - from;
  await run.interrupt();
  await run.ended;
  await close();
  await dismiss(second);
  return { steerMs: median(tookMs), takeoverMs };
};

export const measurePlaced = async (children = 200): Promise<Placed> => {
  const server = await ownServer();
  try {
    const { url } = server;
    const engineAlone = await activationsPerSecond(url, 'bare', children);
    const oneWorker = await childrenPerSecond(url, 'one', 1, children);
    const twoWorkers = await childrenPerSecond(url, 'two', 2, children);
    return { children, engineAlone, oneWorker, twoWorkers, ...(await steeringAndTakeover(url, 'kill')) };
  } finally {
    await server.end();
  }
};
