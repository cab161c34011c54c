/**
 * State first, effects second: after each step, what the machine put into its outbox is taken and recorded, before XState
 * carries out a single effect of that step. Then the outbox goes out, ahead of what the step starts and stops: who is about to be
 * stopped still hears it. The outbox of a snapshot that anybody sees is empty.
 */
import type { AnyActorRef, AnyEventObject, AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import type { AgentContext, Outbox } from '../agent/context.ts';
import { type Scope, shortLived } from './short-lived.ts';

/** What every outbox is between steps. */
export const emptyOutbox: Outbox = Object.freeze({ events: [], messages: [], orders: [], notes: [] });

/** Takes what a step left in the outbox; `null` when it left nothing. */
export const takeOutbox = (snapshot: AnyMachineSnapshot): Outbox | null => {
  const { run } = snapshot.context as AgentContext;
  const { outbox } = run;
  const { events, messages, orders, notes } = outbox;
  if (events.length === 0 && messages.length === 0 && orders.length === 0 && notes.length === 0) return null;
  run.outbox = emptyOutbox;
  return outbox;
};

/** What XState itself sends by: `send` would leave out who it is from, and inspectors show messages by that. */
type System = { _relay(from: AnyActorRef, to: AnyActorRef, event: AnyEventObject): void };

/** Sends what a step left for others: in the name of the run, as if its machine had. */
const sendOut = ({ orders, notes }: Outbox, { children }: AnyMachineSnapshot, { self, system, defer }: Scope): void => {
  const send = (to: AnyActorRef | undefined, event: AnyEventObject) =>
    to && (system as unknown as System)._relay(self, to, event);
  if (orders.length > 0) defer(() => send(children.crew as AnyActorRef, { type: 'crew.orders', orders }));
  for (const note of notes) defer(() => send((self as AnyActorRef)._parent, note));
};

/**
 * Wraps a machine whose context has an outbox.
 *
 * @param unheard What the machine is to hear before an event: facts that matter only if something else happens first.
 * @param record Called after each step, and gives back what it took from the outbox.
 */
export const recorded = <M extends AnyStateMachine>(
  machine: M,
  unheard: (event: AnyEventObject, snapshot: AnyMachineSnapshot) => AnyEventObject | undefined,
  record: (event: AnyEventObject, snapshot: AnyMachineSnapshot) => Outbox | null,
): M => {
  const step = (snapshot: AnyMachineSnapshot, event: AnyEventObject, scope: Scope): AnyMachineSnapshot => {
    const effects: (() => void)[] = [];
    const next = shortLived(
      scope,
      (held) => machine.transition(snapshot, event, held as never) as AnyMachineSnapshot,
      (effect) => effects.push(effect),
    );
    const outbox = next === snapshot ? null : record(event, next);
    if (outbox) sendOut(outbox, next, scope);
    for (const effect of effects) scope.defer(effect);
    return next;
  };
  return Object.assign(Object.create(machine) as M, {
    getInitialSnapshot: (scope: Scope, input: unknown) =>
      shortLived(scope, (held) => machine.getInitialSnapshot(held as never, input as never)),
    transition: (snapshot: AnyMachineSnapshot, event: AnyEventObject, scope: Scope) => {
      const first = unheard(event, snapshot);
      return step(first ? step(snapshot, first, scope) : snapshot, event, scope);
    },
  });
};
