/** The manager is opened with what was stored, closed, and lets its sub-agents rest. */
import { awaited } from '../awaited.ts';
import { memberOf, membersOf } from '../members.ts';
import { isActive } from '../roster.ts';
import { letGo } from './forgetting.ts';
import { asFarAs, handOver, leave } from './results.ts';
import { asked, type Found, put, type Step, wasSteeredAwayFrom } from './step.ts';
import { stop, stopAll } from './stopping.ts';

export const opened = (step: Step, { members, open, asks, results, gone, units }: Found): void => {
  put(
    step,
    ...members.map((member) => {
      const { agentId, config } = member.record;
      const its = units[agentId];
      const isDoubtful = its !== undefined || config.cleanup === 'delete';
      return { ...member, ...(isDoubtful && { isDoubtful }), ...(its && { units: its }) };
    }),
  );
  for (const [agentId, runIds] of Object.entries(open)) {
    step.out.push({ type: 'open', agentId, runIds });
    const record = memberOf(step.roster, agentId)?.record;
    const stopped = runIds.filter((runId) => record && wasSteeredAwayFrom(record, runId));
    if (stopped.length > 0) step.out.push({ type: 'drop', agentId, runIds: stopped });
  }
  for (const ask of asks) {
    const { agentId } = ask.record;
    const member = memberOf(step.roster, agentId);
    const isThere = member?.open.some(({ runId }) => runId === ask.record.run?.runId);
    if (member && !isThere) put(step, { ...member, open: [...member.open, asked(ask.record)] });
    step.out.push({ type: 'ask', ask });
  }
  // What was told to stop, is.
  for (const { record, open: runs, units = [] } of membersOf(step.roster))
    if ([...runs.map(({ runId }) => runId), ...units].some((runId) => record.cancelled?.runIds.includes(runId)))
      stop(step, record.agentId, record.cancelled?.reason ?? '');
  // Whoever had ended before those that it is told of waits for them still.
  const isTold = new Set(results.map(({ requester }) => requester.sessionKey));
  for (const member of membersOf(step.roster)) {
    const { record, last } = member;
    const isDone = isActive(member) || last?.state !== 'completed';
    if (isDone || record.cancelled?.runIds.includes(last.activity.runId)) continue;
    if (awaited(step.roster, record.agentId) > 0 || isTold.has(record.sessionKey))
      put(step, { ...member, waits: true });
  }
  for (const result of results) handOver(step, asFarAs(step, result));
  // What was handed over while a program died, and nothing is to be left of, goes now.
  for (const { record } of membersOf(step.roster)) if (record.config.cleanup === 'delete') letGo(step, record.agentId);
  for (const record of gone) step.out.push({ type: 'erase', record, withRuns: true });
};

/** @param stopping Why everything is stopped; `null` leaves it be. */
export const close = (step: Step, { stopping }: { stopping: string | null }): void => {
  if (stopping !== null) stopAll(step, undefined, undefined, stopping);
  for (const { id } of step.roster.waiters) leave(step, id);
};

/** A sub-agent has nothing to do: its actor is not needed until it is asked something. */
export const rest = (step: Step, agentId: string): void => {
  const member = memberOf(step.roster, agentId);
  if (!member || !isActive(member)) step.out.push({ type: 'dismiss', actorId: agentId });
};
