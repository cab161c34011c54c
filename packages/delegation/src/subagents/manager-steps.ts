/** What a decision of the manager does: what it knows then, and what goes out with that. Pure, but for the copy that is written on. */

import { faultOf } from '@troupe/protocol';
import { type Applicant, type CheckName, checks, type Refusal } from './admission.ts';
import { awaited } from './awaited.ts';
import type { Handed } from './handover-machine.ts';
import {
  cancelOrder,
  childrenOf,
  isVisibleTo,
  type Moves,
  pendingDescendants,
  reparent,
  type Scope,
  topLevelVisible,
  unregister,
} from './lineage.ts';
import {
  idsUnder,
  memberOf,
  memberOfSession,
  membersOf,
  treeOf,
  under,
  withMembers,
  withoutMembers,
} from './members.ts';
import { type Activity, fits, isActive, isPushed, type Member, type Roster, standing, type Waiter } from './roster.ts';
import type { Ask } from './subagent-machine.ts';
import type { CollectRequest, SteerOutcome, SubagentEvent, SubagentResult } from './subagent-manager.ts';
import type { Delivery, SubagentRecord } from './subagent-record.ts';

/** What was read when the manager was opened. */
export type Found = {
  members: Member[];
  /** Runs that had not ended, by sub-agent. */
  open: Record<string, string[]>;
  /** Asked for, and never begun. */
  asks: Ask[];
  /** Of runs that have ended: nobody was given them. */
  results: SubagentResult[];
  /** Runs that had not ended. */
  running: { agentId: string; runId: string; model: string | null; startedAt: number }[];
  /** Runs that had ended: what was told of them meanwhile is known. */
  ended: string[];
  /** Nothing was to be left of these, and something may be. */
  gone: SubagentRecord[];
};

/** What came of a request. */
export type Answer = { requestId: number } & ({ value: unknown } | { refusal: Refusal } | { error: unknown });

/** What goes out. */
export type Order =
  /** `noted`: once all is stored that is known of these; where it cannot be, that is the answer. */
  | { type: 'answer'; answer: Answer; noted: string[] }
  | { type: 'tell'; event: Omit<SubagentEvent, 'at'> }
  /** Stores what is known of a sub-agent now. */
  | { type: 'note'; agentId: string }
  /** Forgets a sub-agent, with its runs where nothing is to be left of it. */
  | { type: 'erase'; record: SubagentRecord; withRuns: boolean }
  | { type: 'ask'; ask: Ask }
  | { type: 'open'; agentId: string; runIds: string[] }
  | { type: 'cancel'; agentId: string; reason: string }
  /** Stops runs that another one has taken the place of. */
  | { type: 'drop'; agentId: string; runIds: string[] }
  | { type: 'hear'; agentId: string; runId: string; heard: 'began' | 'ended' }
  | { type: 'dismiss'; actorId: string }
  | { type: 'push'; result: SubagentResult; wakes: boolean }
  | { type: 'wait'; requestId: number; ms: number }
  | { type: 'stopWaiting'; requestId: number };

export type Step = { roster: Roster; out: Order[] };

/** Deliveries that a record keeps, and runs of a sub-agent that are looked at when it is read: the latest. */
export const remembered = 20;
/** Milliseconds between one steering and the next of the same sub-agent. */
const steerEveryMs = 2_000;
/** Milliseconds that a timer can be set to: one that is set to more rings at once. */
export const longestMs = 2 ** 31 - 1;
/** Characters of an answer that are kept in sight. */
export const previewLength = 300;

/** The actor that pushes a result. */
export const handoverIdOf = (runId: string): string => `handover.${runId}`;

const put = (step: Step, ...members: Omit<Member, 'state' | 'activity'>[]): void => {
  step.roster = { ...step.roster, members: withMembers(step.roster.members, members.map(standing)) };
};

const answer = (
  step: Step,
  requestId: number | undefined,
  what: { value: unknown } | { refusal: Refusal } | { error: unknown },
  noted: string[] = [],
) => {
  if (requestId !== undefined) step.out.push({ type: 'answer', answer: { requestId, ...what }, noted });
};

