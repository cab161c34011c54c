/** Steps of runs: checked first, all that belong together, and written only then. */
import type { DatabaseSync } from 'node:sqlite';
import type { Place, StepText } from './messages.ts';
import { Refused } from './refused.ts';
import type { RunStates } from './run-states.ts';

export type StepWriter = {
  commit(steps: readonly StepText[], states: RunStates, register: (owner: string) => void): Place[];
  /** Forgets everything: another batch begins. */
  clear(): void;
};

export const openStepWriter = (db: DatabaseSync): StepWriter => {
  const addEvent = db.prepare(
    'INSERT INTO events (id, root_id, root_seq, run_id, seq, type, at, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  );
  // Numbers are never given twice, also when the last events were forgotten: readers hold them as cursors.
  const findLast = db.prepare(`
    SELECT max((SELECT coalesce(max(id), 0) FROM events), (SELECT coalesce(max(value), 0) FROM meta WHERE name = 'forgotten'))
      AS id`);
  const findPlace = db.prepare('SELECT coalesce(max(root_seq), 0) AS place FROM events WHERE root_id = ?');
  /** Where the file and the trees of this batch stand. */
  let last: number | undefined;
  const places = new Map<string, number>();

  const addEvents = ({ rootId, runId, expectedSeq, events }: StepText): Place => {
    const before = places.get(rootId) ?? Number(findPlace.get(rootId)?.place);
    last ??= Number(findLast.get()?.id);
    const place = { rootSeq: before + 1, id: last + 1 };
    for (const [i, { type, at, data }] of events.entries()) {
      last += 1;
      addEvent.run(last, rootId, before + i + 1, runId, expectedSeq + i + 1, type, at, data);
    }
    places.set(rootId, before + events.length);
    return place;
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
    clear() {
      last = undefined;
      places.clear();
    },
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
