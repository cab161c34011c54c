import { type EventOf, type ExitReason, isTerminal, type RunEvent, type TerminalEvent } from '@troupe/protocol';
import { concatMap, defer, EMPTY, from, type Observable, type Subscription } from 'rxjs';
import type { Delegation } from '../delegation-of.ts';
import { answerOf, type EntryStatus, entryStatusOf } from '../results/entry.ts';
import { openWatch, outcomeOf, type PastCall, type WatchedChild, workedMs } from './watched-child.ts';

/** A child was started. */
export type ChildStart = {
  type: 'childStart';
  runId: string;
  /** The run that started it, and in which of its turns; absent for a root that was delegated. */
  parentRunId?: string;
  parentTurn?: number;
  agent: string;
  depth: number;
  /** As it took effect; absent where another tool than `delegate_task` started it. */
  role?: Delegation['role'];
  /** Of a task that is tried again, since its child ran out of time: which of its fallbacks this child is, from 1. */
  fallback?: number;
  goal: string;
};

/**
 * How far the work of a child can be relied on. `unverified`: it completed, and says so itself. `partial`: it left something unfinished.
 * `failed`: it left nothing. `unknown`: it was stopped, and nobody knows how far it had come.
 */
export type ChildOutcome = 'unverified' | 'partial' | 'failed' | 'unknown';

/** A child has ended. */
export type ChildStop = Omit<ChildStart, 'type'> & {
  type: 'childStop';
  /** The whole answer; `null` unless it completed. */
  summary: string | null;
  status: EntryStatus;
  exitReason: ExitReason;
  outcome: ChildOutcome;
  interrupted: boolean;
  durationMs: number;
  toolErrorCount: number;
  /** Its last 50 calls, oldest first, without secrets. */
  toolCalls: readonly PastCall[];
};

/** What a memory is told of a child that has ended: its `summary` is empty unless it completed. */
export type MemoryNotice = { goal: string; summary: string; runId: string };

/** `parent/turn-index/n`: the call that started a run, the turn that it was made in, and which of its children the run is. */
const placeOf = (runId: string): { callKey: string; turn: number; n: number } => {
  const [, callKey = runId, turn, n] = /^(.*\/(\d+)-\d+)\/(\d+)$/s.exec(runId) ?? [];
  return { callKey, turn: Number(turn), n: Number(n ?? 0) };
};

const startOf = ({ runId, startedBy, agent, depth, delegation, goal }: WatchedChild): ChildStart => ({
  type: 'childStart',
  runId,
  ...(startedBy !== undefined && { parentRunId: startedBy, parentTurn: placeOf(runId).turn }),
  agent,
  depth,
  ...(delegation && { role: delegation.role }),
  ...(delegation?.fallback !== undefined && { fallback: delegation.fallback }),
  goal,
});

const relianceOn = (status: EntryStatus, hasPartial: boolean): ChildOutcome => {
  if (status === 'completed') return 'unverified';
  if (hasPartial) return 'partial';
  return status === 'interrupted' ? 'unknown' : 'failed';
};

const stopOf = (child: WatchedChild, event: TerminalEvent): ChildStop => {
  const outcome = outcomeOf(event);
  const status = entryStatusOf(outcome);
  return {
    ...startOf(child),
    type: 'childStop',
    summary: answerOf(outcome),
    status,
    exitReason: outcome.exitReason,
    outcome: relianceOn(status, 'partialText' in outcome && outcome.partialText !== ''),
    interrupted: status === 'interrupted',
    durationMs: workedMs(child, event),
    toolErrorCount: child.toolErrors,
    toolCalls: child.past,
  };
};

/** Children of one call: those that have not ended, and what is to be told of the others once they all have. */
type Batch = { live: Set<string>; ended: { place: number; stop: ChildStop }[] };

const openBatches = () => {
  const batches = new Map<string, Batch>();
  const batchOf = (runId: string): Batch => {
    const { callKey } = placeOf(runId);
    const batch = batches.get(callKey) ?? { live: new Set(), ended: [] };
    batches.set(callKey, batch);
    return batch;
  };
  /** What is due now that nobody waits for this child any more. */
  const close = (runId: string): ChildStop[] => {
    const { callKey } = placeOf(runId);
    const batch = batches.get(callKey);
    batch?.live.delete(runId);
    if (!batch || batch.live.size > 0) return [];
    batches.delete(callKey);
    return batch.ended.sort((a, b) => a.place - b.place).map(({ stop }) => stop);
  };
  return {
    open: (runId: string): void => void batchOf(runId).live.add(runId),
    /** A child has ended. */
    end(child: WatchedChild, event: TerminalEvent): ChildStop[] {
      const place = child.delegation?.index ?? placeOf(child.runId).n;
      batchOf(child.runId).ended.push({ place, stop: stopOf(child, event) });
      return close(child.runId);
    },
    /** The call goes on without a child that may never end: one that waits for a person. */
    settle: ({ childId }: EventOf<'child.settled'>): ChildStop[] => close(childId),
  };
};

/**
 * The beginning and the end of each child, once each: what hooks are told. The ends of children of one call come together, in the
 * order of its tasks, when all of them have ended; that of a child that waits for a person comes when it has.
 */
export const childLifecycle =
  () =>
  (events$: Observable<RunEvent>): Observable<ChildStart | ChildStop> =>
    defer(() => {
      const watch = openWatch();
      const batches = openBatches();
      return events$.pipe(
        concatMap((event): (ChildStart | ChildStop)[] => {
          const sighting = watch.take(event);
          if (event.type === 'child.requested') batches.open(event.childId);
          if (event.type === 'child.settled') return batches.settle(event);
          if (!sighting) return [];
          const { child, isNew } = sighting;
          if (isNew) batches.open(child.runId);
          return [...(isNew ? [startOf(child)] : []), ...(isTerminal(event) ? batches.end(child, event) : [])];
        }),
      );
    });

/** What is called when children begin and end. A hook may give a promise: the next hook is called when it has settled. */
export type ChildHooks = {
  childStart?(start: ChildStart): unknown;
  childStop?(stop: ChildStop): unknown;
  /** After `childStop`. */
  memoryNotice?(notice: MemoryNotice): unknown;
  /** What a hook threw. Default: it is ignored. */
  caught?(error: unknown): void;
};

/**
 * Calls hooks for the children of live events, one after another, each once for each child. What a hook throws changes nothing.
 * Stops when the stream ends, or when the subscription is left.
 */
export const onChildren = (events$: Observable<RunEvent>, hooks: ChildHooks): Subscription => {
  const caught = (error: unknown): void => {
    try {
      hooks.caught?.(error);
    } catch {}
  };
  const calls = (moment: ChildStart | ChildStop): (() => unknown)[] => {
    if (moment.type === 'childStart') return [() => hooks.childStart?.(moment)];
    const { goal, summary, runId } = moment;
    return [() => hooks.childStop?.(moment), () => hooks.memoryNotice?.({ goal, summary: summary ?? '', runId })];
  };
  const attempt = (call: () => unknown): Observable<never> => {
    try {
      const given = call();
      if (!(given instanceof Promise)) return EMPTY;
      return from(given.catch(caught)).pipe(concatMap(() => EMPTY));
    } catch (error) {
      caught(error);
      return EMPTY;
    }
  };
  return events$.pipe(childLifecycle(), concatMap(calls), concatMap(attempt)).subscribe({ error: caught });
};
