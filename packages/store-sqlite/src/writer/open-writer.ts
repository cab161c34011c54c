/** The only connection that writes, whichever thread it is on. It imports little, so that it is there at once. */
import { connectWriter } from '../file/connect.ts';
import { troubleWithName } from '../file/moved.ts';
import type { Outcome, Task, WriterData } from './messages.ts';
import { type BatchWriter, openBatchWriter } from './write-batch.ts';

/** Pages given back to the file system after each time that something was forgotten. */
const vacuumedPages = 1_000;

/** Claims are given back, and the file is closed, wherever it is. */
const isFarewell = ({ type }: Task): boolean => type === 'release' || type === 'close';

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

  /** Why nothing more is written, for good. The name may have been another file's by the time this connection was made. */
  let trouble = troubleWithName(data.path, data.file);
  /** What is written is acknowledged where it is found again. */
  const found = <Given extends Outcome[] | undefined>(
    tasks: readonly Task[],
    perform: (tasks: readonly Task[]) => Given,
  ): Given | Outcome[] => {
    const performed = trouble ? tasks.filter(isFarewell) : tasks;
    const given = performed.length > 0 ? perform(performed) : [];
    if (!given) return given;
    tidyAfter(performed[0]);
    trouble ??= troubleWithName(data.path, data.file);
    if (!trouble) return given;
    const refused: Outcome = { refusal: trouble };
    const outcomes = new Map(performed.map((task, i) => [task, given[i]]));
    return tasks.map((task) => (isFarewell(task) && outcomes.get(task)) || refused);
  };

  return {
    write: (tasks) => found(tasks, batches.write),
    tryWrite: (tasks, isLate) => found(tasks, (performed) => batches.tryWrite(performed, isLate)),
    close() {
      if (db.isOpen) db.close();
    },
  };
};
