/** The only connection that writes, whichever thread it is on. It imports little, so that it is there at once. */
import { connectWriter } from '../file/connect.ts';
import type { Task, WriterData } from './messages.ts';
import { type BatchWriter, openBatchWriter } from './write-batch.ts';

/** Pages given back to the file system after each time that something was forgotten. */
const vacuumedPages = 1_000;

export type Writer = BatchWriter & {
  /** Closes the file, unless a task has asked for it already. */
  close(): void;
};

export const openWriter = (data: WriterData): Writer => {
  const db = connectWriter(data.path, data);
  const batches = openBatchWriter(db, data);

  /** Housekeeping: what does not work now works another time. */
  const tidy = (sql: string): void => {
    try {
      db.exec(sql);
    } catch {
      // Nothing that was stored depends on it.
    }
  };

  const tidyAfter = (first: Task | undefined): void => {
    if (first?.type === 'forgetTrees') tidy(`PRAGMA incremental_vacuum(${vacuumedPages})`);
    if (first?.type !== 'close') return;
    tidy('PRAGMA wal_checkpoint(TRUNCATE)');
    db.close();
  };

  return {
    write(tasks) {
      const outcomes = batches.write(tasks);
      tidyAfter(tasks[0]);
      return outcomes;
    },
    tryWrite(tasks, isLate) {
      const outcomes = batches.tryWrite(tasks, isLate);
      if (outcomes) tidyAfter(tasks[0]);
      return outcomes;
    },
    close() {
      if (db.isOpen) db.close();
    },
  };
};
