/**
 * Paths through machines that invoke, spawn and wait: what `xstate/graph` leaves to its user.
 *
 * The traversal runs guards and assignments, never an action, an actor or a timer. So a path is a list of events to play to a
 * real actor, and the state it should be in after each; whether that is right is for other checks to say.
 */
import type { AnyEventObject, AnyMachineSnapshot, AnyStateMachine, ContextFrom, SnapshotFrom } from 'xstate';
import { getShortestPaths, type StatePath } from 'xstate/graph';
import type { Cases } from './cases.ts';
import { possibleEvents } from './possible-events.ts';

/** A path as `xstate/graph` gives it: its first step is `xstate.init`, each step has the event and the state after it. */
export type Path<Machine extends AnyStateMachine> = StatePath<SnapshotFrom<Machine>, AnyEventObject> & {
  /** The types of its events. */
  description: string;
};

/**
 * The shortest paths that reach every state, or take every transition, of a machine as far as `cases` tell states apart.
 * Paths that are the beginning of another are left out.
 *
 * @param coverage Default `transitions`.
 * @throws Error when the machine has more transitions than `cases.limit`.
 */
export const pathsOf = <Machine extends AnyStateMachine>(
  machine: Machine,
  cases: Cases<Machine>,
  coverage: 'states' | 'transitions' = 'transitions',
): Path<Machine>[] => {
  const { input, limit = 5_000 } = cases;
  const paths = getShortestPaths<AnyStateMachine>(machine, {
    limit,
    events: (snapshot) => possibleEvents(cases, snapshot as SnapshotFrom<Machine>),
    serializeEvent: eventKey,
    serializeState: (state, event, before) => {
      const reached = keyOf(cases, state as SnapshotFrom<Machine>);
      if (coverage === 'states' || !event || !before) return reached;
      return `${reached} <- ${eventKey(event)} <- ${keyOf(cases, before as SnapshotFrom<Machine>)}`;
    },
    ...(input !== undefined && { input }),
  }) as StatePath<SnapshotFrom<Machine>, AnyEventObject>[];
  return withoutBeginnings(paths).map((path) => ({ ...path, description: describe(path) }));
};

/** What tells two states of a machine apart: its state value, its status, and what `cases.abstract` sees in its context. */
export const keyOf = <Machine extends AnyStateMachine>(
  { abstract = (context) => context }: Pick<Cases<Machine>, 'abstract'>,
  snapshot: SnapshotFrom<Machine>,
): string => {
  const { value, status, context }: AnyMachineSnapshot = snapshot;
  return JSON.stringify([value, status, abstract(context as ContextFrom<Machine>, snapshot)]);
};

/** Errors have no JSON of their own: without this, two of them would be one event. */
const eventKey = (event: AnyEventObject): string =>
  JSON.stringify(event, (_key, value: unknown) => (value instanceof Error ? `${value.name}: ${value.message}` : value));

const withoutBeginnings = <P extends { steps: readonly { event: AnyEventObject }[] }>(paths: readonly P[]): P[] => {
  const keyed = paths.map((path) => ({ path, keys: path.steps.map(({ event }) => eventKey(event)) }));
  const beginnings = new Set(
    keyed.flatMap(({ keys }) => keys.slice(1).map((_, index) => keys.slice(0, index + 1).join())),
  );
  const seen = new Set<string>();
  return keyed.flatMap(({ path, keys }) => {
    const whole = keys.join();
    if (beginnings.has(whole) || seen.has(whole)) return [];
    seen.add(whole);
    return [path];
  });
};

const describe = ({ steps }: { steps: readonly { event: AnyEventObject }[] }): string =>
  steps.map(({ event }) => event.type).join(' → ');
