/**
 * Who writes the batches. Where each is flushed to the disk, a thread of its own: waiting for a disk must not hold anybody else.
 * Where none is flushed, this thread: a batch is written in less time than it takes to hand it over and hear of it.
 */
import { Worker } from 'node:worker_threads';
import { messageOf } from '@troupe/protocol';
import { busyMs } from '../file/connect.ts';
import type { Outcome, Task, WriterData } from './messages.ts';
import { openWriter } from './open-writer.ts';

/** Batches are told of in the order in which they were given. */
export type Told = { written(outcomes: Outcome[]): void; died(why: string): void };

export type Hand = {
  /** Writes a batch; the process lives until all that were given are written. */
  write(tasks: Task[]): void;
  end(): Promise<unknown>;
};

/** @param entry The program of the thread. */
export const openThread = (data: WriterData, entry: URL, { written, died }: Told): Hand => {
  // What this process was started with is not meant for the writer: `--input-type`, for one, it would not start with.
  // That SQLite is experimental in Node 22 is said once, here.
  const execArgv = ['--disable-warning=ExperimentalWarning'];
  const worker = new Worker(entry, { workerData: data, name: 'troupe-store', execArgv });
  let given = 0;
  worker.on('message', (outcomes: Outcome[]) => {
    given -= 1;
    if (given === 0) worker.unref();
    written(outcomes);
  });
  worker.on('error', (error) => died(messageOf(error)));
  worker.on('exit', (code) => died(`exit code ${code}`));
  // Listening keeps the process alive: only now is it let go.
  worker.unref();
  return {
    write(tasks) {
      given += 1;
      worker.ref();
      worker.postMessage(tasks);
    },
    end: () => worker.terminate(),
  };
};

/** How long another process is given before the file is asked for again. */
const againMs = 2;

export const openHere = (data: WriterData, { written }: Pick<Told, 'written'>): Hand => {
  const writer = openWriter(data);
  const waiting: Task[][] = [];

  /** Where another process writes, it comes back later: this thread has more to do than to wait. */
  const work = (sinceMs = performance.now()): void => {
    for (let [tasks] = waiting; tasks; [tasks] = waiting) {
      const outcomes = writer.tryWrite(tasks, performance.now() - sinceMs >= busyMs);
      if (!outcomes) {
        setTimeout(work, againMs, sinceMs);
        return;
      }
      waiting.shift();
      written(outcomes);
    }
  };

  return {
    write(tasks) {
      waiting.push(tasks);
      if (waiting.length === 1) work();
    },
    async end() {
      writer.close();
    },
  };
};
