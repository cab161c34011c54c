/**
 * A copy of what had happened in a tree until a moment, as a tree of its own: everything in it is stored in one commit, and what
 * comes after is a recovery as after a crash. What was in flight and is known to have ended is taken as it ended.
 */
import {
  addUsage,
  type Budget,
  type Checkpoint,
  type Commit,
  FaultError,
  isTerminal,
  type JournalEntry,
  type Message,
  noUsage,
  type ReadEntry,
  type RunRow,
  redact,
  type StoredEvent,
  type Usage,
} from '@troupe/protocol';
import type { SnapshotFrom } from 'xstate';
import type { AgentMachine } from '../agent/agent-machine.ts';
import type { ForkBegins, RunFact, TimeKind } from '../agent/context.ts';
import { bodyAt } from '../agent/conversation.ts';
import type { Allowance } from '../agent/limits.ts';
import { checkpointOf } from '../run/checkpoint.ts';
import { foldHeard } from '../run/journal.ts';
import { enter } from '../run/ledger.ts';
import { type LiveRun, rowOf } from '../run/live-run.ts';
import { takeOutbox } from '../run/recorded.ts';
import { storedRun } from '../runtime/stored-run.ts';
import type { Cut, ForkChange, TreeRun } from './cut.ts';
import { type Given, knownAnswer, knownOutcomes, laterThan } from './in-flight.ts';
import { beginning, placeAfter } from './read-run.ts';
import { type Renaming, renamedEvent, renamedHeard, renamedId } from './rename.ts';
import { heardIn, next, stepsOf } from './replay.ts';
import { undelivered } from './undelivered.ts';

type Snapshot = SnapshotFrom<AgentMachine>;
type Worker = { src: string; input: object };

/** A run of the new tree. */
type Branch = {
  run: LiveRun;
  events: StoredEvent[];
  journal: (JournalEntry | ReadEntry)[];
  snapshot: Snapshot;
  given?: Given;
  /** What it heard afterwards, in the tree that was cut. */
  later: RunFact[];
};

export type Fork = { commits: Commit[]; rows: RunRow[] };

type About = {
  cut: Cut;
  change: ForkChange;
  names: Renaming;
  owner: string;
  now: number;
  /** What the session of the root had said before it. */
  before: readonly Message[];
};

/** @throws FaultError `fork.ended` when the tree had ended by then; `fork.invalid`, `replay.differs` */
export const forkOf = (tree: readonly TreeRun[], about: About): Fork => {
  const { rootId } = about.names;
  if (!tree[0]?.entries.length)
    throw new FaultError('replay.differs', `Run "${rootId}" cannot be forked: its journal is not whole.`, {
      runId: rootId,
    });
  const branches = tree.flatMap((run) => branchOf(run, about) ?? []);
  const [root] = branches;
  if (!root || root.run.ended)
    throw new FaultError(
      'fork.ended',
      `The tree of "${rootId}" had ended by event "${about.cut.event.id}": what was stored together goes together. Fork it at an event before.`,
    );
  if (!root.run.ledger.begun)
    throw new FaultError('fork.invalid', `Run "${rootId}" had not begun by then: send its job again.`);
  const begins = beginsAt(root, branches, about);
  for (const branch of branches)
    if (!branch.run.ended)
      tellForked(branch, about, {
        ...(branch === root && { begins }),
        ...(wasAnswered(branch, branches) && { isAnswered: true }),
      });
  return { commits: commitsOf(branches, about), rows: branches.map(({ run }) => rowOf(run)) };
};

const branchOf = (from: TreeRun, about: About): Branch | undefined => {
  const { cut, names } = about;
  const entries = from.entries.filter(({ rootSeq }) => rootSeq <= cut.until);
  const before = from.events.filter(({ rootSeq }) => rootSeq <= cut.until);
  if (entries.length === 0) return undefined;
  const job = jobOf(from, about);
  const events = before.map((event) => {
    // A secret may have become known since.
    const other = redact(renamedEvent(names, event));
    return 'job' in other ? { ...other, job } : other;
  });
  const heard = heardIn(entries, from.events).map((each) => ({ ...each, heard: renamedHeard(names, each.heard) }));
  const journal: Branch['journal'] = [];
  let snapshot: Snapshot | undefined;
  for (const step of stepsOf(heard, events)) {
    snapshot = step.snapshot;
    const entry = entries[journal.length] as ReadEntry;
    journal.push({ ...entry, heard: foldHeard(step.heard, step.said, entry.seq) });
  }
  if (!snapshot) return undefined;
  const run = storedRun(rowFrom({ ...from.row, job }, events, names), events);
  const later = run.ended ? [] : laterThan(from, cut.until);
  const given = run.ended ? undefined : givenTo(from, snapshot, later, about);
  return { run, events, journal, snapshot, later, ...(given && { given }) };
};

