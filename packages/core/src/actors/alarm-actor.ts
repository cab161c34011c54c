import { type AnyEventObject, fromCallback } from 'xstate';
import type { Heartbeat, RunFact } from '../agent/context.ts';
import { heartbeatOf, phaseOf } from '../agent/stalls.ts';
import type { AlarmInput } from '../agent/watches.ts';
import { activeMsOf } from '../run/ledger.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { World } from '../runtime/world.ts';
import { type Patience, watchSilence } from './silence.ts';

/** A limit of silence: warned of at its soft limit, over at the hard one. */
const idleLimit = (limit: number, warnAt: number): Patience => ({
  id: 'idle',
  leastMs: limit * warnAt,
  noticeMs: () => limit * warnAt,
  overAt: (since) => since + limit,
  ...(warnAt < 1 && { noticed: (spent) => ({ type: 'limit.near', kind: 'idleMs', limit, spent }) }),
  over: (spent) => ({ type: 'limit.reached', kind: 'idleMs', limit, spent }),
});

/** A heartbeat: how long may be quiet depends on what the run does, and then it has a time of grace, or all the time. */
const heartbeat = ({ idleMs, callMs, onStall, graceMs }: Heartbeat, run: LiveRun): Patience => {
  const thresholdMs = () => (run.context && phaseOf(run.context).phase === 'call' ? callMs : idleMs);
  return {
    id: 'heartbeat',
    leastMs: Math.min(idleMs, callMs),
    noticeMs: thresholdMs,
    overAt: (_since, noticedAt) => (onStall === 'interrupt' ? noticedAt + graceMs : Number.POSITIVE_INFINITY),
    noticed: (quietMs) => ({ type: 'stall.noticed', quietMs, thresholdMs: thresholdMs() }),
    over: (quietMs) => ({ type: 'stall.lasted', quietMs, thresholdMs: thresholdMs() }),
  };
};

/**
 * Says when time is nearly up, and up: for the whole run, for its work, for its silence, or for its children to end. Deadlines are
 * points in time, so a restart moves none.
 */
export const alarmActor = (world: World) =>
  fromCallback<AnyEventObject, AlarmInput>(({ input: { runId, kind }, sendBack, receive }) => {
    const run = world.runs.get(runId);
    const context = run?.context;
    if (!run || !context) return;
    const { limits, warnAt } = context.allowance;
    const { clock } = world;
    const now = clock.now();
    const ring = (ms: number, fact: () => RunFact): (() => void) => {
      const timer = clock.setTimeout(() => sendBack(fact()), Math.max(0, ms));
      return () => clock.clearTimeout(timer);
    };
    const silence = (patience: Patience): (() => void) => {
      const { look, stop } = watchSilence(world, run, patience, sendBack);
      receive(look);
      return stop;
    };
    /** Rings at the soft limit, unless that was said before, and at the hard one. */
    const watch = (limit: number, spentAt: (at: number) => number): (() => void) => {
      const left = (share: number) => limit * share - spentAt(now);
      const time = (type: 'limit.near' | 'limit.reached') => (): RunFact => ({
        type,
        kind: kind as 'activeMs',
        limit,
        spent: spentAt(clock.now()),
      });
      const soft = warnAt < 1 && !context.warned.includes(kind) ? ring(left(warnAt), time('limit.near')) : undefined;
      const hard = ring(left(1), time('limit.reached'));
      return () => {
        soft?.();
        hard();
      };
    };
    if (kind === 'grace') return ring((run.graceUntil ?? now) - now, () => ({ type: 'grace.over' }));
    if (kind === 'idleMs') return silence(idleLimit(limits.idleMs ?? 0, warnAt));
    if (kind === 'heartbeat') return silence(heartbeat(heartbeatOf(context.heartbeat), run));
    if (kind === 'activeMs') return watch(limits.activeMs ?? 0, (at) => activeMsOf(run.ledger, at));
    const from = run.ledger.createdAt + (context.laterMs ?? 0);
    return watch((limits.deadlineAt ?? 0) - from, (at) => at - from);
  });
