/**
 * Runs that do what a test says. They stand in for the chart of some runs of a real runtime: engine, crew, lifecycle and recorder
 * are the real ones, and so is everything above and beside them.
 */
import type { ExitReason } from '@troupe/protocol';
import {
  type AnyActorRef,
  type AnyEventObject,
  type AnyMachineSnapshot,
  type AnyStateMachine,
  assign,
  setup,
} from 'xstate';
import type { AgentContext, RunInput, RunOutput } from '../../src/agent/context.ts';
import * as life from '../../src/agent/life.ts';
import { openContext, type Step, stepOf } from '../../src/agent/step.ts';

type Told = { type: 'test.end'; status: RunOutput['status']; exitReason: ExitReason };
const types = {} as { context: AgentContext; events: Told | AnyEventObject; input: RunInput };

const step = (change: (step: Step, event: AnyEventObject) => void) =>
  assign<AgentContext, AnyEventObject, undefined, AnyEventObject, never>(({ context, event }) => {
    const next = stepOf(context.run);
    change(next, event);
    return { run: next.run };
  });

/** Begins when it has a slot, can be let go, and ends when the test says so, whatever else it hears. */
const obedient = setup({
  types,
  guards: { hasSlot: ({ context }) => context.run.slot !== 'wanted' },
  actions: {
    announce: step((next) => {
      if (next.run.slot === 'wanted') life.announceQueued(next);
    }),
    begin: step(life.begin),
    takeSlot: step(({ run }) => {
      run.slot = 'held';
    }),
    detach: step(life.detach),
    end: step(({ run }, event) => {
      const { status, exitReason } = event as Told;
      run.end = { status, exitReason };
    }),
  },
}).createMachine({
  context: ({ input }) => ({ run: openContext(input) }),
  initial: 'queued',
  on: {
    'slot.granted': { actions: 'takeSlot' },
    detach: { actions: 'detach' },
    'test.end': { target: '.ended', actions: 'end' },
  },
  states: {
    queued: { entry: 'announce', always: { guard: 'hasSlot', target: 'live' } },
    live: { entry: 'begin' },
    ended: { type: 'final' },
  },
});

export type Cast = {
  /** Which runs a test plays itself. */
  plays(runId: string): boolean;
  /** Every run's actor and input, and what the played ones heard. */
  actors: Map<string, AnyActorRef>;
  inputs: Map<string, RunInput>;
  heard: Map<string, string[]>;
};
export const cast: Cast = { plays: () => false, actors: new Map(), inputs: new Map(), heard: new Map() };

type Scope = { self: AnyActorRef };
type Logic = { transition(snapshot: unknown, event: AnyEventObject, scope: unknown): unknown };

/** An actor that stops working and breaks when the test says so. */
const fragile = <L extends Logic>(logic: L): L => ({
  ...logic,
  transition: (snapshot: unknown, event: AnyEventObject, scope: unknown) => {
    if (event.type !== 'test.break') return logic.transition(snapshot, event, scope);
    logic.transition(snapshot, { type: 'xstate.stop' }, scope);
    throw new Error('an actor breaks');
  },
});

const chartOf = (snapshot: AnyMachineSnapshot): AnyStateMachine => snapshot.machine;

/** The same machine, except that runs the test plays follow another chart, and its actors can break. */
export const played = <M extends AnyStateMachine>(machine: M): M =>
  Object.assign(Object.create(machine) as M, {
    provide: (given: { actors: Record<string, Logic> }) =>
      played(
        machine.provide({
          ...given,
          actors: Object.fromEntries(
            Object.entries(given.actors).map(([name, logic]) => [name, name === 'crew' ? logic : fragile(logic)]),
          ),
        } as never) as M,
      ),
    getInitialSnapshot: (scope: Scope, input: RunInput) => {
      cast.actors.set(input.runId, scope.self);
      cast.inputs.set(input.runId, input);
      const chart: AnyStateMachine = cast.plays(input.runId) ? obedient : machine;
      return chart.getInitialSnapshot(scope as never, input);
    },
    restoreSnapshot: (persisted: { context: AgentContext }, scope: Scope) => {
      const { runId } = persisted.context.run;
      cast.actors.set(runId, scope.self);
      const chart: AnyStateMachine = cast.plays(runId) ? obedient : machine;
      return chart.restoreSnapshot(persisted as never, scope as never);
    },
    transition: (snapshot: AnyMachineSnapshot, event: AnyEventObject, scope: Scope) => {
      const { runId } = (snapshot.context as AgentContext).run;
      if (cast.plays(runId)) cast.heard.set(runId, [...(cast.heard.get(runId) ?? []), event.type]);
      return chartOf(snapshot).transition(snapshot as never, event, scope as never);
    },
    start: (snapshot: AnyMachineSnapshot, scope: Scope) =>
      (chartOf(snapshot).start as (...args: unknown[]) => void)(snapshot, scope),
  });
