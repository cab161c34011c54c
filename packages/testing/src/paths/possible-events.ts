import type { AnyActorRef, AnyEventObject, AnyMachineSnapshot, AnyStateMachine, SnapshotFrom } from 'xstate';
import type { Cases, LiveChild } from './cases.ts';

/**
 * What can happen to a machine in one state: a live child ends or speaks, a delay of an active state is over, an event arrives.
 * Read from the snapshot, so nothing is tried of an actor that does not exist. Nothing can happen to a machine that is done.
 *
 * A child that was spawned is taken for alive until its parent stops it; delayed `raise` and `sendTo` are not seen.
 */
export const possibleEvents = <Machine extends AnyStateMachine>(
  { events = [], settles = {}, tells = {} }: Cases<Machine>,
  snapshot: SnapshotFrom<Machine>,
): AnyEventObject[] => {
  const state: AnyMachineSnapshot = snapshot;
  if (state.status !== 'active') return [];
  const heard: readonly AnyEventObject[] = typeof events === 'function' ? events(snapshot) : events;
  const fromChildren = Object.values<AnyActorRef | undefined>(state.children).flatMap((actor) => {
    if (!actor) return [];
    const child: LiveChild<Machine> = { id: actor.id, snapshot };
    const name = nameOf(actor);
    const said: readonly AnyEventObject[] = tells[name]?.(child) ?? [];
    return [
      ...(settles[name]?.(child) ?? []).map((end) => settled(actor.id, end)),
      ...said.filter((event) => state.can(event)),
    ];
  });
  const delays = state._nodes.flatMap(({ after }) => after.map(({ eventType }) => ({ type: eventType })));
  return [...fromChildren, ...delays, ...heard.filter((event) => state.can(event))];
};

const nameOf = ({ src, id }: AnyActorRef): string => (typeof src === 'string' ? src : id);

const settled = (actorId: string, end: { output: unknown } | { error: unknown }): AnyEventObject => ({
  type: `xstate.${'error' in end ? 'error' : 'done'}.actor.${actorId}`,
  actorId,
  ...end,
});
