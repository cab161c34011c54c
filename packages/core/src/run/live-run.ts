import {
  callKeyOfChild,
  FaultError,
  type JobData,
  type JournalEntry,
  type JSONSchema,
  type JSONValue,
  type Message,
  type Receipt,
  type Report,
  type RunRow,
  redact,
  redactEach,
  type Schema,
  toJSON,
  type Usage,
} from '@troupe/protocol';
import type { AnyActorRef, StateValue } from 'xstate';
import type { ChildEnd, RunContext } from '../agent/context.ts';
import type { AnyAgent } from '../define-agent.ts';
import type { ChildRequest, Tool } from '../define-tool.ts';
import { activeMsOf, type Ledger, openLedger } from './ledger.ts';

/** A child that was asked for and not yet admitted. */
export type PendingSpawn = {
  request: ChildRequest;
  job: JobData;
  tools: ReadonlyMap<string, Tool>;
  accept?: (child: LiveRun) => void;
  refuse?: (error: Error) => void;
};

/** What a child came to, and the data that it was made of, as they are stored. */
export type ChildResult = { report: Report; data?: JSONValue };

/**
 * The side of a run that is not data: its definition, its actor, what it said. Lives as long as the run does; whoever
 * holds a handle keeps it longer.
 */
export type LiveRun = {
  readonly runId: string;
  readonly rootId: string;
  readonly parentId?: string;
  readonly callId?: string;
  readonly depth: number;
  readonly agent: AnyAgent;
  readonly tools: ReadonlyMap<string, Tool>;
  /** As it is stored: without secrets. What the model is told of it stands in `transcript`. */
  readonly job: JobData;
  readonly model: string;
  readonly outputSchema?: Schema;
  readonly outputJSONSchema?: JSONSchema;
  readonly sessionKey?: string;
  /** Of a run that a session was sent: the one before it, or `null`. */
  readonly after?: string | null;
  /** The call that started it in the background. */
  readonly origin?: RunRow['origin'];
  /** Quota whose place is held until the run ends. */
  readonly quota?: string;
  /** What its agent was like, and how the call that made the agent makes it again: as it is stored, without secrets. */
  readonly fingerprint?: string;
  readonly made?: RunRow['made'];
  /** Of a child that is not executed where its parent is. */
  readonly placed?: RunRow['placed'];
  /** The run that hands its messages on, where a worker executes that one, too. */
  readonly above?: { runId: string; queue: string };
  /** What the call that dispatched a unit gave along, with its secrets: gone after a restart. */
  readonly unitData?: JSONValue;
  readonly ledger: Ledger;
  /** What every event of the run says of it. */
  readonly envelope: Envelope;
  /** The conversation as the model sees it. */
  transcript: Message[];
  /** Where the machine stood after its last step, and what it knew. */
  value: StateValue | undefined;
  context: RunContext | undefined;
  actor: AnyActorRef | undefined;
  /** What the machine heard since the last step that was recorded. */
  heard: JournalEntry[];
  /** How many things it heard since its last event that were recorded. */
  heardSinceEvent: number;
  /** Steps that it may still go before its checkpoint is written again, and whether it has gone any. See {@link checkpointAfter}. */
  stepsUntilCheckpoint: number;
  isCheckpointOld: boolean;
  /** What came of messages from other processes, until the next commit says so. */
  receipts: { mailId: string; receipt: Receipt }[];
  /** Letters that it was given, heard or not: nobody else is given them before its end is stored. */
  letters: Set<string> | undefined;
  /** The turn whose calls were brought back from a store, which keeps no secrets of theirs. */
  restoredTurn?: number;
  /** When what is below a run that is being interrupted is stopped. */
  graceUntil: number | undefined;
  epoch: number;
  seq: number;
  /** Events that the store has acknowledged. */
  stored: number;
  /** Why the run cannot be stored any more: it says nothing but its end. */
  broken?: { error: unknown };
  /** Live parts told since the last stored event. */
  part: number;
  /** When it last recorded or told something here, or its model sent it something. */
  progressAt: number;
  /** Text of the turn in flight. */
  partial: string;
  /** What that turn has used, until its machine hears of it: before anything else that happens, or with the whole turn. */
  used: Usage | undefined;
  detached: boolean;
  ended: boolean;
  /** Suspended runs say nothing more; their stored run goes on elsewhere. */
  suspended: boolean;
  /** Why an outside stop ended the run. */
  stopReason?: { exitReason: 'stopped' | 'closed'; reason: string };
  /** Writes that are not acknowledged; absent when all are. */
  writing: Promise<void> | undefined;
  /** Its children: `undefined` until it has asked for one. See {@link offspringOf}. */
  offspring: Offspring | undefined;
  /** Children elsewhere that have not ended, and those that were let go. */
  away?: Map<string, AwayChild>;
  left?: Map<string, AwayChild>;
  /** What is left to do once no child is left, here or elsewhere (L2). */
  whenAlone?: () => void;
};

