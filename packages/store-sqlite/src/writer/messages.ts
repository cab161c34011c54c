/** What goes between the main thread and the writer: plain data, text where it is going to be stored as text. */

/** An event as JSON, and what is a column of its own. */
export type EventText = { type: string; at: number; data: string };

export type RowText = {
  /** The row as JSON, without its job. */
  data: string;
  /** The job as JSON; `null` when it is stored already. */
  job: string | null;
  agent: string;
  parentId: string | null;
  quota: string | null;
  sentTo: string | null;
  unitOf: string | null;
  createdAt: number;
  endedAt: number | null;
};

/** A message, ready to be written; of one to a session, `runId` is the sender. */
export type MailText = { id: string; runId: string; session: string | null; at: number; message: string };

/** How a new run comes into its session: behind the run that is the newest there, if there is one. */
export type Turn = { session: string; after: string | null };

/** One step of a run, ready to be written. */
export type StepText = {
  runId: string;
  rootId: string;
  owner: string;
  epoch: number;
  expectedSeq: number;
  /** Of the first step of a run that a session was sent; else `null`. */
  turn: Turn | null;
  status: string;
  ended: boolean;
  events: EventText[];
  /** What the run heard, as a JSON array; `null` when that was nothing. */
  heard: string | null;
  mail: MailText[];
  /** What came of messages, as JSON, by their ids. */
  receipts: [mailId: string, receipt: string][];
  /** `null` when a later step of the same commit brings it. */
  row: RowText | null;
  /** `null` when there is none, or when a later step of the same commit brings a newer one. */
  checkpoint: string | null;
};

/** The first event of a step: its place in the tree, and its row in the table. */
export type Place = { rootSeq: number; id: number };

/** What the writer is asked for, and what it gives back. */
export type Tasks = {
  commit: { ask: { steps: StepText[] }; give: Place[] };
  post: { ask: MailText; give: null };
  withdraw: { ask: { id: string; receipt: string }; give: string };
  claim: { ask: { runId: string; owner: string; leaseMs: number; now: number }; give: { epoch: number } | null };
  renew: { ask: { owner: string; leaseMs: number; now: number }; give: null };
  release: { ask: { owner: string; runIds: readonly string[] | null }; give: null };
  /** Trees that may be forgotten, and how many events each has. Forgets messages that no tree takes along. */
  findOld: {
    ask: { olderThan: number; keep: number; sentTo: string | null; units: boolean };
    give: { rootId: string; events: number }[];
  };
  /** Forgets trees; gives back how many there were. */
  forgetTrees: { ask: { rootIds: string[]; olderThan: number }; give: number };
  remember: { ask: { scope: string; key: string; value: string; text: string }; give: null };
  forgetMemories: { ask: { scope: string; key: string | null }; give: null };
  close: { ask: object; give: null };
};

export type TaskName = keyof Tasks;
export type Task = { [Name in TaskName]: { type: Name } & Tasks[Name]['ask'] }[TaskName];

/** Why a task was refused: nothing of it was written. */
export type Refusal = { code: string; message: string; runId?: string; retryable?: boolean };

export type Outcome = { given: unknown } | { refusal: Refusal };

/** Who this process is, so that others can see whether it is still there. */
export type ProcessIdentity = { host: string; pid: number; started: string | null };

export type WriterData = {
  path: string;
  /** Which file that was when the store was opened, where that is known. */
  file: string | null;
  durability: 'full' | 'normal';
  maxBytes: number | undefined;
  self: ProcessIdentity;
  /** When the store was opened. */
  now: number;
};
