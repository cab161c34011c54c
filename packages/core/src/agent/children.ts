/**
 * What children do to a run (L2, L4, L5): a grant is set aside before a child starts and comes back, less what was spent, when it
 * settles. Only `concurrency` makes a child wait; everything else refuses at once.
 */
import { addUsage, callKeyOf, childIdOf, type Usage } from '@troupe/protocol';
import { afterLastChild } from './calls.ts';
import type { CallState, ChildEnd, ChildState, RunContext, RunFact, SpawnRequest } from './context.ts';
import {
  type Allowance,
  addPool,
  admit,
  allowanceOf,
  emptyPool,
  inheritable,
  type Refusal,
  reservationOf,
  takePool,
} from './limits.ts';
import { added, changed, everyItem, itemAt, itemsOf, without } from './rows.ts';
import { type Step, say, setCall, stepOf, warn } from './step.ts';
import { mindStrays } from './strays.ts';

type Place = { index: number; n: number; call: CallState; child: ChildState };

/** Finds a child of the turn in hand by its id: `run/turn-index/n`. */
export const locate = (run: Pick<RunContext, 'runId' | 'turn' | 'calls'>, childId: string): Place | null => {
  const { runId } = run;
  if (!childId.startsWith(runId) || childId[runId.length] !== '/') return null;
  const dash = childId.indexOf('-', runId.length);
  const slash = childId.indexOf('/', dash);
  if (Number(childId.slice(runId.length + 1, dash)) !== run.turn) return null;
  const index = Number(childId.slice(dash + 1, slash));
  const n = Number(childId.slice(slash + 1));
  const call = itemAt(run.calls, index);
  const child = call && itemAt(call.children, n);
  return call && child?.runId === childId ? { index, n, call, child } : null;
};

const setChild = (step: Step, { index, n, call, child }: Place, next: ChildState): void => {
  const ended = Number(child.status !== 'ended' && next.status === 'ended');
  const asking = Number(next.status === 'asking') - Number(child.status === 'asking');
  setCall(step, index, {
    ...call,
    children: changed(call.children, n, next),
    live: call.live - ended,
    asking: call.asking + asking,
  });
};

const withoutPools = <B extends { tokens?: unknown; costUsd?: unknown; descendants?: unknown }>(
  budget: B | undefined,
) => budget && inheritable(budget as never);

/** What a child may spend: the tightest of all that was set, and for the pools just its grant. */
const allowanceFor = (run: RunContext, request: SpawnRequest, grant: ChildState['grant'], at: number): Allowance => {
  const allowance = allowanceOf(
    inheritable(run.allowance.ceilings),
    [withoutPools(request.agentBudget) as never, withoutPools(request.budget) as never],
    at,
  );
  return { ...allowance, limits: { ...allowance.limits, ...grant }, ceilings: { ...allowance.ceilings, ...grant } };
};

type Asked = Omit<Extract<RunFact, { type: 'call.spawns' }>, 'type'>;

/** Why not all that a call asks for can be started; tried on a copy. */
const whyNotAll = (step: Step, asked: Asked): SpawnRequest['refused'] => {
  const { allOrNone: _, ...each } = asked;
  const trial = stepOf(step.run);
  spawn(trial, each);
  const refused = itemsOf(itemAt(trial.run.calls, asked.index)?.children ?? [])
    .slice(asked.from)
    .find(({ refusal }) => refusal);
  return refused?.refusal;
};