/** The children of a run, as far as it has to know of them. */
export type Offspring = {
  readonly spawns: Map<string, PendingSpawn>;
  /** What children came to, by the call that started them and by id, until that has its result. */
  readonly reports: Map<string, Map<string, ChildResult>>;
  /** Children here that have not ended. */
  readonly below: Set<string>;
  /** Ends of children that the machine has not taken note of. */
  readonly unheard: Map<string, ChildEnd>;
  /** Children that have ended, for calls that ask for them again: brought back with their run, or tried again. */
  readonly former: Map<string, LiveRun>;
};

/** The offspring of a run, to add to: most runs have none. */
export const offspringOf = (run: LiveRun): Offspring => {
  run.offspring ??= {
    spawns: new Map(),
    reports: new Map(),
    below: new Set(),
    unheard: new Map(),
    former: new Map(),
  };
  return run.offspring;
};

/** Children of a run that are alive here. */
export function* childrenHere(run: LiveRun, runs: ReadonlyMap<string, LiveRun>): Iterable<LiveRun> {
  for (const id of run.offspring?.below ?? []) {
    const child = runs.get(id);
    if (child) yield child;
  }
}

/** Takes what was asked for under a child's id: whoever does so admits it, or refuses it. */
export const takeSpawn = ({ offspring }: LiveRun, childId: string): PendingSpawn | undefined => {
  const pending = offspring?.spawns.get(childId);
  offspring?.spawns.delete(childId);
  return pending;
};

/** Takes note that a run was given letters. */
export const giveLetters = (run: LiveRun, letters: Iterable<{ id: string }>): void => {
  for (const { id } of letters) {
    run.letters ??= new Set();
    run.letters.add(id);
  }
};

/** A child that is executed elsewhere: as it is known here, and who hands it its parent's messages. */
export type AwayChild = {
  child: LiveRun;
  queue: string;
  envoy: AnyActorRef | undefined;
  /** It was asked to leave, and has not answered yet. */
  isLeaving?: true;
};

export const openLiveRun = (
  about: Pick<LiveRun, 'runId' | 'rootId' | 'depth' | 'agent' | 'tools' | 'job' | 'model'> &
    Partial<
      Pick<
        LiveRun,
        | 'parentId'
        | 'callId'
        | 'outputSchema'
        | 'outputJSONSchema'
        | 'sessionKey'
        | 'after'
        | 'origin'
        | 'quota'
        | 'fingerprint'
        | 'made'
        | 'placed'
        | 'above'
        | 'unitData'
      >
    >,
): LiveRun => ({
  ...about,
  ledger: openLedger(),
  envelope: envelopeOf(about),
  transcript: [],
  value: undefined,
  context: undefined,
  actor: undefined,
  heard: [],
  heardSinceEvent: 0,
  stepsUntilCheckpoint: 0,
  isCheckpointOld: false,
  receipts: [],
  letters: undefined,
  graceUntil: undefined,
  epoch: 1,
  seq: 0,
  stored: 0,
  part: 0,
  progressAt: 0,
  partial: '',
  used: undefined,
  detached: false,
  ended: false,
  suspended: false,
  writing: undefined,
  offspring: undefined,
});

/** What a run has only while it is alive, or about to be. */
const ofLife = [
  'broken',
  'stopReason',
  'restoredTurn',
  'away',
  'left',
  'whenAlone',
  'above',
  'checkpoint',
  'warnings',
  'lost',
  'rested',
] as const;

