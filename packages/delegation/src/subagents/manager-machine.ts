/**
 * The manager of sub-agents: who is let in, who is stopped, who is given what came of it.
 *
 *   opening ─what is stored was read─▶ open ─close─▶ closed
 *      └─it could not be─▶ broken
 *
 * It decides and tells. Each sub-agent is an actor below it (`subagent-machine.ts`) for as long as it has something to do, and so is each
 * result that is pushed (`handover-machine.ts`). Its context is data: what it knows of whom. What a decision does stands in `steps/`.
 */
import { type DoneActorEvent, type ErrorActorEvent, type EventObject, fromCallback, fromPromise, setup } from 'xstate';
import { type Applicant, type CheckName, checks, profileChecks } from './admission.ts';
import { type Handed, handoverMachine } from './handover-machine.ts';
import type { Scope } from './lineage.ts';
import { memberOf, noMembers } from './members.ts';
import { notedOf, type Roster, type Wanted } from './roster.ts';
import { inquired, unitBegan, unitEnded } from './steps/background.ts';
import { collectorMoved } from './steps/collecting.ts';
import { forget, sweep } from './steps/forgetting.ts';
import { admit, adopt, begun, create, refuse, unbegun, unmade } from './steps/letting-in.ts';
import { close, opened, rest } from './steps/opening.ts';
import { began, collect, ended, handed, leave } from './steps/results.ts';
import { type Answer, type Found, handoverIdOf, inquiryIdOf, type Order, type Step } from './steps/step.ts';
import { cancel, cancelAll, refuseSteering, type Steering, steer, steerRefusal } from './steps/stopping.ts';
import { type SubagentNews, subagentMachine } from './subagent-machine.ts';
import type { SubagentEvent, SubagentLimits, SubagentResult } from './subagent-manager.ts';
import type { SubagentRecord } from './subagent-record.ts';

type Request = { requestId: number };
/** `rests`: nothing of its session goes on, nor waits for a person. */
type Inquired = { type: 'inquired'; agentId: string; rests: boolean };
export type ManagerEvent =
  | (Request & { type: 'spawn'; applicant: Applicant })
  | (Request & { type: 'create'; applicant: Applicant })
  | (Steering & { type: 'steer' })
  | (Request & { type: 'cancel'; agentId: string; scope: Scope; cascade: boolean; reason: string })
  | (Request & { type: 'cancelAll'; scope: Scope; parentId?: string | undefined; reason: string })
  | (Request & { type: 'forget'; agentId: string; scope: Scope })
  | (Request & { type: 'adopt'; records: readonly SubagentRecord[] })
  | (Request & { type: 'collect'; wanted: Wanted })
  | (Request & { type: 'leave' })
  | { type: 'unmade'; agentIds: readonly string[] }
  | { type: 'run.began'; agentId: string; runId: string; model: string; at: number }
  | { type: 'run.ended'; result: SubagentResult; at: number }
  | { type: 'unit.began'; agentId: string; runId: string }
  | { type: 'unit.ended'; agentId: string; runId: string }
  | { type: 'collector.moved'; runId: string; turn: number | null }
  | Inquired
  | { type: 'sweep'; before: number }
  | { type: 'close'; stopping: string | null }
  | SubagentNews
  | Handed;

const types = {} as {
  /** `awake`: sub-agents that have an actor now. */
  context: Roster & { awake: Readonly<Record<string, true>>; failure: unknown };
  events: ManagerEvent;
  emitted: { type: 'answered'; answer: Answer; noted: string[] } | { type: 'told'; event: Omit<SubagentEvent, 'at'> };
  input: { limits: SubagentLimits };
};