const tell = (
  step: Step,
  type: SubagentEvent['type'],
  { record, activity }: Member,
  more: Partial<SubagentEvent> = {},
): void => {
  const { agentId, run, label, name, parentId, depth, requester, config } = record;
  step.out.push({
    type: 'tell',
    event: {
      type,
      agentId,
      runId: run?.runId ?? '',
      label,
      ...(name !== undefined && { name }),
      parentId,
      depth,
      model: activity?.model ?? config.model ?? null,
      result: null,
      error: null,
      elapsedSeconds: null,
      requester,
      ...more,
    },
  });
};

/** A run that was asked for and has not begun. */
const asked = ({ run, config, updatedAt }: SubagentRecord): Activity => ({
  runId: run?.runId ?? '',
  model: config.model ?? null,
  askedAt: run?.askedAt ?? updatedAt,
  ...(run?.restarted && { restarted: true }),
});

const wasSteeredAwayFrom = ({ delivered }: SubagentRecord, runId: string): boolean =>
  delivered.some((each) => each.runId === runId && each.how === 'steered');

/** Moves sub-agents as the tree says; gives back their ids. */
const move = (step: Step, { changes }: Moves): string[] => {
  const moved = [...changes].flatMap(([agentId, change]) => {
    const member = memberOf(step.roster, agentId);
    return member ? [{ ...member, record: { ...member.record, ...change } }] : [];
  });
  put(step, ...moved);
  return moved.map(({ record }) => record.agentId);
};

// Letting in

export const refuse = (step: Step, requestId: number, applicant: Applicant, check: CheckName): void => {
  const refusal = checks[check](step.roster, applicant);
  if (refusal) answer(step, requestId, { refusal });
};

export const admit = (step: Step, ask: Ask): void => {
  const { record } = ask;
  const { agentId } = record;
  const before = memberOf(step.roster, agentId);
  if (before) {
    const found = reparent(treeOf(step.roster), agentId, record.parentId, step.roster.limits.maxDepth);
    if ('changes' in found)
      for (const moved of move(step, found)) if (moved !== agentId) step.out.push({ type: 'note', agentId: moved });
  }
  const { cancelled: _, ...now } = record;
  put(step, { ...(before ?? { last: null }), record: now, open: [...(before?.open ?? []), asked(record)] });
  tell(step, 'spawning', memberOf(step.roster, agentId) as Member);
  step.out.push({ type: 'ask', ask: { ...ask, record: now, ...(before && { before }) } });
};

export const create = (step: Step, requestId: number, { record }: Applicant): void => {
  put(step, { record, open: [], last: null });
  step.out.push({ type: 'note', agentId: record.agentId });
  answer(step, requestId, { value: record.agentId }, [record.agentId]);
};

/** It could not be stored: it is as if nobody had asked. */
export const unmade = (step: Step, agentIds: readonly string[]): void => {
  for (const agentId of agentIds) remove(step, agentId, false);
};

/** As many as there is room for, in their order. Gives the ids of those. */
export const adopt = (step: Step, requestId: number, records: readonly SubagentRecord[]): void => {
  let room = step.roster.limits.maxPersistent - idsUnder(step.roster, under.named).size;
  const news = records.filter(({ agentId, name }) => {
    if (memberOf(step.roster, agentId)) return false;
    if (name !== undefined) room -= 1;
    return name === undefined || room >= 0;
  });
  put(step, ...news.map((record) => ({ record, open: [], last: null })));
  const agentIds = news.map(({ agentId }) => agentId);
  for (const agentId of agentIds) step.out.push({ type: 'note', agentId });
  answer(step, requestId, { value: agentIds }, agentIds);
};

/** Tells once of a run that takes the place of another. */
const announce = (step: Step, agentId: string, runId: string): void => {
  const member = memberOf(step.roster, agentId);
  const task = member?.open.find((run) => run.runId === runId)?.steers;
  if (!member || task === undefined) return;
  const open = member.open.map(({ steers, ...run }) =>
    run.runId === runId || steers === undefined ? run : { ...run, steers },
  );
  put(step, { ...member, open });
  if (!member.isStopping) tell(step, 'steered', member, { runId, task });
};

