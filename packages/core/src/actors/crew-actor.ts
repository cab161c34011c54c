/**
 * The side of a run that works: its calls and its children, each an actor. The machine says what to start and stop; what happens
 * is told to it. Calls and children are not in the machine's own snapshot, so starting one costs the same beside ten and ten thousand.
 */

import { callKeyOf, callKeyOfChild, type FaultError, noUsage, type Report } from '@troupe/protocol';
import { type ActorLogic, type AnyActorRef, type AnyEventObject, createActor, type Snapshot } from 'xstate';
import type { CrewMessage } from '../agent/agent-setup.ts';
import { roundsOf } from '../agent/children.ts';
import type { CallState, CrewOrder, RunCommand } from '../agent/context.ts';
import { itemAt, itemsOf } from '../agent/rows.ts';
import { type ChildResult, keepResult, type LiveRun, takeSpawn } from '../run/live-run.ts';
import type { World } from '../runtime/world.ts';
import { type CallInput, callActor, type SettledChildren } from './call-actor.ts';

type CrewSnapshot = Snapshot<undefined> & {
  input: { runId: string };
  calls: Map<string, AnyActorRef>;
  children: Map<string, AnyActorRef>;
};

type Scope = { self: AnyActorRef; stopChild(child: AnyActorRef): void };

export type CrewLogic = ActorLogic<CrewSnapshot, CrewMessage | AnyEventObject, { runId: string }>;

/** What a refused child is reported as: nothing ran, nothing was spent. */
const refusedReport = (childId: string, agent: string, error: FaultError): Report => ({
  runId: childId,
  agent,
  status: 'failed',
  exitReason: 'error',
  text: null,
  fault: error.toFault(),
  questions: [],
  usage: { total: noUsage, own: noUsage, byModel: {}, turns: 0, toolCalls: 0, activeMs: 0 },
  calls: [],
  children: [],
  messages: [],
});