const base = setup({
  types,
  actors: {
    subagent: subagentMachine,
    handover: handoverMachine,
    /** Reads what is stored. */
    load: fromPromise<Found>(() => Promise.reject(new Error('A manager was started without its actor "load".'))),
    /** Says `inquired` once the session of a sub-agent rests, or nobody can say. */
    inquiry: fromCallback<EventObject, { record: SubagentRecord }>(() => {}),
    /** Says `sweep` from time to time. */
    sweeper: fromCallback<EventObject>(() => {}),
  },
  actions: {
    /** Stores what is known of a sub-agent now. */
    note: (_args, _params: { record: SubagentRecord }) => {},
    /** Interrupts units. */
    halt: (_args, _params: { runIds: string[]; reason: string }) => {},
    /** Forgets a sub-agent; with its runs where nothing is to be left of it. */
    erase: (_args, _params: { record: SubagentRecord; withRuns: boolean }) => {},
  },
  guards: {
    isRefused: ({ context, event }, { check }: { check: CheckName }) =>
      (event.type === 'spawn' || event.type === 'create') && checks[check](context, event.applicant) !== null,
    mayNotSteer: ({ context, event }) => event.type === 'steer' && steerRefusal(context, event) !== null,
  },
});

type Enqueue = Parameters<Parameters<typeof base.enqueueActions>[0]>[0]['enqueue'];

/** Who has an actor, and has one from now on: copied once it changes. */
const wakingFrom = (before: Readonly<Record<string, true>>) => {
  let now: Readonly<Record<string, true>> = before;
  const own = (): Record<string, true> => {
    if (now === before) now = { ...before };
    return now;
  };
  return {
    has: (agentId: string): boolean => Object.hasOwn(now, agentId),
    add(agentId: string): void {
      own()[agentId] = true;
    },
    delete(agentId: string): void {
      if (Object.hasOwn(now, agentId)) delete own()[agentId];
    },
    now: () => now,
  };
};

const perform = (order: Order, { roster }: Step, enqueue: Enqueue, awake: ReturnType<typeof wakingFrom>): void => {
  const ensure = (agentId: string, open: string[] = []): void => {
    if (awake.has(agentId)) return;
    enqueue.spawnChild('subagent', { id: agentId, input: { agentId, open } });
    awake.add(agentId);
  };
  switch (order.type) {
    case 'answer':
      return enqueue.emit({ type: 'answered', answer: order.answer, noted: order.noted });
    case 'tell':
      return enqueue.emit({ type: 'told', event: order.event });
    case 'note': {
      const member = memberOf(roster, order.agentId);
      return member && enqueue({ type: 'note', params: { record: notedOf(member) } });
    }
    case 'erase':
      return enqueue({ type: 'erase', params: { record: order.record, withRuns: order.withRuns } });
    case 'ask':
      ensure(order.ask.record.agentId);
      return enqueue.sendTo(order.ask.record.agentId, { type: 'ask', ask: order.ask });
    case 'open':
      return ensure(order.agentId, order.runIds);
    case 'cancel':
      ensure(order.agentId);
      return enqueue.sendTo(order.agentId, { type: 'cancel', reason: order.reason });
    case 'drop':
      ensure(order.agentId);
      return enqueue.sendTo(order.agentId, { type: 'drop', runIds: order.runIds });
    case 'halt':
      return enqueue({ type: 'halt', params: { runIds: order.runIds, reason: order.reason } });
    case 'inquire': {
      const member = memberOf(roster, order.agentId);
      const id = inquiryIdOf(order.agentId);
      return member && enqueue.spawnChild('inquiry', { id, input: { record: member.record } });
    }
    case 'hear':
      ensure(order.agentId, order.heard === 'began' ? [order.runId] : []);
      return enqueue.sendTo(order.agentId, { type: order.heard, runId: order.runId });
    case 'dismiss':
      awake.delete(order.actorId);
      return enqueue.stopChild(order.actorId);
    case 'push':
      return enqueue.spawnChild('handover', {
        id: handoverIdOf(order.result.runId),
        input: { result: order.result, wakes: order.wakes },
      });
    case 'wait':
      return enqueue.raise(
        { type: 'leave', requestId: order.requestId },
        { id: `wait.${order.requestId}`, delay: order.ms },
      );
    case 'stopWaiting':
      return enqueue.cancel(`wait.${order.requestId}`);
  }
};

/** A sub-agent is noted as it is once all is decided: once is enough. */
const onceNoted = (orders: readonly Order[]): readonly Order[] => {
  const noted = new Set<string>();
  return orders.filter((order) => {
    if (order.type !== 'note') return true;
    const isFirst = !noted.has(order.agentId);
    noted.add(order.agentId);
    return isFirst;
  });
};

