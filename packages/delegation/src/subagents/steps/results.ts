/** Runs of sub-agents begin and end, and what came of them is handed over: to whoever waits, to a session, or it is kept. */
import { awaited } from '../awaited.ts';
import type { Handed } from '../handover-machine.ts';
import { memberOf } from '../members.ts';
import { type Activity, fits, isPushed, type Member, type Waiter, type Wanted } from '../roster.ts';
import type { SubagentResult } from '../subagent-manager.ts';
import type { Delivery } from '../subagent-record.ts';
import { expectResult, resultCame, stopWoken } from './background.ts';
import { collectedBy } from './collecting.ts';
import { withDelivery, withOwed } from './deliveries.ts';
import { letGo } from './forgetting.ts';
import {
  announce,
  answer,
  handoverIdOf,
  letterIdOf,
  longestMs,
  previewLength,
  put,
  remembered,
  type Step,
  tell,
  wasSteeredAwayFrom,
} from './step.ts';
import { askerOf } from './stopping.ts';

export const began = (
  step: Step,
  { agentId, runId, model, at }: { agentId: string; runId: string; model: string; at: number },
): void => {
  const member = memberOf(step.roster, agentId);
  if (!member) return;
  announce(step, agentId, runId);
  const { open } = memberOf(step.roster, agentId) as Member;
  const known = open.find((run) => run.runId === runId) ?? { runId, model, askedAt: at };
  const activity: Activity = { ...known, model, startedAt: at };
  const isNew = !open.includes(known);
  const { waits: _, ...woken } = member;
  put(step, { ...woken, open: isNew ? [...open, activity] : open.map((run) => (run === known ? activity : run)) });
  step.out.push({ type: 'hear', agentId, runId, heard: 'began' });
  tell(step, 'started', memberOf(step.roster, agentId) as Member, {
    runId,
    model,
    ...(activity.restarted && { restarted: true }),
  });
  stopWoken(step, agentId, runId);
};

export const ended = (step: Step, { result, at }: { result: SubagentResult; at: number }): void => {
  const { agentId, runId, state, error, elapsedSeconds, model } = result;
  const member = memberOf(step.roster, agentId);
  if (!member) return;
  step.out.push({ type: 'hear', agentId, runId, heard: 'ended' });
  const open = member.open.filter((run) => run.runId !== runId);
  const all = [...(member.past ?? []), runId];
  const past = all.slice(-remembered);
  const record = withOwed(member.record, all);
  if (record !== member.record) step.out.push({ type: 'note', agentId });
  if (wasSteeredAwayFrom(record, runId)) return put(step, { ...member, record, open, past });
  const known = member.open.find((run) => run.runId === runId) ?? { runId, model, askedAt: at };
  const activity: Activity = {
    ...known,
    model,
    endedAt: at,
    ...(error !== null && { error }),
    ...(result.result !== null && { preview: result.result.slice(0, previewLength) }),
  };
  const waits = state === 'completed' && awaited(step.roster, agentId) > 0;
  // What it has below it elsewhere may have something under way that nobody here was told of.
  const isDoubtful = member.record.config.cleanup === 'delete';
  put(step, {
    ...member,
    record,
    open,
    past,
    last: { state, activity },
    ...(waits && { waits }),
    ...(isDoubtful && { isDoubtful }),
  });
  tell(step, state, memberOf(step.roster, agentId) as Member, {
    runId,
    result: result.result,
    error,
    elapsedSeconds,
    model,
  });
  handOver(step, asFarAs(step, result));
};

/** What it is to say more after that is said with it. */
export const asFarAs = ({ roster }: Step, result: SubagentResult): SubagentResult => {
  const pendingDescendants = awaited(roster, result.agentId);
  // With one that is cancelled its units are, and nobody is woken by those.
  const { units = [] } = (result.state !== 'cancelled' && memberOf(roster, result.agentId)) || {};
  return {
    ...result,
    ...(pendingDescendants > 0 && { pendingDescendants }),
    ...(units.length > 0 && { background: units.length }),
  };
};

