/**
 * Keeps L1 and L2 for any machine: it begins once, and ends once, however it ends.
 *
 * XState ends an actor in three ways (done, stopped, error), and each notifies the actor's observers exactly once. So the end is
 * derived from one observer that the logic subscribes on itself when it starts. Two cases are repaired:
 * - done or broken on creation: XState skips `start`, so a stand-in snapshot that ends itself on start takes its place;
 * - an action, guard or assign that throws: XState leaves the children running, so they are stopped before the end is told.
 */
import type { ActorScope, AnyActorRef, AnyEventObject, AnyMachineSnapshot, AnyStateMachine } from 'xstate';

export type Ending = { how: 'done' | 'stopped' } | { how: 'error'; error: unknown };

export type LifecycleHooks = {
  /** Before the first effect. */
  begun(self: AnyActorRef, snapshot: AnyMachineSnapshot): void;
  /** After the last; every child has ended. */
  ended(self: AnyActorRef, snapshot: AnyMachineSnapshot, ending: Ending): void;
};

type Scope = ActorScope<AnyMachineSnapshot, AnyEventObject>;

const END = 'troupe.end';

/** Wraps a machine. Usable alone: it needs neither a store nor a runtime. */
export const lifecycle = <M extends AnyStateMachine>(machine: M, hooks: LifecycleHooks): M => {
  const ends = new WeakMap<object, AnyMachineSnapshot>();
  const standIn = (snapshot: AnyMachineSnapshot): AnyMachineSnapshot => {
    if (snapshot.status === 'active') return snapshot;
    const stand = Object.assign(Object.create(Object.getPrototypeOf(snapshot)), snapshot, {
      status: 'active',
      output: undefined,
      error: undefined,
    }) as AnyMachineSnapshot;
    ends.set(stand, snapshot);
    return stand;
  };
  return Object.assign(Object.create(machine) as M, {
    getInitialSnapshot: (scope: Scope, input: unknown) =>
      standIn(machine.getInitialSnapshot(scope as never, input as never)),
    restoreSnapshot: (persisted: never, scope: Scope) => standIn(machine.restoreSnapshot(persisted, scope as never)),
    transition: (snapshot: AnyMachineSnapshot, event: AnyEventObject, scope: Scope) =>
      (event.type === END && ends.get(snapshot)) ||
      machine.transition(snapshot as never, event as never, scope as never),
    start: (snapshot: AnyMachineSnapshot, scope: Scope) => {
      const { self } = scope;
      const last = () => self.getSnapshot();
      self.subscribe({
        error: (error: unknown) => {
          for (const child of Object.values(last().children ?? {})) if (child) scope.stopChild(child as AnyActorRef);
          hooks.ended(self, last(), { how: 'error', error });
        },
        complete: () => hooks.ended(self, last(), { how: last().status === 'done' ? 'done' : 'stopped' }),
      });
      hooks.begun(self, snapshot);
      if (ends.has(snapshot)) self.send({ type: END });
      else (machine.start as (snapshot: unknown, scope: unknown) => void)(snapshot, scope);
    },
  });
};