/** What a decision does, and what goes out with it, in its order. */
const act = <Type extends string>(change: (step: Step, event: Extract<ManagerEvent, { type: Type }>) => void) =>
  base.enqueueActions(({ context, event, enqueue }) => {
    const step: Step = { roster: context, out: [] };
    change(step, event as never);
    const { members, kept, waiters } = step.roster;
    const awake = wakingFrom(context.awake);
    enqueue.assign({ members, kept, waiters });
    for (const order of onceNoted(step.out)) perform(order, step, enqueue, awake);
    if (awake.now() !== context.awake) enqueue.assign({ awake: awake.now() });
  });

const all = Object.keys(checks) as CheckName[];
const refusals = (names: readonly CheckName[]) =>
  names.map((check) => ({
    guard: { type: 'isRefused', params: { check } } as const,
    actions: act<'spawn' | 'create'>((step, { requestId, applicant }) => refuse(step, requestId, applicant, check)),
  }));

/** The chart of every manager. Importable, drawable, explorable. */
export const managerMachine = base
  .extend({
    actions: {
      openAll: act((step, event: unknown) => opened(step, (event as DoneActorEvent<Found>).output)),
      fail: base.assign({ failure: ({ event }: { event: unknown }) => (event as ErrorActorEvent).error }),
    },
  })
  .createMachine({
    id: 'subagents',
    context: ({ input: { limits } }) => ({
      limits,
      members: noMembers,
      kept: [],
      waiters: [],
      awake: {},
      failure: null,
    }),
    initial: 'opening',
    states: {
      opening: {
        invoke: {
          src: 'load',
          onDone: {
            target: 'open',
            actions: 'openAll',
          },
          onError: { target: 'broken', actions: 'fail' },
        },
      },
      open: {
        invoke: { src: 'sweeper' },
        on: {
          spawn: [
            ...refusals(all),
            {
              actions: act<'spawn'>((step, { requestId, applicant: { record } }) => admit(step, { record, requestId })),
            },
          ],
          create: [
            ...refusals(profileChecks),
            { actions: act<'create'>((step, { requestId, applicant }) => create(step, requestId, applicant)) },
          ],
          steer: [
            {
              guard: 'mayNotSteer',
              actions: act<'steer'>((step, event) => refuseSteering(step, event)),
            },
            { actions: act<'steer'>(steer) },
          ],
          cancel: { actions: act<'cancel'>(cancel) },
          cancelAll: { actions: act<'cancelAll'>(cancelAll) },
          forget: { actions: act<'forget'>(forget) },
          adopt: { actions: act<'adopt'>((step, { requestId, records }) => adopt(step, requestId, records)) },
          collect: { actions: act<'collect'>((step, { requestId, wanted }) => collect(step, requestId, wanted)) },
          sweep: { actions: act<'sweep'>((step, { before }) => sweep(step, before)) },
          close: { target: 'closed', actions: act<'close'>(close) },
        },
      },
      broken: {},
      /** What goes on is still heard of, and what comes of it still handed over. */
      closed: { on: { close: { actions: act<'close'>(close) } } },
    },
    on: {
      leave: { actions: act<'leave'>((step, { requestId }) => leave(step, requestId)) },
      unmade: { actions: act<'unmade'>((step, { agentIds }) => unmade(step, agentIds)) },
      'run.began': { actions: act<'run.began'>(began) },
      'run.ended': { actions: act<'run.ended'>(ended) },
      'unit.began': { actions: act<'unit.began'>(unitBegan) },
      'unit.ended': { actions: act<'unit.ended'>(unitEnded) },
      'collector.moved': { actions: act<'collector.moved'>(collectorMoved) },
      inquired: { actions: act<'inquired'>(inquired) },
      'subagent.begun': { actions: act<'subagent.begun'>((step, { ask }) => begun(step, ask)) },
      'subagent.unbegun': {
        actions: act<'subagent.unbegun'>((step, { ask, error }) => unbegun(step, ask, error)),
      },
      'subagent.idle': { actions: act<'subagent.idle'>((step, { agentId }) => rest(step, agentId)) },
      handed: { actions: act<'handed'>(handed) },
    },
  });
