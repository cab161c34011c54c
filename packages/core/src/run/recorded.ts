/**
 * State first, effects second: after each step, what the machine put into its outbox is taken and recorded, before XState
 * carries out a single effect of that step. The outbox of a snapshot that anybody sees is empty.
 */
import type { AnyEventObject, AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import type { RunContext } from '../agent/context.ts';

const emptyOutbox: RunContext['outbox'] = Object.freeze({ events: [], messages: [] });

/** Takes what a step left in the outbox; `null` when it left nothing. */
export const takeOutbox = (snapshot: AnyMachineSnapshot): RunContext['outbox'] | null => {
  const context = snapshot.context as RunContext;
  const { outbox } = context;
  if (outbox.events.length === 0 && outbox.messages.length === 0) return null;
  context.outbox = emptyOutbox;
  return outbox;
};

/** Wraps a machine whose context has an outbox. */
export const recorded = <M extends AnyStateMachine>(
  machine: M,
  record: (event: AnyEventObject, snapshot: AnyMachineSnapshot) => void,
): M =>
  Object.assign(Object.create(machine) as M, {
    transition: (snapshot: never, event: never, scope: unknown) => {
      const next = machine.transition(snapshot, event, scope as never) as AnyMachineSnapshot;
      if (next !== snapshot) record(event, next);
      return next;
    },
  });
