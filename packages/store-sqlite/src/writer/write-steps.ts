/** Steps of runs: checked first, all that belong together, and written only then. */
import type { DatabaseSync } from 'node:sqlite';
import type { Place, StepText } from './messages.ts';
import { Refused } from './refused.ts';
import type { Numbers, RunStates } from './run-states.ts';
import type { MailWriter } from './write-mail.ts';

export type StepWriter = {
  commit(steps: readonly StepText[], states: RunStates, register: (owner: string) => void): Place[];
  /** Forgets everything: another batch begins. */
  clear(): void;
};

/** @param mail Writes the messages that a step leaves, and what came of others. */
export const openStepWriter = (db: DatabaseSync, mail: Pick<MailWriter, 'post' | 'answer'>): StepWriter => {
  const addEvent = db.prepare(
    'INSERT INTO events (id, root, root_seq, run, seq, type, at, data, heard, whole) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const addQuiet = db.prepare('INSERT INTO quiet_steps (run, seq, heard, whole) VALUES (?, ?, ?, ?)');
  // Numbers are never given twice, also when the last events were forgotten: readers hold them as cursors.
  const findLast = db.prepare(`
    SELECT max((SELECT coalesce(max(id), 0) FROM events), (SELECT coalesce(max(value), 0) FROM meta WHERE name = 'forgotten'))
      AS id`);
  const findPlace = db.prepare(
    'SELECT coalesce(max(root_seq), 0) AS place FROM events WHERE root = (SELECT run FROM claims WHERE run_id = ?)',
  );
  /** Where the file and the trees of this batch stand. */
  let last: number | undefined;
  const places = new Map<string, number>();

  const placeIn = (rootId: string): number => {
    const place = places.get(rootId) ?? Number(findPlace.get(rootId)?.place);
    places.set(rootId, place);
    return place;
  };

  /** @param whole The place of the commit's last event. */
  const addEvents = (
    { rootId, expectedSeq, events, heard }: StepText,
    { run, root }: Numbers,
    whole: number,
  ): Place => {
    const before = placeIn(rootId);
    last ??= Number(findLast.get()?.id);
    const place = { rootSeq: before + 1, id: last + 1 };
    for (const [i, { type, at, data }] of events.entries()) {
      last += 1;
      const [mine, until] = i === 0 && heard !== null ? [heard, whole] : [null, null];
      addEvent.run(last, root, before + i + 1, run, expectedSeq + i + 1, type, at, data, mine, until);
    }
    places.set(rootId, before + events.length);
    return place;
  };
  /** What led to a step without events. */
  const addHeard = ({ expectedSeq, events, heard }: StepText, run: number, whole: number): void => {
    if (heard !== null && events.length === 0) addQuiet.run(run, expectedSeq, heard, whole);
  };

  return {
    commit(steps, states, register) {
      const before = new Map<string, StepText>();
      for (const step of steps) {
        check(step, before.get(step.runId), states);
        before.set(step.runId, step);
      }
      const said = steps.reduce((sum, { events }) => sum + events.length, 0);
      const whole = placeIn(steps[0]?.rootId ?? '') + said;
      return steps.map((step) => {
        register(step.owner);
        const numbers = states.enter(step);
        addHeard(step, numbers.run, whole);
        for (const left of step.mail) mail.post(left);
        for (const [mailId, receipt] of step.receipts) mail.answer(mailId, receipt);
        return addEvents(step, numbers, whole);
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
  { runId, owner, epoch, expectedSeq, turn }: StepText,
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
  const newest = turn && !before && run.status === null ? states.newestOf(turn.session) : undefined;
  if (turn && newest !== undefined && newest !== turn.after)
    throw new Refused({
      code: 'store.overtaken',
      message: `Run "${runId}" was to come after ${turn.after === null ? 'none' : `run "${turn.after}"`} in session "${turn.session}", which was sent run "${newest}" since. Read the session again.`,
      runId,
    });
};