/** What it was steered to has begun, or never does. */
const withoutNext = ({ next, ...member }: Member, runId: string | undefined): Member => ({
  ...member,
  ...(next && next.run?.runId !== runId && { next }),
});

/** What was asked for is under way. */
export const begun = (step: Step, { record, requestId }: Ask): void => {
  const { agentId, run } = record;
  const member = memberOf(step.roster, agentId);
  if (member) {
    // What was handed over meanwhile stays so; what has ended by itself was not stopped.
    const stopped = record.delivered.filter(
      ({ runId, how }) => how === 'steered' && member.open.some((each) => each.runId === runId),
    );
    // What was said before its first run stands in that run from now on.
    const { history: _, ...kept } = member.record;
    const begunNow = { ...kept, ...(run && { run: { ...run, begun: true } }), updatedAt: record.updatedAt };
    put(step, { ...withoutNext(member, run?.runId), record: withDeliveries(begunNow, stopped, member) });
    step.out.push({ type: 'note', agentId });
    announce(step, agentId, run?.runId ?? '');
  }
  answer(step, requestId, { value: record });
};

/** What was asked for never was: it is as if nobody had asked. */
export const unbegun = (step: Step, { record, before, requestId }: Ask, error: unknown): void => {
  const { agentId, run } = record;
  const member = memberOf(step.roster, agentId);
  if (member) {
    const open = member.open.filter(({ runId }) => runId !== run?.runId);
    const { steeredAt: _, ...rest } = withoutNext(member, run?.runId);
    const steered = before?.steeredAt !== undefined && { steeredAt: before.steeredAt };
    if (member.record.run?.runId !== run?.runId) put(step, { ...rest, ...steered, open });
    else {
      tell(step, 'failed', member, { error: faultOf(error, 'store.unavailable').message });
      if (before) {
        const { parentId } = before.record;
        const found = reparent(treeOf(step.roster), agentId, parentId, Number.POSITIVE_INFINITY);
        if ('changes' in found) for (const moved of move(step, found)) step.out.push({ type: 'note', agentId: moved });
        const { depth } = memberOf(step.roster, agentId)?.record ?? before.record;
        const { delivered, cancelled } = member.record;
        const record = { ...before.record, depth, delivered, ...(cancelled && { cancelled }) };
        put(step, { ...rest, ...steered, open, record });
      } else remove(step, agentId, false);
    }
    if (before) step.out.push({ type: 'note', agentId });
  }
  answer(step, requestId, { error });
};

// Steering and stopping

const isSeen = ({ roster }: Step, agentId: string, scope: Scope): boolean =>
  isVisibleTo(treeOf(roster), agentId, scope);

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

const stop = (step: Step, agentId: string, reason: string): boolean => {
  const member = memberOf(step.roster, agentId);
  if (!member || !isActive(member)) return false;
  // What it was steered to and has not begun comes to nothing: what it was to take the place of is what is cancelled.
  const overtaken = member.open.filter(
    ({ runId, restarted, startedAt }) =>
      restarted && startedAt === undefined && !(member.record.run?.begun && member.record.run.runId === runId),
  );
  const record = withDeliveries(
    { ...member.record, cancelled: { runIds: member.open.map(({ runId }) => runId), reason } },
    overtaken.map(({ runId }): Delivery => ({ runId, how: 'steered' })),
    member,
  );
  const { next: _, ...rest } = member;
  put(step, { ...rest, record, isStopping: true });
  step.out.push({ type: 'note', agentId }, { type: 'cancel', agentId, reason });
  return true;
};

/** The sub-agent that something was asked for by. */
const askerOf = ({ roster }: Step, requester: SubagentRecord['requester'] | undefined): Member | undefined =>
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

const stopAll = (step: Step, scope: Scope, parentId: string | undefined, reason: string): string[] =>
  topLevelVisible(
    treeOf(step.roster),
    scope,
    ({ agentId, isActive: isAtWork }) => isAtWork || memberOf(step.roster, agentId)?.waits === true,
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

// Runs

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
};