/** The job of a root that a session was sent holds what was said before: its fork stands by itself. */
const jobOf = ({ row }: TreeRun, { before }: About): RunRow['job'] => {
  if (row.parentId !== undefined || before.length === 0) return redact(row.job);
  return redact({ ...row.job, messages: [...(row.job.messages ?? []), ...before.slice(bodyAt(before))] });
};

/** The row as it was begun; what came after is in the events. A fork stands by itself: it is a conversation of its own. */
const rowFrom = (was: RunRow, events: readonly StoredEvent[], names: Renaming): RunRow => {
  const { sessionKey: _, after: __, detached: ___, origin: ____, quota, ...row } = was;
  return {
    ...row,
    runId: renamedId(names, row.runId),
    rootId: names.to,
    ...(row.parentId !== undefined && { parentId: renamedId(names, row.parentId) }),
    ...(events.some(({ type }) => type === 'run.detached') && { detached: true }),
    // What a run that had ended took of a quota, it took once.
    ...(quota !== undefined && !events.some(isTerminal) && { quota }),
  };
};

/** The turn that `at` is about is another one, or is asked for again; every other one in flight is known. */
const givenTo = (
  from: TreeRun,
  snapshot: Snapshot,
  later: readonly RunFact[],
  { cut, change: { turn } }: About,
): Given | undefined => {
  const { id, type } = cut.event;
  if (from !== cut.run || (type !== 'turn.started' && type !== 'turn.completed')) return knownAnswer(later, snapshot);
  if (!turn) return undefined;
  if (!snapshot.matches({ running: 'thinking' }))
    throw new FaultError(
      'fork.invalid',
      `Run "${from.row.runId}" did not wait for its model at event "${id}": its turn cannot be another.`,
    );
  const calls = (turn.calls ?? []).map(({ id: callId, name, arguments: args }, i) => ({
    id: callId ?? `call_${i}`,
    name,
    arguments: JSON.stringify(args),
  }));
  const finish = calls.length > 0 ? 'calls' : 'stop';
  return { worker: 'model', given: { text: turn.text ?? '', calls, usage: noUsage, finish }, usage: noUsage };
};

/**
 * What the other tree had paid for, of all that the root will be charged with: by itself and its settled children, by those that
 * go on below it, and for answers that they are given. What a run that was let go uses is not charged to anybody above it.
 */
const carriedBy = (branches: readonly Branch[]): Usage => {
  const runs = new Map(branches.map(({ run }) => [run.runId, run]));
  const isCharged = ({ ended, detached, parentId }: LiveRun): boolean => {
    if (ended || detached) return false;
    const parent = parentId === undefined ? undefined : runs.get(parentId);
    return !parent || isCharged(parent);
  };
  return branches
    .filter(({ run }) => isCharged(run))
    .flatMap(({ run, given }) => [run.ledger.usage.total, given?.usage ?? noUsage])
    .reduce((sum, usage) => addUsage(sum, usage), noUsage);
};

const beginsAt = (root: Branch, branches: readonly Branch[], { cut, change, now }: About): ForkBegins => ({
  from: cut.event.id,
  changed: (['turn', 'answer', 'budget'] as const).filter((key) => change[key] !== undefined),
  carried: carriedBy(branches),
  ...(change.budget && { allowance: allowanceWith(root.snapshot.context.run.allowance, change.budget, now) }),
});

const allowanceWith = (old: Allowance, { warnAt, keep, deadlineMs, ...limits }: Budget, now: number): Allowance => {
  const given = { ...limits, ...(deadlineMs !== undefined && { deadlineAt: now + deadlineMs }) };
  return {
    limits: { ...old.limits, ...given },
    ceilings: { ...old.ceilings, ...given },
    warnAt: warnAt ?? old.warnAt,
    keep: keep ?? old.keep,
  };
};

