import type { LiveEvent, StoredEvent } from '../event.ts';
import type { JobData } from '../job.ts';
import type { JSONValue } from '../json.ts';
import type { Receipt } from '../question.ts';
import type { ExitReason, RunStatus, UsageReport } from '../report.ts';

/** One run as a list shows it. */
export type RunRow = {
  runId: string;
  rootId: string;
  parentId?: string;
  /** The call of the parent that started it. */
  callId?: string;
  agent: string;
  model: string;
  depth: number;
  sessionKey?: string;
  /** Of a run that a session was sent: the one before it, whose conversation it goes on with; `null` for the first. */
  after?: string | null;
  job: JobData;
  status: RunStatus;
  exitReason?: ExitReason;
  usage: UsageReport;
  /** Epoch milliseconds. */
  createdAt: number;
  endedAt?: number;
  /** The run that started it has let it go: it is its own root now. */
  detached?: boolean;
  /** The count whose place it takes, or has taken by completing. */
  quota?: string;
  /** What its agent was like when it started, as a hash. */
  fingerprint?: string;
  /**
   * Of a child that is not executed where its parent is: the queue by which workers are handed it, and when it must have ended, in epoch
   * milliseconds, where that is limited.
   */
  placed?: { queue: string; deadlineAt?: number };
  /** Who makes its agent again, and from what, where it was made for this run alone: the tool of `callId`, or a maker of the program. */
  made?: { tool: string; data: JSONValue } | { maker: string; data: JSONValue };
  /**
   * The call that started it in the background; it is a root of its own. Of a background unit the session is `sessionKey`; of a run that
   * was sent to another session (it has `after`) the one that asked for it is `origin.sessionKey`.
   */
  origin?: { runId: string; rootId: string; callId: string; each?: true; sessionKey?: string };
};

/** A run and the runs it started, oldest first. `background`: one with an `origin`, a root with a budget of its own. */
export type RunTree = RunRow & { children: RunTree[]; background?: true };

export type RunFilter = {
  status?: RunStatus | readonly RunStatus[];
  rootId?: string;
  /** Runs that this session was sent, without those below them. */
  sentTo?: string;
  /** Runs that were started in the background of this session: those whose `origin` is there, without those below them. */
  unitsOf?: string;
  limit?: number;
  before?: string;
};

/** A count of runs, and how it stands. */
export type Quota = {
  key: string;
  /** Runs that took a place and completed. */
  completed: number;
  /** Runs that hold a place: they have not ended, and their parent has not let them go. */
  holders: string[];
};

/** Events as the recorder hands them over: the store adds `rootSeq`. */
type Unordered<E> = E extends unknown ? Omit<E, 'rootSeq'> : never;
export type NewEvent = Unordered<StoredEvent>;

/** What a run goes on from: data only, and of the same size whatever the run has behind it. Only its writer understands it. */
export type Checkpoint = { readonly [key: string]: unknown };

/**
 * Something that the machine of a run heard: its input, a command, a fact. Told again in order, they bring it where it was, so the
 * journal of a run is what replays it. JSON; only its writer understands what `heard` says.
 */
export type JournalEntry = {
  /** Events that the run had when it heard it. */
  seq: number;
  /** When that was, in epoch milliseconds. */
  at: number;
  heard: { readonly type: string; readonly [key: string]: unknown };
};

/** An entry as it is stored. */
export type ReadEntry = JournalEntry & {
  /** Events that the tree had once the commit was written that brought it: what has the same was stored together. */
  rootSeq: number;
};

/** A message for a run, from a process that does not execute it; or for a session, from a run or from a program. */
export type Mail = {
  /** Given by the sender: the same id twice is one message. */
  id: string;
  runId: string;
  /** Of mail to a session: which. `runId` is then the run that sent it; any text where no run has. */
  sessionKey?: string;
  /** When it was sent, in epoch milliseconds. */
  at: number;
  /** JSON; only senders and receivers understand it. */
  message: { readonly type: string; readonly [key: string]: unknown };
};

/** Everything that one step of a run writes: all of it or nothing. */
export type Commit = {
  runId: string;
  rootId: string;
  /** Who executes the run, and the epoch of the claim. Nobody needs to claim a run that is new: its first commit, at epoch 1, does. */
  owner: string;
  epoch: number;
  /** How many events the writer believes the run has. */
  expectedSeq: number;
  /** None when only the checkpoint has changed. */
  events: NewEvent[];
  /** What led to it, in order. The store fills `rootSeq` in; a copy of another tree's journal brings its own. */
  journal?: (JournalEntry | ReadEntry)[];
  /** Messages that this step leaves, stored with it or not at all. Of those with the same id, before or among them, the first counts. */
  mail?: readonly Mail[];
  /** What came of messages, to the run or to any session: they are in no inbox from now on. The first receipt stands. */
  receipts?: { mailId: string; receipt: Receipt }[];
  /** The row as it stands after this step. */
  row: RunRow;
  /** Takes the place of the one before, which stays where a step brings none. A run that has ended keeps none. */
  checkpoint?: Checkpoint;
};

/** Where a reader stands: in one tree by `rootSeq`, in one run by `seq`, over all trees by an opaque text made by the store. */
export type EventQuery = { rootId: string; after?: number } | { runId: string; after?: number } | { after?: string };

/** A stored event, and where a reader over all trees stands after it. */
export type ReadEvent = StoredEvent & { cursor: string };