/** A call asks for children: each is admitted or refused, and told so. */
export const spawn = (step: Step, asked: Asked): void => {
  const { index, from, at } = asked;
  const refused = asked.allOrNone && whyNotAll(step, asked);
  const requests = refused ? asked.requests.map((request) => ({ ...request, refused })) : asked.requests;
  const { run, orders } = step;
  const asking = itemAt(run.calls, index);
  if (!asking) return;
  // A call that is its children asks for more of them.
  const isFurther = asking.phase === 'closing' && !run.end;
  const gone =
    run.end || (asking.phase !== 'running' && !isFurther)
      ? { kind: 'ended', message: `The call "${asking.tool}" has ended: it can start no more runs.` }
      : null;
  const planned = !asked.awaited && (asking.shares > 0 || isFurther);
  // Nobody knew of these before: they share with all that live.
  const alive = isFurther ? run.live : 0;
  requests.forEach((request, i) => {
    const call = itemAt(run.calls, index);
    if (!call) return;
    if (planned) setCall(step, index, { ...call, shares: requests.length - i });
    const n = from + i;
    const childId = childIdOf(callKeyOf(run.runId, run.turn, index), n);
    const there = itemAt(call.children, n);
    if (there) {
      again(step, index, there);
      return;
    }
    // One that its own call waits for takes the share that was set aside for what the call may become.
    const own = asked.awaited ? asking.shares : 0;
    const shares = planned ? alive + run.shares : run.live + 1 + run.shares - own;
    const verdict: { grant: ChildState['grant'] } | { refusal: Omit<Refusal, 'limit'> & { limit?: number } } = gone
      ? { refusal: gone }
      : request.refused
        ? { refusal: request.refused }
        : admit(run, { ...request, depth: run.depth + 1, shares });
    const { callId } = call;
    if ('refusal' in verdict) {
      const { refusal } = verdict;
      const limit = refusal.limit === undefined ? {} : { limit: refusal.limit };
      if (!run.end)
        say(step, { type: 'child.refused', callId, code: 'spawn.refused', message: refusal.message, ...limit });
      orders.push({ type: 'crew.refuse', index, childId, agent: request.agent, refusal });
      addChild(step, index, {
        runId: childId,
        agent: request.agent,
        status: 'ended',
        grant: {},
        reserved: emptyPool,
        slot: 'none',
        started: false,
        onPaused: request.onPaused,
        refusal,
      });
      return;
    }
    const { grant } = verdict;
    const allowance = allowanceFor(run, request, grant, at);
    const reserved = reservationOf(run.allowance.limits, grant);
    const slot = slotFor(run);
    run.reserved = addPool(run.reserved, reserved);
    run.children += 1;
    addChild(step, index, {
      runId: childId,
      agent: request.agent,
      status: 'live',
      grant,
      reserved,
      slot,
      started: slot !== 'queued',
      onPaused: request.onPaused,
    });
    say(step, { type: 'child.requested', childId, callId, childAgent: request.agent, grant });
    if (slot === 'queued') run.queue = added(run.queue, childId);
    else say(step, { type: 'child.started', childId, callId, childAgent: request.agent, grant });
    if (slot === 'held') run.working += 1;
    const given = run.allowance.limits.concurrency === undefined ? 'free' : slot === 'held' ? 'held' : 'wanted';
    const mayLeave = (request.onPaused === 'error' || run.mayLeave) && { mayLeave: true as const };
    orders.push({ type: 'crew.start', index, turn: run.turn, childId, grant, slot: given, allowance, ...mayLeave });
  });
  warn(step);
  const call = itemAt(run.calls, index);
  if (!call || !planned || gone) return;
  const rounds = isFurther && { rounds: roundsOf(call) + 1 };
  setCall(step, index, { ...call, phase: 'waiting', shares: 0, ...rounds });
  afterLastChild(step, index);
};

/** How often a call became its children. */
export const roundsOf = ({ children, rounds = 1 }: Pick<CallState, 'children' | 'rounds'>): number =>
  children.length === 0 ? 0 : rounds;

/** A call that is executed again asks for a child it has: it gets that one, or hears again why not. */
const again = ({ orders }: Step, index: number, { runId: childId, agent, refusal }: ChildState): void => {
  if (refusal) orders.push({ type: 'crew.refuse', index, childId, agent, refusal });
  else orders.push({ type: 'crew.reuse', childId });
};

const addChild = (step: Step, index: number, child: ChildState): void => {
  const call = itemAt(step.run.calls, index);
  if (call)
    setCall(step, index, {
      ...call,
      children: added(call.children, child),
      live: call.live + Number(child.status === 'live'),
    });
};

const slotFor = ({ allowance, working }: RunContext): ChildState['slot'] => {
  const { concurrency } = allowance.limits;
  if (concurrency === undefined) return 'none';
  return working < concurrency ? 'held' : 'queued';
};

