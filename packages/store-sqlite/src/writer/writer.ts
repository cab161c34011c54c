/** The writer: a thread of its own with the only connection that writes. It imports little, so that it is there at once. */
import { parentPort, workerData } from 'node:worker_threads';
import { connectWriter } from '../file/connect.ts';
import type { Task, WriterData } from './messages.ts';
import { openBatchWriter } from './write-batch.ts';

/** Pages given back to the file system after each time that something was forgotten. */
const vacuumedPages = 1_000;

const data = workerData as WriterData;
const db = connectWriter(data.path, data);
const write = openBatchWriter(db, data);

/** Housekeeping: what does not work now works another time. */
const tidy = (sql: string): void => {
  try {
    db.exec(sql);
  } catch {
    // Nothing that was stored depends on it.
  }
};

parentPort?.on('message', (tasks: readonly Task[]) => {
  const outcomes = write(tasks);
  const [first] = tasks;
  if (first?.type === 'forgetTrees') tidy(`PRAGMA incremental_vacuum(${vacuumedPages})`);
  if (first?.type === 'close') {
    tidy('PRAGMA wal_checkpoint(TRUNCATE)');
    db.close();
  }
  parentPort?.postMessage(outcomes);
});
