import { type AnyEventObject, fromCallback } from 'xstate';
import type { AlarmInput } from '../agent/agent-machine.ts';
import type { RunFact } from '../agent/context.ts';
import { activeMsOf } from '../run/ledger.ts';
import type { World } from '../runtime/world.ts';

/** Says when time is up: for the whole run, for its work, or for its children to end. Deadlines are points in time, so a restart moves none. */
export const alarmActor = (world: World) =>
  fromCallback<AnyEventObject, AlarmInput>(({ input: { runId, kind }, sendBack }) => {
    const run = world.runs.get(runId);
    const context = run?.context;
    if (!run || !context) return;
    const { limits } = context.allowance;
    const now = world.clock.now();
    const ring = (ms: number, fact: () => RunFact): (() => void) => {
      const timer = world.clock.setTimeout(() => sendBack(fact()), Math.max(0, ms));
      return () => world.clock.clearTimeout(timer);
    };
    if (kind === 'grace') return ring(context.graceMs, () => ({ type: 'grace.over' }));
    if (kind === 'deadlineMs') {
      const at = limits.deadlineAt ?? 0;
      const from = run.ledger.createdAt;
      return ring(at - now, () => ({ type: 'limit.reached', kind, limit: at - from, spent: world.clock.now() - from }));
    }
    const limit = limits.activeMs ?? 0;
    return ring(limit - activeMsOf(run.ledger, now), () => ({
      type: 'limit.reached',
      kind,
      limit,
      spent: activeMsOf(run.ledger, world.clock.now()),
    }));
  });
