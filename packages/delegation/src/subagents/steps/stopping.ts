/** Sub-agents are steered to something else, and stopped. */
import { cancelOrder, isVisibleTo, type Scope, topLevelVisible } from '../lineage.ts';
import { memberOf, memberOfSession, treeOf } from '../members.ts';
import { isActive, lettersOf, type Member, type Roster } from '../roster.ts';
import type { SteerOutcome } from '../subagent-manager.ts';
import type { Delivery, SubagentRecord } from '../subagent-record.ts';
import { hush } from './background.ts';
import { withDeliveries } from './deliveries.ts';
import { answer, asked, isSeen, put, type Step } from './step.ts';

/** Milliseconds between one steering and the next of the same sub-agent. */
const steerEveryMs = 2_000;

/** Why a sub-agent is not steered; `null` when it is. */
export const steerRefusal = (
  roster: Roster,
  { agentId, scope, at }: { agentId: string; scope: Scope; at: number },
): Exclude<SteerOutcome, { status: 'accepted' }> | null => {
  const member = isVisibleTo(treeOf(roster), agentId, scope) ? memberOf(roster, agentId) : undefined;
  if (!member) return { status: 'not_found', message: `Sub-agent ${agentId} was not found.` };
  if (!isActive(member) || member.isStopping) {
    const state = member.isStopping ? 'cancelled' : member.state;
    return {
      status: 'done',
      state,
      message: `Sub-agent ${agentId} is ${state}: there is nothing to steer. Resume it instead.`,
    };
  }
  const retryAfterMs = (member.steeredAt ?? Number.NEGATIVE_INFINITY) + steerEveryMs - at;
  if (retryAfterMs > 0)
    return {
      status: 'rate_limited',
      retryAfterMs,
      message: `Sub-agent ${agentId} was steered just now. Try again in ${(retryAfterMs / 1_000).toFixed(1)}s.`,
    };
  return null;
};

export type Steering = {
  requestId: number;
  agentId: string;
  scope: Scope;
  run: NonNullable<SubagentRecord['run']>;
  at: number;
};

/** Says why not; the clock of the last steering stays. */
export const refuseSteering = (step: Step, event: Steering): void =>
  answer(step, event.requestId, { value: steerRefusal(step.roster, event) });

export const steer = (step: Step, { requestId, agentId, run, at }: Steering): void => {
  const member = memberOf(step.roster, agentId);
  if (!member) return;
  // Whoever is steered again while the first steering is under way has two runs that come to nothing.
  const stopped = member.open.map(({ runId }): Delivery => ({ runId, how: 'steered' }));
  const { cancelled: _, ...known } = member.record;
  const next: SubagentRecord = { ...known, run: { ...run, restarted: true }, updatedAt: at };
  const record = withDeliveries(next, stopped, member);
  put(step, { ...member, steeredAt: at, next: record, open: [...member.open, { ...asked(next), steers: run.task }] });
  step.out.push({ type: 'ask', ask: { record, before: member, requestId } });
};

export const stop = (step: Step, agentId: string, reason: string): boolean => {
  hush(step, agentId, reason);
  const member = memberOf(step.roster, agentId);
  const isAtWork = member !== undefined && isActive(member);
  if (!member || !(isAtWork || member.units)) return false;
  const { units = [] } = member;
  // What it was steered to and has not begun comes to nothing: what it was to take the place of is what is cancelled.
  const overtaken = member.open.filter(
    ({ runId, restarted, startedAt }) =>
      restarted && startedAt === undefined && !(member.record.run?.begun && member.record.run.runId === runId),
  );
  // That it does not wait for those below it any more holds still.
  const before = isAtWork ? [] : (member.record.cancelled?.runIds ?? []);
  const runIds = [...new Set([...before, ...member.open.map(({ runId }) => runId), ...units])];
  const record = withDeliveries(
    { ...member.record, cancelled: { runIds, reason } },
    overtaken.map(({ runId }): Delivery => ({ runId, how: 'steered' })),
    member,
  );
  const { next: _, ...rest } = member;
  put(step, { ...rest, record, isStopping: true });
  step.out.push({ type: 'note', agentId });
  if (isAtWork) step.out.push({ type: 'cancel', agentId, reason });
  if (units.length > 0) step.out.push({ type: 'halt', runIds: units, reason });
  return true;
};

/** The sub-agent that something was asked for by. */
export const askerOf = ({ roster }: Step, requester: SubagentRecord['requester'] | undefined): Member | undefined =>
  memberOfSession(roster, requester?.sessionKey);

/** One that waits for those below it waits no more: it is not woken for what they are stopped with. */
const release = (step: Step, agentId: string, reason: string): void => {
  const member = memberOf(step.roster, agentId);
  if (!member?.waits) return;
  const { waits: _, ...rest } = member;
  const runIds = member.last ? [member.last.activity.runId] : [];
  put(step, { ...rest, record: { ...member.record, cancelled: { runIds, reason } } });
  step.out.push({ type: 'note', agentId });
};

/** Everything below first, the deepest first. One that another waits for is woken all the same: nobody else would wake that. */
const stopWithin = (step: Step, agentId: string, reason: string): string[] => {
  const above = askerOf(step, memberOf(step.roster, agentId)?.record.requester);
  return cancelOrder(treeOf(step.roster), agentId).flatMap((each) => {
    if (each.agentId !== agentId || !above?.waits) release(step, each.agentId, reason);
    return stop(step, each.agentId, reason) ? each.agentId : [];
  });
};

export const cancel = (
  step: Step,
  {
    requestId,
    agentId,
    scope,
    cascade,
    reason,
  }: { requestId: number; agentId: string; scope: Scope; cascade: boolean; reason: string },
): void => {
  const stopped = !isSeen(step, agentId, scope)
    ? []
    : cascade
      ? stopWithin(step, agentId, reason)
      : stop(step, agentId, reason)
        ? [agentId]
        : [];
  const descendants = stopped.filter((id) => id !== agentId).length;
  answer(step, requestId, { value: { cancelled: stopped.length > 0, descendants } }, stopped);
};

export const stopAll = (step: Step, scope: Scope, parentId: string | undefined, reason: string): string[] =>
  topLevelVisible(
    treeOf(step.roster),
    scope,
    ({ agentId, isActive: isAtWork }) => {
      const member = memberOf(step.roster, agentId);
      return isAtWork || (member !== undefined && (member.waits === true || lettersOf(member).length > 0));
    },
    parentId,
  ).flatMap(({ agentId }) => stopWithin(step, agentId, reason));

export const cancelAll = (
  step: Step,
  {
    requestId,
    scope,
    parentId,
    reason,
  }: { requestId: number; scope: Scope; parentId?: string | undefined; reason: string },
): void => {
  const stopped = stopAll(step, scope, parentId, reason);
  answer(step, requestId, { value: stopped.length }, stopped);
};
