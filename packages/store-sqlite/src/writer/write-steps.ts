/** Steps of runs: checked first, all that belong together, and written only then. */
import type { DatabaseSync } from 'node:sqlite';
import type { Place, StepText } from './messages.ts';
import { Refused } from './refused.ts';
import type { RunStates } from './run-states.ts';

export type StepWriter = {
  commit(steps: readonly StepText[], states: RunStates, register: (owner: string) => void): Place[];
  /** Writes where the trees of the batch go on. */
  flush(): void;
  clear(): void;
};

export const openStepWriter = (db: DatabaseSync): StepWriter => {
  const addEvent = db.prepare(
    'INSERT INTO events (root_id, root_seq, run_id, seq, type, at, data) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const findRoot = db.prepare('SELECT next_seq FROM roots WHERE root_id = ?');
  const setRoot = db.prepare(`
    INSERT INTO roots (root_id, next_seq) VALUES (?, ?)
    ON CONFLICT (root_id) DO UPDATE SET next_seq = excluded.next_seq`);
  /** Where the trees of this batch go on. */
  const roots = new Map<string, number>();

  const addEvents = ({ rootId, runId, expectedSeq, events }: StepText): Place => {
    const first = roots.get(rootId) ?? Number(findRoot.get(rootId)?.next_seq ?? 1);
    if (events.length === 0) return { rootSeq: first, id: 0 };
    let id = 0;
    events.forEach(({ type, at, data }, i) => {
      id = Number(addEvent.run(rootId, first + i, runId, expectedSeq + i + 1, type, at, data).lastInsertRowid);
    });
    roots.set(rootId, first + events.length);
    return { rootSeq: first, id: id - events.length + 1 };
  };

  return {
    commit(steps, states, register) {
      const before = new Map<string, StepText>();
      for (const step of steps) {
        check(step, before.get(step.runId), states);
        before.set(step.runId, step);
      }
      return steps.map((step) => {
        register(step.owner);
        states.enter(step);
        return addEvents(step);
      });
    },
    flush() {
      for (const [rootId, next] of roots) setRoot.run(rootId, next);
    },
    clear: () => roots.clear(),
  };
};

/** @param before The run's last step of the same commit. */
const check = (
  { runId, owner, epoch, expectedSeq }: StepText,
  before: StepText | undefined,
  states: RunStates,
): void => {
  const run = states.of(runId);
  const mayBegin = run.owner === null && epoch === 1;
  if (!mayBegin && (run.owner !== owner || run.epoch !== epoch))
    throw new Refused({
      code: 'store.fenced',
      message: `Run "${runId}" is at epoch ${run.epoch} of "${run.owner ?? 'nobody'}"; this writer is "${owner}" at epoch ${epoch}. Another process has claimed it: stop this one.`,
      runId,
    });
  const { ended, status } = before ?? run;
  if (ended)
    throw new Refused({
      code: 'store.ended',
      message: `Run "${runId}" has ended (${status}); nothing can be added.`,
      runId,
    });
  const seq = before ? before.expectedSeq + before.events.length : run.seq;
  if (seq !== expectedSeq)
    throw new Refused({
      code: 'store.conflict',
      message: `Run "${runId}" has ${seq} events, but this writer expected ${expectedSeq}. Read it again, or stop one of the two.`,
      runId,
    });
};
