/** Writes runs into a store that is being checked. */
import type {
  Commit,
  EventQuery,
  NewEvent,
  ReadEvent,
  RunRow,
  RunStore,
  StoredEvent,
  UsageReport,
} from '@troupe/protocol';

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

/** Events that say texts, numbered after `seq`. */
const eventsOf = ({ runId, rootId, agent, depth }: RunRow, seq: number, texts: readonly string[]): NewEvent[] =>
  texts.map((message, index) => ({
    type: 'warning.raised',
    code: 'said',
    message,
    id: `${runId}:${seq + index + 1}`,
    seq: seq + index + 1,
    runId,
    rootId,
    agent,
    depth,
    at: 0,
  }));

export type RunWriter = {
  readonly epoch: number;
  /** What would be committed next. */
  next(texts: readonly string[], change?: Partial<Commit>): Commit;
  /** Commits one event for each text. */
  say(...texts: string[]): Promise<StoredEvent[]>;
  /** Commits the terminal event. */
  end(): Promise<StoredEvent[]>;
};

/** Claims a run and writes it. */
export const writeRun = async (store: RunStore, about: RunAbout, ownerId = 'owner'): Promise<RunWriter> => {
  const row = rowOf(about);
  const { runId, rootId } = row;
  const claim = await store.claim(runId, ownerId);
  if (!claim) throw new Error(`Nobody else has run "${runId}", but it could not be claimed.`);
  const { epoch } = claim;
  let seq = 0;
  const next: RunWriter['next'] = (texts, change) => ({
    runId,
    rootId,
    epoch,
    expectedSeq: seq,
    events: eventsOf(row, seq, texts),
    row,
    ...change,
  });
  const commit = async (step: Commit) => {
    const stored = await store.commit(step);
    seq += step.events.length;
    return stored;
  };
  return {
    epoch,
    next,
    say: (...texts) => commit(next(texts)),
    end: () => {
      const [event] = eventsOf(row, seq, ['']);
      if (!event) throw new Error('No event to end with.');
      const { id, at, agent, depth } = event;
      const last: NewEvent = {
        type: 'run.completed',
        text: 'done',
        usage,
        id,
        seq: seq + 1,
        runId,
        rootId,
        at,
        agent,
        depth,
      };
      return commit(
        next([], { events: [last], row: { ...row, status: 'completed', exitReason: 'answered', endedAt: 1 } }),
      );
    },
  };
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

/** What events said, in order. */
export const textsOf = (events: readonly StoredEvent[]): string[] =>
  events.map((event) => (event.type === 'warning.raised' ? event.message : event.type));
