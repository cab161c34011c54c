/** What was asked for, as text. */
import { type Commit, isEnded, type JobData, type Mail, type NewEvent, type RunRow } from '@troupe/protocol';
import type { EventText, MailText, RowText, StepText, Task, Turn } from './messages.ts';

/** A task of the store; commits are not yet text. */
export type Wish = { type: 'commit'; commits: readonly Commit[] } | Exclude<Task, { type: 'commit' }>;

/** Jobs that are stored, by run: they never change, may be large, and are written once. */
export type StoredJobs = Map<string, JobData>;

const eventText = (event: NewEvent): EventText => ({ type: event.type, at: event.at, data: JSON.stringify(event) });

/** A message as the writer takes it. */
export const mailText = ({ id, runId, sessionKey, at, message }: Mail): MailText => ({
  id,
  runId,
  session: sessionKey ?? null,
  at,
  message: JSON.stringify(message),
});

const sentTo = ({ after, sessionKey }: RunRow): string | null => (after !== undefined && sessionKey) || null;

const turnOf = ({ row, expectedSeq }: Commit): Turn | null => {
  const session = expectedSeq === 0 ? sentTo(row) : null;
  return session === null ? null : { session, after: row.after ?? null };
};

const rowText = (row: RunRow, jobs: StoredJobs): RowText => {
  const { job, ...rest } = row;
  return {
    data: JSON.stringify(rest),
    job: jobs.get(row.runId) === job ? null : JSON.stringify(job),
    agent: row.agent,
    parentId: row.parentId ?? null,
    quota: row.quota ?? null,
    sentTo: sentTo(row),
    unitOf: (row.origin && (row.origin.sessionKey ?? row.sessionKey)) ?? null,
    createdAt: row.createdAt,
    endedAt: row.endedAt ?? null,
  };
};

/**
 * Steps that belong together, as the writer takes them: of each run only the last row and the last checkpoint become text at all.
 * Throws what `JSON.stringify` does at data that is none.
 */
const encodeSteps = (steps: readonly Commit[], jobs: StoredJobs): StepText[] => {
  const rows = new Map(steps.map((step) => [step.runId, step]));
  const checkpoints = new Map(steps.filter(({ checkpoint }) => checkpoint).map((step) => [step.runId, step]));
  return steps.map((step) => {
    const { runId, rootId, owner, epoch, expectedSeq, events, row, checkpoint } = step;
    const { journal = [], mail = [], receipts = [] } = step;
    const ended = isEnded(row.status);
    return {
      runId,
      rootId,
      owner,
      epoch,
      expectedSeq,
      turn: turnOf(step),
      status: row.status,
      ended,
      events: events.map(eventText),
      heard: journal.length > 0 ? JSON.stringify(journal) : null,
      mail: mail.map(mailText),
      receipts: receipts.map(({ mailId, receipt }) => [mailId, JSON.stringify(receipt)]),
      row: rows.get(runId) === step ? rowText(row, jobs) : null,
      checkpoint: !ended && checkpoints.get(runId) === step ? JSON.stringify(checkpoint) : null,
    };
  });
};

/** A task as the writer takes it. */
export const encode = (wish: Wish, jobs: StoredJobs): Task =>
  wish.type === 'commit' ? { type: 'commit', steps: encodeSteps(wish.commits, jobs) } : wish;

/** About how many characters a task has. */
export const lengthOf = (task: Task): number => {
  if (task.type === 'remember') return task.value.length + task.text.length;
  if (task.type !== 'commit') return 0;
  let characters = 0;
  for (const { events, heard, mail, row, checkpoint } of task.steps) {
    characters += (row?.data.length ?? 0) + (row?.job?.length ?? 0) + (checkpoint?.length ?? 0) + (heard?.length ?? 0);
    for (const { data } of events) characters += data.length;
    for (const { message } of mail) characters += message.length;
  }
  return characters;
};
