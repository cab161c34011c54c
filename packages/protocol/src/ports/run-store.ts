import type { StoredEvent } from '../event.ts';
import type { JobData } from '../job.ts';
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
  job: JobData;
  status: RunStatus;
  exitReason?: ExitReason;
  usage: UsageReport;
  /** Epoch milliseconds. */
  createdAt: number;
  endedAt?: number;
};

/** A run and the runs it started, oldest first. */
export type RunTree = RunRow & { children: RunTree[] };

export type RunFilter = { status?: RunStatus | readonly RunStatus[]; rootId?: string; limit?: number; before?: string };

/** Events as the recorder hands them over: the store adds `rootSeq`. */
type Unordered<E> = E extends unknown ? Omit<E, 'rootSeq'> : never;
export type NewEvent = Unordered<StoredEvent>;

/** Everything that one step of a run writes: all of it or nothing. */
export type Commit = {
  runId: string;
  rootId: string;
  /** The epoch of the claim under which the run is executed. */
  epoch: number;
  /** How many events the writer believes the run has. */
  expectedSeq: number;
  events: NewEvent[];
  /** The row as it stands after this step. */
  row: RunRow;
};

/** Where a reader stands: in one tree by `rootSeq`, in one run by `seq`, over all trees by an opaque text made by the store. */
export type EventQuery = { rootId: string; after?: number } | { runId: string; after?: number } | { after?: string };

/** A stored event, and where a reader over all trees stands after it. */
export type ReadEvent = StoredEvent & { cursor: string };

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
   * Takes the right to execute a run, and raises its epoch: commits of older epochs are refused from now on.
   * `null` when another owner holds it. An owner may claim again; a run that does not exist yet can be claimed.
   */
  claim(runId: string, ownerId: string): Promise<{ epoch: number } | null> | { epoch: number } | null;
  /**
   * Writes one step. Gives back the events with their place in the tree, and their cursor if it is known by then, in order.
   *
   * @throws FaultError `store.fenced` when the epoch is not the newest; `store.conflict` when the run has more or fewer
   * events than `expectedSeq`; `store.ended` when the run has ended. Nothing is written then.
   */
  commit(commit: Commit): Promise<StoredEvent[]> | StoredEvent[];
  get(runId: string): Promise<RunRow | undefined> | RunRow | undefined;
  /** Newest first; at most `limit` (default 100), older than the run `before`. */
  list(filter?: RunFilter): Promise<RunRow[]> | RunRow[];
  /** Stored events after a point, oldest first, in the order of their commits. */
  events(query: EventQuery): Iterable<ReadEvent> | AsyncIterable<ReadEvent>;
}