/** Whether a run that was let go has been answered since, or somebody below it, though it may not have heard of that. */
const wasAnswered = ({ run, events }: Branch, branches: readonly Branch[]): boolean => {
  const left = events.find(({ type }) => type === 'run.detached');
  if (!left) return false;
  const within = new Set([run.runId]);
  return branches.some((other) => {
    const { runId, parentId = '', detached } = other.run;
    if (within.has(parentId) && !detached) within.add(runId);
    const answered = other.events.findLast(({ type }) => type === 'question.answered');
    return within.has(runId) && answered !== undefined && answered.rootSeq > left.rootSeq;
  });
};

type Told = Omit<Extract<RunFact, { type: 'forked' }>, 'type' | 'known' | 'laterMs'>;

/** Tells a run that it goes on in another tree; what it says of that is its last event until it does. */
const tellForked = (branch: Branch, { cut, now, names }: About, told: Told): void => {
  const { run, events, journal, later } = branch;
  const known = knownOutcomes(later, branch.snapshot);
  const heard = { type: 'forked', known, laterMs: names.laterMs, ...told };
  branch.snapshot = next(branch.snapshot, heard);
  const said = takeOutbox(branch.snapshot)?.events ?? [];
  journal.push({ seq: run.seq, at: now, heard: foldHeard(heard, said, run.seq) });
  for (const draft of said) {
    run.seq += 1;
    const place = { id: `${run.runId}:${run.seq}`, seq: run.seq, rootSeq: cut.until + 1 };
    const event = redact({ ...place, ...run.envelope, at: now, ...draft }) as StoredEvent;
    events.push(event);
    enter(run.ledger, event);
  }
};

/** Where a run goes on: with an answer that is there already, and with alarms for limits that it did not have. */
const checkpointAt = ({ run, events, journal, snapshot, given }: Branch, now: number): Checkpoint => {
  const graceUntil = snapshot.value === 'interrupting' ? now + snapshot.context.run.graceMs : undefined;
  const { workers, ...checkpoint } = checkpointOf(snapshot, graceUntil) as Checkpoint & {
    workers: Record<string, Worker>;
  };
  const { runId } = run;
  const { limits } = snapshot.context.run.allowance;
  const works = snapshot.matches('running') && !snapshot.matches({ running: 'waiting' });
  const worker = given && workers[given.worker];
  const alarm = (kind: TimeKind): Worker => ({ src: 'alarm', input: { runId, kind } });
  const place = placeAfter(beginning, { entries: journal, events });
  return redact({
    ...checkpoint,
    place,
    workers: {
      ...workers,
      ...(limits.deadlineAt !== undefined && { deadline: alarm('deadlineMs') }),
      ...(limits.activeMs !== undefined && works && { watch: alarm('activeMs') }),
      ...(limits.idleMs !== undefined && works && { idle: alarm('idleMs') }),
      ...(given && worker && { [given.worker]: { ...worker, input: { ...worker.input, given: given.given } } }),
    },
  });
};

/** Everything in the order in which it happened; of each run, its last commit says how it stands. */
const commitsOf = (branches: readonly Branch[], { owner, now }: About): Commit[] => {
  const commits: Commit[] = [];
  const last = new Map<string, Commit>();
  const all = branches.flatMap(({ run, events }) => events.map((event) => ({ run, event })));
  for (const { run, event } of all.toSorted((a, b) => a.event.rootSeq - b.event.rootSeq)) {
    const { rootSeq: _, ...told } = event;
    const { runId, rootId } = run;
    const before = commits.at(-1);
    if (before?.runId === runId) {
      before.events.push(told);
      continue;
    }
    const row: RunRow = { ...rowOf(run), status: 'running' };
    const commit: Commit = {
      runId,
      rootId,
      owner,
      epoch: 1,
      expectedSeq: event.seq - 1,
      events: [told],
      row,
    };
    commits.push(commit);
    last.set(runId, commit);
  }
  const left = undelivered(branches, now);
  for (const branch of branches) {
    const { run, journal } = branch;
    const checkpoint = run.ended ? {} : { checkpoint: checkpointAt(branch, now) };
    const mail = left.get(run.runId);
    Object.assign(last.get(run.runId) ?? {}, { row: rowOf(run), journal, ...checkpoint, ...(mail && { mail }) });
  }
  return commits;
};
