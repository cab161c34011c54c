/** The only connection that writes, whichever thread it is on. It imports little, so that it is there at once. */
import { connectWriter } from '../file/connect.ts';
import { watchName } from '../file/moved.ts';
import type { Outcome, Task, WriterData } from './messages.ts';
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
  const troubleWithName = watchName(data.path);

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

  /** What has been written is acknowledged where it is found again. What is closed is closed wherever it is. */
  const found = (tasks: readonly Task[], outcomes: Outcome[]): Outcome[] => {
    const [first] = tasks;
    tidyAfter(first);
    const refusal = first?.type === 'close' ? undefined : troubleWithName();
    return refusal ? outcomes.map(() => ({ refusal })) : outcomes;
  };

  return {
    write: (tasks) => found(tasks, batches.write(tasks)),
    tryWrite(tasks, isLate) {
      const outcomes = batches.tryWrite(tasks, isLate);
      return outcomes && found(tasks, outcomes);
    },
    close() {
      if (db.isOpen) db.close();
    },
  };
};
