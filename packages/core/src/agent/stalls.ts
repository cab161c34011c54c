/** Runs that make no progress: where they stand still, and what is said of it. Who watches them is `actors/silence.ts`. */
import type { ExitReason, Fault } from '@troupe/protocol';
import type { Heartbeat, RunContext } from './context.ts';
import { itemsOf } from './rows.ts';

/** A heartbeat with its defaults. */
export const heartbeatOf = ({
  idleMs = 450_000,
  callMs = 1_200_000,
  onStall = 'warn',
  graceMs = 120_000,
}: Partial<Heartbeat> = {}): Heartbeat => ({ idleMs, callMs, onStall, graceMs });

export const stallWarning = 'run.stalled';

const changesRules = new Set(['budget.raised', 'spawning.paused', 'spawning.resumed']);

/** What a clock says of a run is no progress of the run, nor is a change of what it may do: it would keep a run alive that stands still. */
export const isNoProgress = (event: { type: string; kind?: unknown; code?: unknown }): boolean =>
  changesRules.has(event.type) ||
  (event.type === 'budget.warned' && String(event.kind).endsWith('Ms')) ||
  (event.type === 'warning.raised' && event.code === stallWarning);

/** What a run does: it executes a call, of which the first is named, or it waits for its model. */
export type Phase = { phase: 'turn' } | { phase: 'call'; tool: string };
export const phaseOf = ({ calls }: Pick<RunContext, 'calls'>): Phase => {
  const call = itemsOf(calls).find(({ phase }) => phase === 'running' || phase === 'waiting' || phase === 'closing');
  return call ? { phase: 'call', tool: call.tool } : { phase: 'turn' };
};

const doing = (now: Phase): string =>
  now.phase === 'call' ? `while it executed "${now.tool}"` : 'while it waited for its model';

export type FailedEnd = { exitReason: ExitReason; fault: Fault };

export const idleTimeout = (run: RunContext, idleMs: number, limit: number): FailedEnd => {
  const now = phaseOf(run);
  return {
    exitReason: 'idle_timeout',
    fault: {
      code: 'budget.idle_timeout',
      message: `"${run.agent}" made no progress for ${idleMs} ms ${doing(now)}: budget.idleMs is ${limit}. Raise it, or let tools tell their progress.`,
      retryable: false,
      runId: run.runId,
      details: { kind: 'idleMs', idleMs, limit, ...now },
    },
  };
};

/** Names agent, phase, tool, silence and threshold, and what happens next. */
export const stallMessage = (run: RunContext, quietMs: number, thresholdMs: number): string => {
  const now = phaseOf(run);
  const option = now.phase === 'call' ? 'callMs' : 'idleMs';
  const next =
    run.heartbeat?.onStall === 'interrupt'
      ? `It fails unless it makes progress within ${run.heartbeat.graceMs} ms.`
      : 'It goes on: interrupt it, or wait.';
  return `"${run.agent}" has made no progress for ${quietMs} ms ${doing(now)}: its heartbeat.${option} is ${thresholdMs}. ${next}`;
};

export const stalled = (run: RunContext, quietMs: number, thresholdMs: number): FailedEnd => {
  const now = phaseOf(run);
  const graceMs = run.heartbeat?.graceMs ?? 0;
  return {
    exitReason: 'stalled',
    fault: {
      code: 'run.stalled',
      message: `"${run.agent}" made no progress for ${quietMs} ms ${doing(now)}, ${graceMs} ms of grace included. Raise its heartbeat, or let tools tell their progress.`,
      retryable: false,
      runId: run.runId,
      details: { quietMs, thresholdMs, ...now, graceMs },
    },
  };
};
