/**
 * Watches how long a run has been silent: how long ago it, or anything below it, recorded or told something. Progress costs an
 * assignment (`progressAt`); whoever watches looks at it when the silence may have become too long, and not before.
 */
import { matchesState } from 'xstate';
import type { CallState, RunFact } from '../agent/context.ts';
import { everyItem, itemsOf } from '../agent/rows.ts';
import { childrenHere, type LiveRun } from '../run/live-run.ts';
import type { World } from '../runtime/world.ts';

type Runs = World['runs'];

/** What is too long. Functions are asked anew whenever the run is looked at. */
export type Patience = {
  /** The id of the alarm in its run's machine: alarms of one id go by the same rule. */
  id: 'idle' | 'heartbeat';
  /** The shortest silence that may be too long. */
  leastMs: number;
  /** After how long a silence is noticed. */
  noticeMs(): number;
  /** When it is over: a moment, given since when the run is silent and when that was noticed. */
  overAt(since: number, noticedAt: number): number;
  /** What the run is told then; said once for each silence. */
  noticed?(quietMs: number): RunFact;
  over(quietMs: number): RunFact;
};

/** Timers of Node do not count further. */
const longestMs = 2 ** 31 - 1;

const lastProgressOf = (run: LiveRun, runs: Runs): number => {
  let last = run.progressAt;
  for (const child of childrenHere(run, runs)) last = Math.max(last, lastProgressOf(child, runs));
  return last;
};

/** Whether a run waits for a person, a pause or a slot, or for nothing but runs that do: that is no silence. */
const isHeldUp = ({ value, context, away }: LiveRun, runs: Runs): boolean => {
  if (!context || value === undefined) return false;
  if (['queued', 'paused', { running: 'waiting' }].some((state) => matchesState(state, value))) return true;
  const open = itemsOf(context.calls).filter(({ phase }) => phase !== 'settled');
  return open.length > 0 && open.every((call) => isCallHeldUp(call, runs, away));
};

/** @param away Children that are executed elsewhere are watched there. */
const isCallHeldUp = ({ phase, live, children }: CallState, runs: Runs, away: LiveRun['away']): boolean =>
  phase === 'asking' ||
  phase === 'ready' ||
  (live > 0 &&
    everyItem(children, ({ runId, status }) => {
      const child = status === 'live' ? runs.get(runId) : undefined;
      return status !== 'live' || away?.has(runId) || (child !== undefined && isHeldUp(child, runs));
    }));

/** The lowest first: when a run ends, those above it have made progress. */
const lookBelow = (run: LiveRun, runs: Runs, id: Patience['id']): void => {
  for (const child of childrenHere(run, runs)) {
    lookBelow(child, runs, id);
    child.actor?.getSnapshot().children[id]?.send({ type: 'alarm.look' });
  }
};

/** Watches a run that works, until it is stopped. What was before is no silence: to begin, to go on and to be recovered are recorded. */
export const watchSilence = (
  { clock, runs }: Pick<World, 'clock' | 'runs'>,
  run: LiveRun,
  { id, leastMs, noticeMs, overAt, noticed: saysNoticed, over: saysOver }: Patience,
  tell: (fact: RunFact) => void,
) => {
  let timer: unknown;
  let stopped = false;
  /** The silence that was noticed: since when it is, and since when that is known. */
  let noticed: { since: number; at: number } | undefined;

  /** A clock that was set back: what came last lies ahead of it, and the silence is counted from when that was seen. */
  let ahead: { last: number; since: number } | undefined;

  const silentSince = (): number => {
    const now = clock.now();
    const last = lastProgressOf(run, runs);
    if (last <= now) ahead = undefined;
    else if (ahead?.last !== last) ahead = { last, since: now };
    const since = ahead?.since ?? last;
    if (noticed && noticed.since < since) noticed = undefined;
    return since;
  };
  const isTooLong = (since: number, now: number): boolean =>
    noticed !== undefined || (now - since >= noticeMs() && !isHeldUp(run, runs));
  const isOver = (since: number, now: number): boolean =>
    isTooLong(since, now) && now >= overAt(since, noticed?.at ?? now);

  const look = (): void => {
    const now = clock.now();
    if (isOver(silentSince(), now)) lookBelow(run, runs, id);
    const since = silentSince();
    if (stopped) return;
    if (!noticed && isTooLong(since, now)) {
      noticed = { since, at: now };
      if (saysNoticed) tell(saysNoticed(now - since));
    }
    if (isOver(since, now)) return tell(saysOver(now - since));
    const due = noticed ? overAt(since, noticed.at) : since + noticeMs();
    lookIn(due > now ? due - now : leastMs);
  };
  const lookIn = (ms: number): void => {
    clock.clearTimeout(timer);
    timer = clock.setTimeout(look, Math.ceil(Math.min(ms, Math.max(1, leastMs), longestMs)));
  };
  lookIn(leastMs);
  return {
    look,
    stop: () => {
      stopped = true;
      clock.clearTimeout(timer);
    },
  };
};
