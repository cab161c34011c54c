/** What was asked for, as the database takes it. */
import {
  type Commit,
  isEnded,
  type JobData,
  type JSONValue,
  type Mail,
  type Receipt,
  type RunRow,
} from '@troupe/protocol';
import { folded } from '../reader/memory-text.ts';
import { stored } from './identity.ts';
import type { MailTask, RowTask, StepTask, Task, Turn } from './messages.ts';

/** What the store is asked for, before it is text. */
export type Wish =
  | { type: 'commit'; commits: readonly Commit[] }
  | { type: 'post'; mail: Mail }
  | { type: 'withdraw'; id: string; receipt: Receipt }
  | { type: 'claim'; runId: string; owner: string; leaseMs: number }
  | { type: 'renew'; owner: string; leaseMs: number }
  | { type: 'release'; owner: string; runIds?: readonly string[] | undefined }
  | { type: 'remember'; scope: string; key: string; value: JSONValue }
  | { type: 'forgetMemories'; scope: string; key?: string | undefined }
  | { type: 'forgetLoose'; olderThan: number; sentTo?: string | undefined }
  /** Their ids as they are stored. */
  | { type: 'forgetTrees'; rootIds: string[]; olderThan: number }
  | { type: 'close' };

/** Jobs that are stored, by run: they never change, may be large, and are written once. */
export type StoredJobs = Map<string, JobData>;

/** Leases longer than this are beyond what the database can count. */
const longestLeaseMs = 1e14;

/** Texts of a batch. */
export type Texts = {
  /** Gives back the place of the text. */
  add(text: string): number;
  /** How many there are. */
  readonly size: number;
};

export const openTexts = (list: string[]): Texts => ({
  add: (text) => list.push(text),
  get size() {
    return list.length;
  },
});

const json = (texts: Texts, value: unknown): number => texts.add(JSON.stringify(value));

const mailTask = ({ id, runId, sessionKey, at, message }: Mail, texts: Texts): MailTask => ({
  id: stored(id),
  runId: stored(runId),
  ...(sessionKey !== undefined && { session: stored(sessionKey) }),
  at,
  message: json(texts, message),
});

const sentTo = ({ after, sessionKey }: RunRow): string | undefined => (after !== undefined && sessionKey) || undefined;

const turnOf = ({ row, expectedSeq }: Commit): Turn | undefined => {
  const session = expectedSeq === 0 ? sentTo(row) : undefined;
  return session === undefined ? undefined : { session: stored(session), after: row.after ? stored(row.after) : null };
};

const rowTask = (row: RunRow, jobs: StoredJobs, texts: Texts): RowTask => {
  const { job, ...rest } = row;
  const session = sentTo(row);
  const unitOf = row.origin && (row.origin.sessionKey ?? row.sessionKey);
  return {
    data: json(texts, rest),
    ...(jobs.get(row.runId) !== job && { job: json(texts, job) }),
    agent: stored(row.agent),
    ...(row.parentId !== undefined && { parentId: stored(row.parentId) }),
    ...(row.quota !== undefined && { quota: stored(row.quota) }),
    ...(session !== undefined && { sentTo: stored(session) }),
    ...(unitOf !== undefined && { unitOf: stored(unitOf) }),
    ...(row.detached && { detached: true }),
    createdAt: row.createdAt,
    ...(row.endedAt !== undefined && { endedAt: row.endedAt }),
  };
};

/** Of each run only the last row and the last checkpoint of a commit become text at all. */
const commitTask = (steps: readonly Commit[], jobs: StoredJobs, texts: Texts): Task => {
  const rows = new Map(steps.map((step) => [step.runId, step]));
  const checkpoints = new Map(steps.filter(({ checkpoint }) => checkpoint).map((step) => [step.runId, step]));
  const before = new Map<string, NonNullable<StepTask['before']>>();
  const stepTask = (step: Commit, nth: number): StepTask => {
    const { runId, rootId, owner, epoch, expectedSeq: seq, events, row, checkpoint } = step;
    const { journal = [], mail = [], receipts = [] } = step;
    const ended = isEnded(row.status);
    const known = before.get(runId);
    before.set(runId, { seq: seq + events.length, status: row.status, ended });
    const turn = turnOf(step);
    const data = texts.size + 1;
    for (const event of events) json(texts, event);
    return {
      nth,
      runId: stored(runId),
      rootId: stored(rootId),
      owner: stored(owner),
      epoch,
      seq,
      ...(turn && { turn }),
      ...(known && { before: known }),
      status: row.status,
      ended,
      events: events.map(({ type, at }) => [type, at]),
      data,
      ...(journal.length > 0 && { heard: json(texts, journal) }),
      ...(mail.length > 0 && { mail: mail.map((each) => mailTask(each, texts)) }),
      ...(receipts.length > 0 && {
        receipts: receipts.map(({ mailId, receipt }) => ({ id: stored(mailId), receipt: json(texts, receipt) })),
      }),
      ...(rows.get(runId) === step && { row: rowTask(row, jobs, texts) }),
      ...(!ended && checkpoints.get(runId) === step && { checkpoint: json(texts, checkpoint) }),
    };
  };
  const said = steps.reduce((sum, { events }) => sum + events.length, 0);
  return { type: 'commit', rootId: stored(steps[0]?.rootId ?? ''), said, steps: steps.map(stepTask) };
};

/** A task as the database takes it. Throws what `JSON.stringify` does at data that is none. */
export const encode = (wish: Wish, jobs: StoredJobs, texts: Texts): Task => {
  switch (wish.type) {
    case 'commit':
      return commitTask(wish.commits, jobs, texts);
    case 'post':
      return { type: 'post', ...mailTask(wish.mail, texts) };
    case 'withdraw':
      return { type: 'withdraw', id: stored(wish.id), receipt: json(texts, wish.receipt) };
    case 'claim':
    case 'renew':
      return {
        ...wish,
        ...('runId' in wish && { runId: stored(wish.runId) }),
        owner: stored(wish.owner),
        leaseMs: Math.min(wish.leaseMs, longestLeaseMs),
      };
    case 'release':
      return {
        type: 'release',
        owner: stored(wish.owner),
        ...(wish.runIds && { runIds: wish.runIds.map(stored) }),
      };
    case 'remember': {
      const { scope, key, value } = wish;
      const index = texts.add(folded(key, value));
      return { type: 'remember', scope: stored(scope), key: stored(key), value: json(texts, value), folded: index };
    }
    case 'forgetMemories': {
      const { scope, key } = wish;
      return { type: 'forgetMemories', scope: stored(scope), ...(key !== undefined && { key: stored(key) }) };
    }
    case 'forgetLoose': {
      const { olderThan, sentTo } = wish;
      return { type: 'forgetLoose', olderThan, ...(sentTo !== undefined && { sentTo: stored(sentTo) }) };
    }
    case 'forgetTrees':
    case 'close':
      return wish;
  }
};

/** What a task has to itself while it is written: its trees, as they are stored, and the sessions that it goes on with. */
export const locksOf = (task: Task): string[] => {
  if (task.type === 'commit')
    return [task.rootId, ...task.steps.flatMap(({ turn }) => (turn ? `session ${turn.session}` : []))];
  return task.type === 'forgetTrees' ? task.rootIds : [];
};