export const ended = (step: Step, { result, at }: { result: SubagentResult; at: number }): void => {
  const { agentId, runId, state, error, elapsedSeconds, model } = result;
  const member = memberOf(step.roster, agentId);
  if (!member) return;
  step.out.push({ type: 'hear', agentId, runId, heard: 'ended' });
  const open = member.open.filter((run) => run.runId !== runId);
  const past = [...(member.past ?? []), runId].slice(-remembered);
  if (wasSteeredAwayFrom(member.record, runId)) return put(step, { ...member, open, past });
  const known = member.open.find((run) => run.runId === runId) ?? { runId, model, askedAt: at };
  const activity: Activity = {
    ...known,
    model,
    endedAt: at,
    ...(error !== null && { error }),
    ...(result.result !== null && { preview: result.result.slice(0, previewLength) }),
  };
  const waits = state === 'completed' && awaited(step.roster, agentId) > 0;
  put(step, { ...member, open, past, last: { state, activity }, ...(waits && { waits }) });
  tell(step, state, memberOf(step.roster, agentId) as Member, {
    runId,
    result: result.result,
    error,
    elapsedSeconds,
    model,
  });
  handOver(step, asFarAs(step, result));
};

// Results

/** In the order in which they were handed over. Where there are too many, those of older runs go, however late they were collected. */
const withDelivery = (
  record: SubagentRecord,
  delivery: Delivery,
  { past = [], open }: Pick<Member, 'past' | 'open'>,
): SubagentRecord => {
  const all = [...record.delivered.filter(({ runId }) => runId !== delivery.runId), delivery];
  const latest = new Set([...past, ...open.map(({ runId }) => runId)].slice(-remembered));
  const surplus = all.filter(({ runId }) => !latest.has(runId)).slice(0, Math.max(all.length - remembered, 0));
  return { ...record, delivered: all.filter((each) => !surplus.includes(each)).slice(-remembered) };
};

const withDeliveries = (
  record: SubagentRecord,
  deliveries: readonly Delivery[],
  member: Pick<Member, 'past' | 'open'>,
): SubagentRecord => deliveries.reduce((now, each) => withDelivery(now, each, member), record);

/** What it is to say more after that is said with it. */
const asFarAs = ({ roster }: Step, result: SubagentResult): SubagentResult => {
  const pendingDescendants = awaited(roster, result.agentId);
  return pendingDescendants > 0 ? { ...result, pendingDescendants } : result;
};

const isAtWorkBelow = ({ roster }: Step, agentId: string): boolean =>
  pendingDescendants(treeOf(roster), agentId, (each) => each.isActive) > 0;

/** Whether nothing is to be left of it, and nothing will come of it any more: neither by itself nor by what it waits for. */
const isLeft = (step: Step, { record: { agentId, config }, open }: Member): boolean =>
  config.mode === 'run' &&
  config.cleanup === 'delete' &&
  open.length === 0 &&
  !step.roster.kept.some((result) => result.agentId === agentId) &&
  !isAtWorkBelow(step, agentId);

/** It was handed over: that stands in its record, and where nothing is to be left of a sub-agent, it goes now. */
const deliver = (step: Step, { agentId }: SubagentResult, delivery: Delivery): void => {
  const member = memberOf(step.roster, agentId);
  if (!member) return;
  const now = { ...member, record: withDelivery(member.record, delivery, member) };
  put(step, now);
  if (isLeft(step, now)) remove(step, agentId, true);
  else step.out.push({ type: 'note', agentId });
};