export const crewActor = (world: World): CrewLogic => {
  const call = callActor(world);

  const startCall = (crew: CrewSnapshot, scope: Scope, input: CallInput): void => {
    const id = `call.${input.turn}-${input.index}`;
    stopCall(crew, scope, id);
    const actor = createActor(call, { id, parent: scope.self, input }) as AnyActorRef;
    crew.calls.set(id, actor);
    actor.start();
  };
  const stopCall = (crew: CrewSnapshot, scope: Scope, id: string): void => {
    const actor = crew.calls.get(id);
    if (!actor) return;
    crew.calls.delete(id);
    scope.stopChild(actor);
  };
  const stopAll = (crew: CrewSnapshot, scope: Scope): void => {
    for (const id of [...crew.calls.keys()]) stopCall(crew, scope, id);
    for (const child of [...crew.children.values()]) scope.stopChild(child);
  };

  const settledIn = (run: LiveRun, call: CallState): SettledChildren => {
    const results = itemsOf(call.children).flatMap(({ runId, agent, refusal }): ChildResult[] => {
      if (refusal) return [{ report: refusedReport(runId, agent, world.refusal(refusal.message, refusal)) }];
      return [run.offspring?.reports.get(callKeyOfChild(runId))?.get(runId) ?? []].flat();
    });
    return {
      reports: results.map(({ report }) => report),
      data: results.map(({ data }) => data),
      round: roundsOf(call),
    };
  };

  /** Who is on its own does not obey. */
  const reach = (run: LiveRun, runIds: readonly string[], command: RunCommand): void => {
    for (const runId of runIds) {
      const stray = world.runs.get(runId);
      if (stray) stray.actor?.send(command);
      else world.tellStray(run, runId, command);
    }
  };

  const obey = (crew: CrewSnapshot, scope: Scope, run: LiveRun, order: CrewOrder): void => {
    switch (order.type) {
      case 'crew.execute': {
        const { type: _, ...input } = order;
        return startCall(crew, scope, { ...input, runId: run.runId });
      }
      case 'crew.close': {
        const { index, turn } = order;
        const waiting = run.context && itemAt(run.context.calls, index);
        if (!waiting) return;
        return startCall(crew, scope, {
          runId: run.runId,
          index,
          turn,
          callId: waiting.callId,
          tool: waiting.tool,
          arguments: waiting.arguments,
          settled: settledIn(run, waiting),
        });
      }
      case 'crew.start': {
        const { accept } = run.offspring?.spawns.get(order.childId) ?? {};
        const { child, actor } = world.startChild(run, order, scope.self);
        if (actor?.getSnapshot().status === 'active') crew.children.set(order.childId, actor);
        return accept?.(child);
      }
      case 'crew.refuse': {
        const { childId, refusal } = order;
        const pending = takeSpawn(run, childId);
        const error = world.refusal(refusal.message, refusal);
        if (pending?.request.quota) world.quotas.settle(pending.request.quota.key, childId, false);
        return pending?.refuse?.(error);
      }
      case 'crew.attach': {
        const actor = world.bringBackChild(run, order.childId, scope.self);
        if (actor?.getSnapshot().status === 'active') crew.children.set(order.childId, actor);
        return;
      }
      case 'crew.reuse': {
        const pending = takeSpawn(run, order.childId);
        const child =
          world.runs.get(order.childId) ??
          run.away?.get(order.childId)?.child ??
          run.offspring?.former.get(order.childId);
        if (child) return pending?.accept?.(child);
        return pending?.refuse?.(
          world.refusal(`Run "${order.childId}" was started before, and is not stored.`, { kind: 'lost' }),
        );
      }
      case 'crew.slot':
        return crew.children.get(order.childId)?.send({ type: 'slot.granted' });
      case 'crew.detach': {
        const child = crew.children.get(order.childId);
        const away = world.reportAway(run, order.childId);
        const live = away ? undefined : world.runs.get(order.childId);
        if (!child || !(live || away)) return;
        crew.children.delete(order.childId);
        if (live) keepResult(run, live, world.reportPaused(live));
        else if (away) keepResult(run, away.child, away.report);
        // One that others execute has left already: its envoy has nothing more to say.
        if (!live) return scope.stopChild(child);
        world.detach(live);
        return child.send({ type: 'detach' });
      }
      case 'crew.cascade':
        if (order.stopTools) for (const id of [...crew.calls.keys()]) stopCall(crew, scope, id);
        for (const child of [...crew.children.values()]) child.send(order.command);
        return;
      case 'crew.reach':
        return reach(run, order.runIds, order.command);
      case 'crew.review':
        return world.reviewStrays(run, order.runIds);
      case 'crew.stop':
        return stopAll(crew, scope);
    }
  };

  return {
    getInitialSnapshot: (_scope, input) => crewOf(input),
    transition: (crew, event, scope) => {
      const run = world.runs.get(crew.input.runId);
      if (event.type === 'xstate.stop') {
        stopAll(crew, scope as never);
        return { ...crew, status: 'stopped' } as never;
      }
      if (!run) return crew;
      if (event.type === 'crew.orders') {
        try {
          for (const order of (event as CrewMessage).orders) obey(crew, scope as never, run, order);
        } catch (error) {
          // XState leaves children of an actor that throws running.
          stopAll(crew, scope as never);
          throw error;
        }
      } else if (event.type.startsWith('xstate.')) forget(crew, event);
      else if (event.type === 'crew.settled') {
        const { id } = event as unknown as { id: string };
        stopCall(crew, scope as never, id);
        forgetReports(run, id);
      } else if (event.type === 'crew.home') {
        const { id } = event as unknown as { id: string };
        const envoy = crew.children.get(id);
        crew.children.delete(id);
        if (envoy) (scope as unknown as Scope).stopChild(envoy);
      } else run.actor?.send(event);
      return crew;
    },
    // Calls and children are found again from the run's own context.
    getPersistedSnapshot: ({ status, input }) => ({ status, input }) as never,
    restoreSnapshot: (persisted) => crewOf((persisted as unknown as { input: { runId: string } }).input),
  };
};

const crewOf = (input: { runId: string }): CrewSnapshot => ({
  status: 'active',
  output: undefined,
  error: undefined,
  input,
  calls: new Map(),
  children: new Map(),
});

/** Once a call has its result nobody makes it again, or asks for its children; one that has asked for more children will make it of all of them. */
const forgetReports = ({ runId, offspring, context }: LiveRun, id: string): void => {
  if (!offspring || offspring.reports.size + offspring.former.size === 0) return;
  const [turn = 0, index = 0] = id.slice('call.'.length).split('-').map(Number);
  const call = context?.turn === turn ? itemAt(context.calls, index) : undefined;
  if (call && call.phase !== 'settled' && !call.outcome) return;
  const callKey = callKeyOf(runId, turn, index);
  offspring.reports.delete(callKey);
  for (const childId of offspring.former.keys())
    if (callKeyOfChild(childId) === callKey) offspring.former.delete(childId);
};

/** A child's actor has ended: its end was told to the run before, by its lifecycle. */
const forget = (crew: CrewSnapshot, event: AnyEventObject): void => {
  const id = String((event as { actorId?: unknown }).actorId ?? '');
  crew.children.delete(id);
};
