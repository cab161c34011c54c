/** PostgreSQL for tests: one for all files of a test run, which starts when the first of them asks, or one for a test alone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const keeper = fileURLToPath(new URL('./keeper.ts', import.meta.url));

export const urlOf = (port: number, user = 'postgres'): string => `postgres://${user}@127.0.0.1:${port}/postgres`;

type Where = { port: number; keeper: number } | { error: string };

/** Where the server of a test run is. Its files are all in one process, in one thread or another. */
export const sharedFolder = (pid: number): string => join(tmpdir(), `troupe-postgres-${pid}`);

const whereIn = async (folder: string): Promise<number> => {
  const file = join(folder, 'where.json');
  for (let tries = 0; tries < 3_000 && !existsSync(file); tries++) await setTimeout(10);
  const where = JSON.parse(readFileSync(file, 'utf8')) as Where;
  if ('error' in where) throw new Error(where.error);
  return where.port;
};

const start = (folder: string, stdio: 'ignore' | ['pipe', 'pipe', 'ignore'], ...more: string[]): ChildProcess =>
  spawn(process.execPath, [keeper, folder, ...more], { stdio, detached: true, cwd: tmpdir() });

/** The url of the server that all files of a test run share. It ends with the test run. */
export const sharedServer = async (): Promise<string> => {
  const folder = sharedFolder(process.pid);
  try {
    mkdirSync(folder);
    start(folder, 'ignore').unref();
  } catch (error) {
    if (!existsSync(folder)) throw error;
  }
  return urlOf(await whereIn(folder));
};

export type OwnServer = {
  readonly port: number;
  readonly url: string;
  /** Ends it as a power failure would. */
  crash(): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Leaves nothing behind. */
  end(): Promise<void>;
};

/** A server for one test, which may be stopped. It flushes what it has committed. */
export const ownServer = async (): Promise<OwnServer> => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-postgres-'));
  const child = start(folder, ['pipe', 'pipe', 'ignore'], 'durable');
  const port = await whereIn(folder).catch((error: unknown) => {
    child.kill('SIGTERM');
    throw error;
  });
  const answers = child.stdout ? createInterface(child.stdout) : undefined;
  const order = async (what: string): Promise<void> => {
    if (!answers) throw new Error('The keeper of the server says nothing.');
    const answered = once(answers, 'line');
    child.stdin?.write(`${what}\n`);
    await answered;
  };
  return {
    port,
    url: urlOf(port),
    crash: () => order('crash'),
    stop: () => order('stop'),
    start: () => order('start'),
    async end() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
};
