/**
 * When a run need not be executed: it waits for a person, for a slot, or for children that are executed elsewhere, and no clock watches
 * it that runs on meanwhile. Whoever executes it may let it go then: a message brings it back.
 */
import { matchesState, type StateValue } from 'xstate';
import type { RunContext } from '../agent/context.ts';
import { everyItem } from '../agent/rows.ts';

const resting = ['queued', 'paused', { running: 'waiting' }] as const;

/** True where time counts while the run waits: its silence, its work, its heartbeat. A deadline is a moment. */
const isTimed = ({ allowance: { limits }, heartbeat }: RunContext): boolean =>
  heartbeat !== undefined || limits.activeMs !== undefined || limits.idleMs !== undefined;

/** Whether a run's machine is done: it has ended, or does as soon as what others execute below it has. */
export const isDone = (value: StateValue | undefined): boolean =>
  value === 'completed' || value === 'failed' || value === 'interrupted';

/** Milliseconds before its deadline from which on a run is executed, so that it is kept to the moment. */
export const nearMs = 30_000;

/** By where its machine stands and what it knows; runs below it that are executed beside it are asked by themselves. */
export const mayRest = (value: StateValue | undefined, context: RunContext | undefined, now: number): boolean => {
  if (value === undefined || !context) return false;
  if (isDone(value)) return true;
  const isWaiting = everyItem(
    context.calls,
    ({ phase, live }) => phase === 'settled' || phase === 'asking' || (phase === 'waiting' && live > 0),
  );
  if (value === 'interrupting') return isWaiting;
  const { deadlineAt = Number.POSITIVE_INFINITY } = context.allowance.limits;
  if (deadlineAt - now < nearMs) return false;
  if (resting.some((state) => matchesState(state, value))) return true;
  return matchesState({ running: 'acting' }, value) && isWaiting && !isTimed(context);
};
