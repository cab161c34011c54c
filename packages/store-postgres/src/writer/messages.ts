/**
 * What the database is asked for, and what it answers. What is JSON goes along as texts beside the tasks, which name them by their
 * place, 1, 2, 3 …: the database stores them as they are.
 */

type TextPlace = number;

/** A message, ready to be written; of one to a session, `runId` is the sender. */
export type MailTask = { id: string; runId: string; session?: string; at: number; message: TextPlace };

export type RowTask = {
  /** The row without its job. */
  data: TextPlace;
  /** Absent when it is stored already. */
  job?: TextPlace;
  agent: string;
  parentId?: string;
  quota?: string;
  sentTo?: string;
  unitOf?: string;
  detached?: true;
  createdAt: number;
  endedAt?: number;
};

/** How a new run comes into its session: behind the run that is the newest there, if there is one. */
export type Turn = { session: string; after: string | null };

/** One step of a run, ready to be written. */
export type StepTask = {
  nth: number;
  runId: string;
  rootId: string;
  owner: string;
  epoch: number;
  /** Events that the run has before it. */
  seq: number;
  /** Of the first step of a run that a session was sent. */
  turn?: Turn;
  /** How the run stands after an earlier step of the same commit. */
  before?: { seq: number; status: string; ended: boolean };
  status: string;
  ended: boolean;
  events: [type: string, at: number][];
  /** The first event; the others follow it. */
  data: TextPlace;
  heard?: TextPlace;
  mail?: MailTask[];
  receipts?: { id: string; receipt: TextPlace }[];
  /** Absent when a later step of the same commit brings it. */
  row?: RowTask;
  /** Absent when there is none, or when a later step of the same commit brings a newer one. */
  checkpoint?: TextPlace;
};

/** What is asked for, and what is given back. */
export type Tasks = {
  /** `said`: how many events that is. Gives back the place in the tree of the first event of each step. */
  commit: { ask: { rootId: string; said: number; steps: StepTask[] }; give: number[] };
  post: { ask: MailTask; give: null };
  /** Gives back what came of the message before, as JSON; `null` when there is no such message. */
  withdraw: { ask: { id: string; receipt: TextPlace }; give: string | null };
  /** Gives back the epoch. */
  claim: { ask: { runId: string; owner: string; leaseMs: number }; give: number | null };
  renew: { ask: { owner: string; leaseMs: number }; give: null };
  release: { ask: { owner: string; runIds?: string[] }; give: null };
  remember: { ask: { scope: string; key: string; value: TextPlace; folded: TextPlace }; give: null };
  forgetMemories: { ask: { scope: string; key?: string }; give: null };
  /** Forgets messages and claims that no tree takes along. */
  forgetLoose: { ask: { olderThan: number; sentTo?: string }; give: null };
  /** Gives back how many there were. */
  forgetTrees: { ask: { rootIds: string[]; olderThan: number }; give: number };
  close: { ask: object; give: null };
};

export type TaskName = keyof Tasks;
export type Task = { [Name in TaskName]: { type: Name } & Tasks[Name]['ask'] }[TaskName];

/** Why a commit was refused: nothing of it was written. */
export type Refusal =
  | { code: 'fenced'; step: number; owner: string | null; epoch: number }
  | { code: 'ended'; step: number; status: string }
  | { code: 'conflict'; step: number; seq: number }
  | { code: 'overtaken'; step: number; newest: string };

/** `concerned`: stores, by their ids, that are left something to look at. */
export type Outcome = { given: unknown; concerned?: string[] } | { refused: Refusal };