/** Gives free slots to those that wait longest. */
export const grantSlots = (step: Step): void => {
  const { run, orders } = step;
  const { concurrency } = run.allowance.limits;
  while (concurrency !== undefined && run.working < concurrency && run.queue.length > 0) {
    const childId = run.queue[0]?.[0] ?? '';
    run.queue = without(run.queue, childId);
    const place = locate(run, childId);
    if (!place || place.child.status === 'ended') continue;
    run.working += 1;
    const { call, child } = place;
    setChild(step, place, { ...child, slot: 'held', started: true });
    if (!child.started)
      say(step, { type: 'child.started', childId, callId: call.callId, childAgent: child.agent, grant: child.grant });
    orders.push({ type: 'crew.slot', childId });
  }
};

const dropSlot = (step: Step, place: Place, next: ChildState): void => {
  const { run } = step;
  if (place.child.slot === 'held') run.working -= 1;
  if (place.child.slot === 'queued') run.queue = without(run.queue, place.child.runId);
  setChild(step, place, { ...next, slot: 'none' });
};

/** A child that waits for its own children, or for a person, lets others work meanwhile. */
export const releaseSlot = (step: Step, childId: string): void => {
  const place = locate(step.run, childId);
  if (place?.child.slot !== 'held') return;
  dropSlot(step, place, place.child);
  grantSlots(step);
};

/** A child that gave its slot back wants to go on. */
export const wantSlot = (step: Step, childId: string): void => {
  const place = locate(step.run, childId);
  if (!place || place.child.status === 'ended' || place.child.slot !== 'none') return;
  setChild(step, place, { ...place.child, slot: 'queued' });
  step.run.queue = added(step.run.queue, childId);
  grantSlots(step);
};

/** A child has settled: its grant returns, what it spent is charged, and its call hears of it. */
export const settleChild = (step: Step, end: ChildEnd): void => {
  const { run } = step;
  const place = locate(run, end.childId);
  if (!place || place.child.status === 'ended') return;
  const { call, child, index } = place;
  run.reserved = takePool(run.reserved, child.reserved);
  run.spent = addPool(run.spent, { ...end.spent, descendants: end.spent.descendants + 1 });
  const byModel: Record<string, Usage> = { ...run.usage.byModel };
  for (const [model, usage] of Object.entries(end.byModel))
    byModel[model] = byModel[model] ? addUsage(byModel[model], usage) : usage;
  run.usage = { own: run.usage.own, total: addUsage(run.usage.total, end.usage), byModel };
  dropSlot(step, place, { ...child, status: 'ended', grant: {}, reserved: emptyPool });
  say(step, {
    type: 'child.settled',
    childId: child.runId,
    callId: call.callId,
    childAgent: child.agent,
    grant: child.grant,
    status: end.status,
    exitReason: end.exitReason,
    usage: end.usage,
    byModel: end.byModel,
  });
  mindStrays(step, end.strays ?? []);
  warn(step);
  grantSlots(step);
  afterLastChild(step, index);
};

/** A child waits for a person: its call waits with it, or gets it back as an error and lets it go. */
export const pauseChild = (step: Step, end: ChildEnd): void => {
  const place = locate(step.run, end.childId);
  if (place?.child.status !== 'live') return;
  if (place.child.onPaused === 'bubble') return setChild(step, place, { ...place.child, status: 'asking' });
  step.orders.push({ type: 'crew.detach', childId: end.childId });
  setChild(step, place, { ...place.child, letGo: true });
  settleChild(step, { ...end, strays: [end.childId] });
};

export const resumeChild = (step: Step, childId: string): void => {
  const place = locate(step.run, childId);
  if (place?.child.status === 'asking') setChild(step, place, { ...place.child, status: 'live' });
};

/** True when every open call is nothing but its children: the run itself does no work now. */
export const onlyWaitsForChildren = (run: RunContext): boolean =>
  run.open > 0 && everyItem(run.calls, ({ phase }) => phase === 'settled' || phase === 'waiting');
