import {
  isLive,
  isTerminal,
  type LiveEvent,
  type RunEvent,
  type StoredEvent,
  type TerminalEvent,
} from '@troupe/protocol';

/** One broken law. */
export type Violation = {
  law: 'L1' | 'L2' | 'L3' | 'L4' | 'L5' | 'L6';
  runId: string;
  eventId?: string;
  message: string;
};

/** A stored event and its place in the log, counted from 0. */
export type Placed<E extends StoredEvent = StoredEvent> = { event: E; place: number };

/** True for what was told of a run that could not be stored any more: what else belongs to its end is not in the log. */
export const isUnstored = (event: StoredEvent): boolean => event.rootSeq === 0;

/** What a log tells of one run. */
export type RunLog = {
  runId: string;
  parentId?: string;
  events: Placed[];
  /** Its first terminal event. */
  terminal?: Placed<TerminalEvent>;
  /** Where it left its parent, if it did. */
  detachedAt?: number;
};

/** A log, read once for all laws. */
export type Log = {
  stored: readonly StoredEvent[];
  /** Live events, each with the number of stored events that were told before it. */
  live: readonly { event: LiveEvent; after: number }[];
  runs: ReadonlyMap<string, RunLog>;
};

export const readLog = (events: Iterable<RunEvent>): Log => {
  const stored: StoredEvent[] = [];
  const live: { event: LiveEvent; after: number }[] = [];
  const runs = new Map<string, RunLog>();
  for (const event of events) {
    if (isLive(event)) live.push({ event, after: stored.length });
    else enter(runs, { event, place: stored.push(event) - 1 });
  }
  return { stored, live, runs };
};

const enter = (runs: Map<string, RunLog>, placed: Placed): void => {
  const { event, place } = placed;
  const run = runs.get(event.runId) ?? { runId: event.runId, events: [] };
  runs.set(event.runId, run);
  run.events.push(placed);
  if (event.parentId !== undefined) run.parentId = event.parentId;
  if (event.type === 'run.detached') run.detachedAt ??= place;
  if (isTerminal(event)) run.terminal ??= { event, place };
};

/** A violation at one event. */
export const at = (law: Violation['law'], { runId, id }: StoredEvent, message: string): Violation => ({
  law,
  runId,
  eventId: id,
  message: `Run "${runId}": ${message}`,
});

/** The status that a terminal event gives its run. */
export const statusOf = ({ type }: TerminalEvent) =>
  type === 'run.completed' ? 'completed' : type === 'run.failed' ? 'failed' : 'interrupted';
