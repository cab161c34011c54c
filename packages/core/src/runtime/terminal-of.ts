import { faultOf } from '@troupe/protocol';
import type { RunContext } from '../agent/context.ts';
import type { Ending } from '../run/lifecycle.ts';
import type { LiveRun } from '../run/live-run.ts';

/** How a run's last event reads: derived from what its machine decided, or from how its actor was ended. */
export const terminalOf = (run: LiveRun, context: RunContext, ending: Ending) => {
  const { usage } = run.ledger;
  const partialText = run.partial || context.text;
  const partial = partialText ? { partialText } : {};
  const end = ending.how === 'done' ? context.end : undefined;
  if (ending.how === 'error')
    return {
      type: 'run.failed' as const,
      exitReason: 'error' as const,
      fault: { ...faultOf(ending.error, 'run.bug'), runId: run.runId },
      ...partial,
      usage,
    };
  if (!end || end.status === 'interrupted') {
    const { exitReason = 'stopped', reason = 'The run was stopped from outside.' } = end ?? run.stopReason ?? {};
    return { type: 'run.interrupted' as const, exitReason, reason, ...partial, usage };
  }
  if (end.status === 'failed') {
    const fault = end.fault ?? { code: 'run.bug', message: 'The run failed without saying why.', retryable: false };
    return { type: 'run.failed' as const, exitReason: end.exitReason, fault, ...partial, usage };
  }
  return {
    type: 'run.completed' as const,
    text: context.text || null,
    ...(context.data !== undefined && { data: context.data }),
    usage,
  };
};