/** It was handed over: that stands in its record, and where nothing is to be left of a sub-agent, it goes now. */
const deliver = (step: Step, { agentId }: SubagentResult, delivery: Delivery, callKey?: string): void => {
  const member = memberOf(step.roster, agentId);
  if (!member) return;
  const now = callKey === undefined ? member : collectedBy(member, callKey);
  put(step, { ...now, record: withDelivery(now.record, delivery, now) });
  letGo(step, agentId);
  step.out.push({ type: 'note', agentId });
};

const give = (
  step: Step,
  { id, by, isCall }: Pick<Waiter, 'id' | 'by' | 'isCall'>,
  results: readonly SubagentResult[],
): void => {
  for (const result of results)
    deliver(
      step,
      result,
      { runId: result.runId, how: 'pulled', ...(by !== undefined && { by }) },
      isCall ? by : undefined,
    );
  answer(step, id, { value: results });
};

/**
 * Whether a session is woken for a result. Whoever stopped a run need not be woken to hear so, nor whoever will be told the whole of it;
 * but where nobody else is left to wake who waits, that is who must be.
 */
const isWaking = (step: Step, { state, requester, pendingDescendants }: SubagentResult): boolean => {
  if (state !== 'cancelled') return state === 'failed' || pendingDescendants === undefined;
  const above = askerOf(step, requester);
  return above?.waits === true && awaited(step.roster, above.record.agentId) === 0;
};

/** To whoever waits for it, else to the session that asked for it, else it is kept. */
export const handOver = (step: Step, result: SubagentResult): void => {
  const waiter = step.roster.waiters.find((each) => fits(result, each));
  if (waiter) {
    step.roster = { ...step.roster, waiters: step.roster.waiters.filter((each) => each !== waiter) };
    step.out.push({ type: 'stopWaiting', requestId: waiter.id });
    give(step, waiter, [result]);
  } else if (isPushed(result.requester)) {
    const above = askerOf(step, result.requester);
    step.out.push({ type: 'push', result, wakes: isWaking(step, result) });
    if (above) expectResult(step, above, letterIdOf(result.runId));
  } else step.roster = { ...step.roster, kept: [...step.roster.kept, result] };
};

/** A push has come to its end. */
export const handed = (step: Step, { result, how }: Pick<Handed, 'result' | 'how'>): void => {
  step.out.push({ type: 'dismiss', actorId: handoverIdOf(result.runId) });
  const above = askerOf(step, result.requester);
  if (above) resultCame(step, above, letterIdOf(result.runId), how === 'pushed');
  if (how === 'pushed') return deliver(step, result, { runId: result.runId, how });
  const waiter = step.roster.waiters.find((each) => fits(result, each));
  if (waiter) return handOver(step, result);
  step.roster = { ...step.roster, kept: [...step.roster.kept, result] };
};

export const collect = (step: Step, requestId: number, wanted: Wanted): void => {
  const { kept } = step.roster;
  const found = kept.filter((result) => fits(result, wanted));
  const { sessionKey, agentId, runId, by, isCall } = wanted;
  const waiter: Waiter = { id: requestId, sessionKey, agentId, runId, by, ...(isCall && { isCall }) };
  if (found.length === 0 && (wanted.timeoutMs ?? 0) > 0) {
    step.roster = { ...step.roster, waiters: [...step.roster.waiters, waiter] };
    if (wanted.timeoutMs !== Number.POSITIVE_INFINITY)
      step.out.push({ type: 'wait', requestId, ms: Math.min(wanted.timeoutMs ?? 0, longestMs) });
    return;
  }
  step.roster = { ...step.roster, kept: kept.filter((result) => !found.includes(result)) };
  give(step, waiter, found);
};

/** Whoever waited waits no more. */
export const leave = (step: Step, requestId: number): void => {
  const { waiters } = step.roster;
  if (!waiters.some(({ id }) => id === requestId)) return;
  step.roster = { ...step.roster, waiters: waiters.filter(({ id }) => id !== requestId) };
  step.out.push({ type: 'stopWaiting', requestId });
  answer(step, requestId, { value: [] });
};
