/** A PostgreSQL and workers for one review. They end with it, however it ends: nothing of them is left. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pgBoss } from '@troupe/pg-boss';
import type { Placement } from '@troupe/protocol';
import { type PostgresStore, postgresStore } from '@troupe/store-postgres';
import { type OwnServer, ownServer } from '../../test/tools/postgres/server.ts';

const troupe = fileURLToPath(new URL('./troupe.ts', import.meta.resolve('@troupe/cli')));
const agents = fileURLToPath(new URL('./worker-agents.ts', import.meta.url));

export type Fleet = {
  readonly store: PostgresStore;
  readonly placement: Placement;
  /** What workers take up, and what they complain of, is said there from now on. */
  tellTo(say: (line: string) => void): void;
  /** Which worker has executed what, a line each. */
  executed(): string;
  close(): Promise<void>;
};

type Said = { type: string; agent?: string };
type Worker = { name: string; child: ChildProcess; took: string[] };

/** Starts a server and so many workers, each a process of its own. @param folder What is reviewed. */
export const openFleet = async (count: number, folder: string): Promise<Fleet> => {
  let say: (line: string) => void = () => {};
  const server = await ownServer();
  const workers: Worker[] = [];
  try {
    const names = Array.from({ length: count }, (_, i) => `worker-${i + 1}`);
    await Promise.all(names.map((name) => startWorker(name, { server, folder, workers, say: (line) => say(line) })));
  } catch (error) {
    await end(workers, server);
    throw error;
  }
  const store = postgresStore(server.url);
  const placement = pgBoss(server.url);
  return {
    store,
    placement,
    tellTo(next) {
      say = next;
    },
    executed: () =>
      workers
        .map(({ name, took }) => `${name} executed ${took.length === 0 ? 'nothing' : took.join(', ')}.`)
        .join('\n'),
    async close() {
      await placement.close();
      await store.close();
      await end(workers, server);
    },
  };
};

type Around = { server: OwnServer; folder: string; workers: Worker[]; say(line: string): void };

/** Resolves once it serves. */
const startWorker = async (name: string, { server, folder, workers, say }: Around): Promise<void> => {
  const args = ['worker', '--agents', agents, '--name', name, '--concurrency', '2', '--health', 'off', '--json'];
  const child = spawn(process.execPath, [troupe, ...args], {
    env: {
      ...process.env,
      TROUPE_STORE: server.url,
      REVIEW_FOLDER: folder,
      REVIEW_PARENT: String(process.pid),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C ends the review in order first: its children need their workers for that.
    detached: true,
  });
  const worker: Worker = { name, child, took: [] };
  workers.push(worker);
  let complaints = '';
  createInterface(child.stderr).on('line', (line) => {
    complaints += `${line} `;
    say(`${name}: ${line}`);
  });
  const serves = Promise.withResolvers<void>();
  createInterface(child.stdout).on('line', (line) => {
    const { type, agent = '' } = JSON.parse(line) as Said;
    if (type === 'worker.started') serves.resolve();
    if (type !== 'run.taken') return;
    worker.took.push(agent);
    say(`⇢ ${name} executes ${agent}`);
  });
  child.once('error', serves.reject);
  child.once('close', () => serves.reject(new Error(`${name} has ended before it served: ${complaints.trim()}`)));
  await serves.promise;
};

const end = async (workers: readonly Worker[], server: OwnServer): Promise<void> => {
  await Promise.all(
    workers.map(async ({ child }) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }),
  );
  await server.end();
};
