/** Writes runs into a store that is being checked. */
import type {
  Commit,
  EventQuery,
  NewEvent,
  ReadEntry,
  ReadEvent,
  RunRow,
  RunStore,
  StoredEvent,
  UsageReport,
} from '@troupe/protocol';

/** For how long runs are claimed here. */
export const leaseMs = 60_000;

const usage: UsageReport = {
  total: { inputTokens: 0, outputTokens: 0 },
  own: { inputTokens: 0, outputTokens: 0 },
  byModel: {},
  turns: 0,
  toolCalls: 0,
  activeMs: 0,
};

export type RunAbout = Pick<RunRow, 'runId'> & Partial<RunRow>;

export const rowOf = ({ runId, ...about }: RunAbout): RunRow => ({
  runId,
  rootId: runId,
  agent: 'lead',
  model: 'm',
  depth: 0,
  job: { input: 'go' },
  status: 'running',
  usage,
  createdAt: 0,
  ...about,
});

const envelope = ({ runId, rootId, agent, depth }: RunRow, seq: number) => ({
  id: `${runId}:${seq}`,
  seq,
  runId,
  rootId,
  agent,
  depth,
  at: 0,
});

/** Events that say texts, numbered after `seq`. */
const eventsOf = (row: RunRow, seq: number, texts: readonly string[]): NewEvent[] =>
  texts.map((message, index) => ({
    type: 'warning.raised',
    code: 'said',
    message,
    ...envelope(row, seq + index + 1),
  }));

export type RunWriter = {
  readonly epoch: number;
  /** What would be committed next: one event for each text, numbered after `expectedSeq`. */
  next(texts: readonly string[], change?: Partial<Commit>): Commit;
  /** What would be committed as the last step. */
  last(about?: { endedAt?: number; expectedSeq?: number }): Commit;
  /** Commits one event for each text. */
  say(...texts: string[]): Promise<StoredEvent[]>;
  /** Commits the terminal event. */
  end(endedAt?: number): Promise<StoredEvent[]>;
  /** Commits a step of its own. */
  commit(step: Commit): Promise<StoredEvent[]>;
};

/** Writes a run as `owner` without claiming it: its first commit does, at epoch 1. */
export const writerOf = (
  store: RunStore,
  about: RunAbout,
  { owner = 'owner', epoch = 1, seq = 0 }: { owner?: string; epoch?: number; seq?: number } = {},
): RunWriter => {
  const row = rowOf(about);
  const { runId, rootId } = row;
  let written = seq;
  const next: RunWriter['next'] = (texts, change) => ({
    runId,
    rootId,
    owner,
    epoch,
    expectedSeq: written,
    events: eventsOf(row, change?.expectedSeq ?? written, texts),
    row,
    ...change,
  });
  const last: RunWriter['last'] = ({ endedAt = 1, expectedSeq = written } = {}) => {
    const event: NewEvent = { type: 'run.completed', text: 'done', usage, ...envelope(row, expectedSeq + 1) };
    const ended: RunRow = { ...row, status: 'completed', exitReason: 'answered', endedAt };
    return next([], { expectedSeq, events: [event], row: ended });
  };
  const commit: RunWriter['commit'] = async (step) => {
    const stored = await store.commit([step]);
    written += step.events.length;
    return stored;
  };
  return {
    epoch,
    next,
    last,
    commit,
    say: (...texts) => commit(next(texts)),
    end: (endedAt = 1) => commit(last({ endedAt })),
  };
};

/** Claims a run and writes it. */
export const writeRun = async (store: RunStore, about: RunAbout, owner = 'owner'): Promise<RunWriter> => {
  const claim = await store.claim(about.runId, owner, { leaseMs });
  if (!claim) throw new Error(`Nobody else has run "${about.runId}", but it could not be claimed.`);
  return writerOf(store, about, { owner, epoch: claim.epoch });
};

/** The next events of a query, at most `limit`. */
export const take = async (
  store: RunStore,
  query: EventQuery,
  limit = Number.POSITIVE_INFINITY,
): Promise<ReadEvent[]> => {
  const events: ReadEvent[] = [];
  if (limit <= 0) return events;
  for await (const event of store.events(query)) {
    events.push(event);
    if (events.length >= limit) break;
  }
  return events;
};

/** Writes a tree of one run that ended then. */
export const writeEnded = async (
  store: RunStore,
  runId: string,
  endedAt: number,
  about: Partial<RunRow> = {},
): Promise<void> => {
  const run = await writeRun(store, { runId, ...about });
  await run.commit(run.next([runId], { checkpoint: { runId } }));
  await run.end(endedAt);
};

/** A time that comes after all others. */
export const everything = Number.MAX_SAFE_INTEGER;

/** All that a run heard, or what it heard from a point on. */
export const journalOf = async (store: RunStore, runId: string, from?: number): Promise<ReadEntry[]> => {
  const entries: ReadEntry[] = [];
  for await (const entry of from === undefined ? store.journal(runId) : store.journal(runId, from)) entries.push(entry);
  return entries;
};

/** What events said, in order. */
export const textsOf = (events: readonly StoredEvent[]): string[] =>
  events.map((event) => (event.type === 'warning.raised' ? event.message : event.type));

/** Events as they are whether or not their cursor is known. */
export const withoutCursor = (events: readonly object[]): object[] =>
  events.map((event) => ({ ...event, cursor: undefined }));

export const oneTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index + 1);

export const idsOf = (rows: readonly RunRow[]): string[] => rows.map(({ runId }) => runId);

/** Text that has lost its way in some store before. */
export const awkward = 'Zoë 👩‍👩‍👧 e\u0301 שלום \u2028 "\'\\ \u0000 \ud800 %_ \r\n';

/** Ten million characters and some. */
export const tenMB = (): string => 'ten bytes '.repeat(1_048_576);