const give = (step: Step, { id, by }: Pick<Waiter, 'id' | 'by'>, results: readonly SubagentResult[]): void => {
  for (const result of results)
    deliver(step, result, { runId: result.runId, how: 'pulled', ...(by !== undefined && { by }) });
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
const handOver = (step: Step, result: SubagentResult): void => {
  const waiter = step.roster.waiters.find((each) => fits(result, each));
  if (waiter) {
    step.roster = { ...step.roster, waiters: step.roster.waiters.filter((each) => each !== waiter) };
    step.out.push({ type: 'stopWaiting', requestId: waiter.id });
    give(step, waiter, [result]);
  } else if (isPushed(result.requester)) step.out.push({ type: 'push', result, wakes: isWaking(step, result) });
  else step.roster = { ...step.roster, kept: [...step.roster.kept, result] };
};

/** A push has come to its end. */
export const handed = (step: Step, { result, how }: Pick<Handed, 'result' | 'how'>): void => {
  step.out.push({ type: 'dismiss', actorId: handoverIdOf(result.runId) });
  if (how === 'pushed') return deliver(step, result, { runId: result.runId, how });
  const waiter = step.roster.waiters.find((each) => fits(result, each));
  if (waiter) return handOver(step, result);
  step.roster = { ...step.roster, kept: [...step.roster.kept, result] };
};

export const collect = (step: Step, requestId: number, wanted: CollectRequest): void => {
  const { kept } = step.roster;
  const found = kept.filter((result) => fits(result, wanted));
  const { sessionKey, agentId, runId, by } = wanted;
  const waiter: Waiter = { id: requestId, sessionKey, agentId, runId, by };
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

// Forgetting

/** Those below it go to its parent, and what they were asked for by it, to whoever had asked it. */
const remove = (step: Step, agentId: string, withRuns: boolean): void => {
  const member = memberOf(step.roster, agentId);
  if (!member) return;
  const { record } = member;
  const heirs = childrenOf(treeOf(step.roster), agentId).flatMap((child) => memberOf(step.roster, child.agentId) ?? []);
  put(
    step,
    ...heirs
      .filter((heir) => heir.record.requester.sessionKey === record.sessionKey)
      .map((heir) => ({ ...heir, record: { ...heir.record, requester: record.requester } })),
  );
  const moved = new Set([
    ...move(step, unregister(treeOf(step.roster), agentId)),
    ...heirs.map((heir) => heir.record.agentId),
  ]);
  step.roster = { ...step.roster, members: withoutMembers(step.roster.members, [agentId]) };
  for (const id of moved) step.out.push({ type: 'note', agentId: id });
  step.out.push({ type: 'erase', record, withRuns });
};

export const forget = (
  step: Step,
  { requestId, agentId, scope }: { requestId: number; agentId: string; scope: Scope },
): void => {
  const member = isSeen(step, agentId, scope) ? memberOf(step.roster, agentId) : undefined;
  const may = member !== undefined && !isActive(member);
  if (may) {
    remove(step, agentId, false);
    const { kept } = step.roster;
    step.roster = { ...step.roster, kept: kept.filter((result) => result.agentId !== agentId) };
  }
  answer(step, requestId, { value: may }, may ? [agentId] : []);
};

/** Forgets those that were for one task and have been done with it since before. What is to be collected of them still can be. */
export const sweep = (step: Step, before: number): void => {
  const old = membersOf(step.roster).filter(({ record: { agentId, config, createdAt }, ...member }) => {
    const isOld = (member.activity?.endedAt ?? createdAt) < before;
    return config.mode === 'run' && !isActive(member) && isOld && !isAtWorkBelow(step, agentId);
  });
  const { childIds } = treeOf(step.roster);
  // Most have nobody below them: those go all at once.
  const [leaves, others] = [true, false].map((isLeaf) =>
    old.filter(({ record: { agentId } }) => childIds.has(agentId) !== isLeaf),
  ) as [Member[], Member[]];
  const leafIds = leaves.map(({ record }) => record.agentId);
  step.roster = { ...step.roster, members: withoutMembers(step.roster.members, leafIds) };
  for (const { record } of leaves)
    step.out.push({ type: 'erase', record, withRuns: record.config.cleanup === 'delete' });
  for (const { record } of others) remove(step, record.agentId, record.config.cleanup === 'delete');
};

// The manager itself

export const opened = (step: Step, { members, open, asks, results, gone }: Found): void => {
  put(step, ...members);
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
  for (const { record, open: runs } of membersOf(step.roster))
    if (runs.some(({ runId }) => record.cancelled?.runIds.includes(runId)))
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
