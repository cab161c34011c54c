/** One batch, one transaction. What is refused is refused alone. */
import type { DatabaseSync } from 'node:sqlite';
import { busyMs } from '../file/connect.ts';
import { isBusy, isOutage, troubleOf } from '../file/trouble.ts';
import type { Outcome, Task, WriterData } from './messages.ts';
import { Refused } from './refused.ts';
import { openRunStates } from './run-states.ts';
import { openClaimWriter } from './write-claims.ts';
import { openMailWriter } from './write-mail.ts';
import { openMemoryWriter } from './write-memories.ts';
import { openStepWriter } from './write-steps.ts';
import { openTreeWriter } from './write-trees.ts';

export type BatchWriter = {
  /** Waits for other processes that write, and refuses what could not be written. */
  write(tasks: readonly Task[]): Outcome[];
  /** Does not wait: nothing is written, and `undefined` given, while another process writes; refused, once it `isLate`. */
  tryWrite(tasks: readonly Task[], isLate: boolean): Outcome[] | undefined;
};

export const openBatchWriter = (db: DatabaseSync, { path, self, now }: WriterData): BatchWriter => {
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const states = openRunStates(db);
  const mail = openMailWriter(db);
  const steps = openStepWriter(db, mail);
  const claims = openClaimWriter(db, self);
  const trees = openTreeWriter(db);
  const memories = openMemoryWriter(db);
  let isSwept = false;

  const perform = (task: Task): unknown => {
    switch (task.type) {
      case 'commit':
        return steps.commit(task.steps, states, claims.register);
      case 'post':
        return mail.post(task);
      case 'withdraw':
        return mail.withdraw(task);
      case 'claim':
        return claims.claim(task, states);
      case 'renew':
        return claims.renew(task);
      case 'release':
        return claims.release(task, states);
      case 'findOld':
        return trees.findOld(task);
      case 'forgetTrees':
        return trees.forgetTrees(task);
      case 'remember':
        return memories.remember(task);
      case 'forgetMemories':
        return memories.forget(task);
      case 'close':
        return claims.releaseAll();
    }
  };

  const attempt = (task: Task): Outcome => {
    try {
      return { given: perform(task) ?? null };
    } catch (error) {
      if (error instanceof Refused) return { refusal: error.refusal };
      throw error;
    }
  };

  const writeTogether = (tasks: readonly Task[]): Outcome[] => {
    begin.run();
    try {
      if (!isSwept) claims.sweep(now);
      const outcomes = tasks.map(attempt);
      states.flush();
      commit.run();
      isSwept = true;
      claims.committed();
      return outcomes;
    } finally {
      if (db.isTransaction) db.exec('ROLLBACK');
      claims.rolledBack();
      states.clear();
      steps.clear();
    }
  };

  /** What cannot be written together is tried one by one: what is to blame fails alone. */
  const writeApart = (tasks: readonly Task[], error: unknown): Outcome[] => {
    if (tasks.length > 1 && !isOutage(error)) return tasks.flatMap((task) => write([task]));
    const refusal = troubleOf(error, path, 'written');
    return tasks.map(() => ({ refusal }));
  };

  const write = (tasks: readonly Task[]): Outcome[] => {
    try {
      return writeTogether(tasks);
    } catch (error) {
      return writeApart(tasks, error);
    }
  };

  const tryWrite = (tasks: readonly Task[], isLate: boolean): Outcome[] | undefined => {
    try {
      db.exec('PRAGMA busy_timeout = 0');
      return writeTogether(tasks);
    } catch (error) {
      db.exec(`PRAGMA busy_timeout = ${busyMs}`);
      return isBusy(error) && !isLate ? undefined : writeApart(tasks, error);
    }
  };
  return { write, tryWrite };
};
