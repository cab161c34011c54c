/** Lifecycles that look right. The worlds refute each of them. */
import type { AnyActorRef, AnyEventObject, AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import type { LifecycleHooks } from '../../src/run/lifecycle.ts';

type Scope = { self: AnyActorRef; stopChild(child: AnyActorRef): void };
type Design = (machine: AnyStateMachine, hooks: LifecycleHooks) => AnyStateMachine;

const over = (machine: AnyStateMachine, methods: object): AnyStateMachine =>
  Object.assign(Object.create(machine), methods);

/** Nobody listens to these actors: without an observer their errors would end the process. */
const silently =
  (machine: AnyStateMachine) =>
  (scope: Scope, input: unknown): AnyMachineSnapshot => {
    scope.self.subscribe({ error: () => {} });
    return machine.getInitialSnapshot(scope as never, input);
  };

const observe = ({ self }: Scope, snapshot: AnyMachineSnapshot, hooks: LifecycleHooks): void => {
  const last = () => self.getSnapshot() as AnyMachineSnapshot;
  self.subscribe({
    error: (error: unknown) => hooks.ended(self, last(), { how: 'error', error }),
    complete: () => hooks.ended(self, last(), { how: last().status === 'done' ? 'done' : 'stopped' }),
  });
  hooks.begun(self, snapshot);
};

/** XState skips `start` for a machine that is done or broken when it is made: nobody hears of its end. */
const noStandIn: Design = (machine, hooks) =>
  over(machine, {
    getInitialSnapshot: silently(machine),
    start: (snapshot: AnyMachineSnapshot, scope: Scope) => {
      observe(scope, snapshot, hooks);
      (machine.start as any)(snapshot, scope);
    },
  });

/** The end is what a transition gives: actors that throw or are stopped never give one. */
const byTransition: Design = (machine, hooks) =>
  over(machine, {
    getInitialSnapshot: silently(machine),
    start: (snapshot: AnyMachineSnapshot, scope: Scope) => {
      hooks.begun(scope.self, snapshot);
      (machine.start as any)(snapshot, scope);
    },
    transition: (snapshot: AnyMachineSnapshot, event: AnyEventObject, scope: Scope) => {
      const next = machine.transition(snapshot as never, event, scope as never) as AnyMachineSnapshot;
      const ended = snapshot.status === 'active' && next.status !== 'active';
      if (ended) hooks.ended(scope.self, next, { how: next.status === 'done' ? 'done' : 'stopped' });
      return next;
    },
  });

/** The real one, but what it left running when it broke goes on: XState's own way. */
const orphaning =
  (real: Design): Design =>
  (machine, hooks) => {
    const logic = real(machine, hooks);
    return over(logic, {
      start: (snapshot: AnyMachineSnapshot, scope: Scope) =>
        (logic.start as any)(snapshot, { ...scope, stopChild: () => {} }),
    });
  };

const designsLike = (real: Design) => ({ real, noStandIn, byTransition, orphaning: orphaning(real) });
export type DesignName = keyof ReturnType<typeof designsLike>;

let current: DesignName = 'real';
export const use = (name: DesignName): void => {
  current = name;
};
/** Whatever design is in use when a runtime is made. */
export const switched =
  (real: Design): Design =>
  (machine, hooks) =>
    designsLike(real)[current](machine, hooks);