/** Carries live events from the process that tells them to those that follow their tree elsewhere. What gets lost is lost. */
export type LiveRelay = {
  /** Tells other processes. Costs next to nothing while none of them listens to the tree. */
  tell(event: LiveEvent): void;
  /**
   * Hears what other processes tell from now on, each in its order: of one tree, or of all; without an event, that they have stored
   * something of it. Gives back how to stop. Keeps no process alive.
   */
  listen(rootId: string | undefined, heard: (event?: LiveEvent) => void): () => void;
};

/**
 * Where runs are remembered. The store is the only truth: it gives each tree its order, and lets one writer at a time write a run.
 *
 * Answers may be promises or plain values; a store that answers at once makes no caller wait.
 * Implementations pass `runStoreContract` of `@troupe/testing`.
 */
export interface RunStore {
  /** True when what is stored outlives the process. */
  readonly lasting: boolean;
  /**
   * Takes the right to execute a run for `leaseMs`, and raises its epoch: commits of older epochs are refused from now on.
   * `null` when another owner holds it, its lease has not run out, and the store does not know that owner to be dead.
   * An owner may claim again; a run that does not exist yet can be claimed.
   */
  claim(
    runId: string,
    owner: string,
    options: { leaseMs: number },
  ): Promise<{ epoch: number } | null> | { epoch: number } | null;
  /** Who executes a run: the owner that claimed it, while its lease runs and the store does not know it to be dead; else `null`. */
  holder(runId: string): Promise<string | null> | string | null;
  /** Prolongs every lease of an owner: from now on they run for `leaseMs`. An owner that never said how long has none. */
  renew(owner: string, options: { leaseMs: number }): Promise<void> | void;
  /**
   * Gives claims of an owner back, all of them or those of some runs: anybody may claim these at once. One of `runIds` that was never
   * written, or was forgotten, is as if nobody had claimed it: whoever writes it first begins it.
   */
  release(owner: string, runIds?: readonly string[]): Promise<void> | void;
  /**
   * Writes steps that belong together, of runs of one tree, one after another: all of them or nothing. A run may take several of
   * them. Gives back the events with their place in the tree, and their cursor if it is known by then, in order.
   *
   * @throws FaultError `store.fenced` when another owner or a newer epoch holds one of the runs; `store.conflict` when one has
   * more or fewer events than `expectedSeq`; `store.ended` when one has ended; `store.overtaken` when one is new, was sent to a
   * session, and does not come `after` the newest run that this session was sent, if there is one. Nothing is written then; `runId`
   * names the run.
   */
  commit(commits: readonly Commit[]): Promise<StoredEvent[]> | StoredEvent[];
  /** Leaves a message for whoever executes a run, or minds a session, now or later. */
  post(mail: Mail): Promise<void> | void;
  /** Messages to the runs that an owner has claimed, oldest first, without those that a commit has answered. None to sessions. */
  inbox(owner: string): Promise<Mail[]> | Mail[];
  /** Messages to a session, or to every session, that no commit has answered and nobody withdrew, oldest first. */
  sessionInbox(sessionKey?: string): Promise<Mail[]> | Mail[];
  /** What came of a message; `undefined` until a commit says so. */
  receipt(mailId: string): Promise<Receipt | undefined> | Receipt | undefined;
  /** Takes a message back that nobody has answered. Gives back what came of it: `receipt`, or what a commit had said before. */
  withdraw(mailId: string, receipt: Receipt): Promise<Receipt> | Receipt;
  /** The last one that a commit of a run brought; `undefined` when it has ended or does not exist. What it heard since is in its journal. */
  checkpoint(runId: string): Promise<Checkpoint | undefined> | Checkpoint | undefined;
  /**
   * All that a run heard, oldest first; nothing of a run that does not exist. With `from` only entries of that `seq` or a later one:
   * what that costs does not grow with what comes before them.
   */
  journal(runId: string, from?: number): Iterable<ReadEntry> | AsyncIterable<ReadEntry>;
  get(runId: string): Promise<RunRow | undefined> | RunRow | undefined;
  /** Newest first; at most `limit` (default 100), older than the run `before`. */
  list(filter?: RunFilter): Promise<RunRow[]> | RunRow[];
  /** How quotas stand: those with these keys, or every one that a run has taken a place of. Unknown keys are left out. */
  quotas(keys?: readonly string[]): Promise<Quota[]> | Quota[];
  /** Stored events after a point, oldest first, in the order of their commits. */
  events(query: EventQuery): Iterable<ReadEvent> | AsyncIterable<ReadEvent>;
  /**
   * Where a reader over all trees stands that has read everything until now: after it there is all that is stored from now on. Costs the
   * same whatever is stored. A store that others write at this moment may give what they store again.
   */
  cursor(): Promise<string> | string;
  /**
   * Calls back, within about a second, when another process may have stored something. Gives back how to stop. Absent where nobody
   * else can. `keepAlive` (default true): the process does not end while somebody listens.
   */
  changes?(heard: () => void, options?: { keepAlive?: boolean }): () => void;
  /** Absent where live events are told in the process alone that executes their run. */
  live?: LiveRelay;
  /**
   * Forgets whole trees in which every run has ended: those that ended before `olderThan` (epoch milliseconds), but not the `keep`
   * that ended last, and of those that ended in one moment began last. With `sentTo` only trees count whose root that session was
   * sent, and with `units`, too, those whose root is a background unit of it: all others are left alone. Gives back how many.
   *
   * Messages to sessions that nobody has answered outlive the run that sent them; once they are answered, they are forgotten with it,
   * or, where there is no such run, by the first `prune` that is for their session and for what is older than they are.
   */
  prune(options: { olderThan: number; keep: number; sentTo?: string; units?: boolean }): Promise<number> | number;
}