/** From now on it is as one that was read from the store: whoever goes on with it may be another process. */
export const layDown = (run: LiveRun): void => {
  const { ledger, transcript, seq, stored, detached } = run;
  for (const left of ofLife) delete (run as Partial<Record<string, unknown>>)[left];
  Object.assign(run, openLiveRun(run), { ledger, transcript, seq, stored, detached });
};

/** @throws FaultError `run.invalid` when a root cannot be called so */
export const checkRunId = (id: string): void => {
  if (id.trim() === '' || id.includes('/'))
    throw new FaultError('run.invalid', `"${id}" cannot be a run's id. Expected text without "/".`);
};

const envelopeOf = ({
  runId,
  rootId,
  parentId,
  callId,
  depth,
  agent,
}: Pick<LiveRun, 'runId' | 'rootId' | 'depth' | 'agent'> & Partial<Pick<LiveRun, 'parentId' | 'callId'>>) =>
  redact({
    runId,
    rootId,
    ...(parentId !== undefined && { parentId }),
    ...(callId !== undefined && { callId }),
    depth,
    agent: agent.name,
  });
type Envelope = ReturnType<typeof envelopeOf>;

/** The run as a list shows it. Made with every step: what is missing is left out without a spread for each. */
export const rowOf = (run: LiveRun): RunRow => {
  const { runId, rootId, agent, model, depth, job, ledger } = run;
  const { status, usage, createdAt } = ledger;
  const row: RunRow = { runId, rootId, agent: agent.name, model, depth, job, status, usage, createdAt };
  if (run.parentId !== undefined) row.parentId = run.parentId;
  if (run.callId !== undefined) row.callId = run.callId;
  if (run.sessionKey !== undefined) row.sessionKey = run.sessionKey;
  if (run.after !== undefined) row.after = run.after;
  if (run.origin) row.origin = run.origin;
  if (ledger.exitReason) row.exitReason = ledger.exitReason;
  if (ledger.endedAt !== undefined) row.endedAt = ledger.endedAt;
  if (run.detached) row.detached = true;
  if (run.quota !== undefined) row.quota = run.quota;
  if (run.fingerprint !== undefined) row.fingerprint = run.fingerprint;
  if (run.made) row.made = run.made;
  if (run.placed) row.placed = run.placed;
  return row;
};

/** What the run gave so far. */
export const reportOf = (run: LiveRun, questions: Report['questions'], now: number): Report => {
  const { ledger } = run;
  const { status } = ledger;
  return {
    runId: run.runId,
    ...(run.parentId !== undefined && { parentId: run.parentId }),
    ...(run.callId !== undefined && { callId: run.callId }),
    agent: run.agent.name,
    status: status === 'completed' || status === 'failed' || status === 'interrupted' ? status : 'paused',
    exitReason: ledger.exitReason ?? 'question',
    createdAt: ledger.createdAt,
    ...(ledger.endedAt !== undefined && { endedAt: ledger.endedAt }),
    text: ledger.text,
    ...(ledger.data !== undefined && { data: ledger.data }),
    ...(ledger.partialText !== undefined && { partialText: ledger.partialText }),
    ...(ledger.fault && { fault: ledger.fault }),
    questions,
    usage: { ...ledger.usage, activeMs: activeMsOf(ledger, now) },
    calls: [...ledger.calls],
    children: [...ledger.children],
    messages: redactEach(run.transcript),
  };
};

/** Keeps what a child came to, for the call that makes its result of it. */
export const keepResult = (run: LiveRun, { runId, made }: LiveRun, report: Report): void => {
  const { reports } = offspringOf(run);
  const callKey = callKeyOfChild(runId);
  const results = reports.get(callKey) ?? new Map<string, ChildResult>();
  results.set(runId, { report, ...(made && { data: made.data }) });
  reports.set(callKey, results);
};

/** Whether a job is the one a run was started with: starting is idempotent. */
export const isSameJob = (a: JobData, b: JobData): boolean =>
  JSON.stringify(redact(toJSON(a))) === JSON.stringify(redact(toJSON(b)));
