import { type AnyEventObject, fromCallback } from 'xstate';
import type { AlarmInput } from '../agent/agent-machine.ts';
import type { RunFact } from '../agent/context.ts';
import { activeMsOf } from '../run/ledger.ts';
import type { World } from '../runtime/world.ts';

/** Says when time is nearly up, and up: for the whole run, for its work, or for its children to end. Deadlines are points in time, so a restart moves none. */
export const alarmActor = (world: World) =>
  fromCallback<AnyEventObject, AlarmInput>(({ input: { runId, kind }, sendBack }) => {
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
    if (kind === 'activeMs') return watch(limits.activeMs ?? 0, (at) => activeMsOf(run.ledger, at));
    const from = run.ledger.createdAt + (context.laterMs ?? 0);
    return watch((limits.deadlineAt ?? 0) - from, (at) => at - from);
  });
