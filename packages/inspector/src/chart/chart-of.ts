/** Machines as they can be drawn, read from the states themselves: XState's own definitions leave `always` out. */
import type { AnyStateMachine, AnyTransitionDefinition, StateNode } from 'xstate';
import type { ChartEdge, ChartState, Machine } from '../wire.ts';

// biome-ignore lint/suspicious/noExplicitAny: a state of any machine
type Node = StateNode<any, any>;

const nameOf = (named: unknown): string => {
  if (typeof named === 'string') return named;
  if (typeof named === 'function') return named.name || 'inline';
  const { type } = (named ?? {}) as { type?: unknown };
  return typeof type === 'string' && type !== '' ? type : 'inline';
};

/** How XState sets and clears the timers of `after`: that is drawn as a transition. */
const isTimer = (action: unknown): boolean => {
  const { event, sendId } = action as { event?: { type?: unknown }; sendId?: unknown };
  return [event?.type, sendId].some((id) => typeof id === 'string' && id.startsWith('xstate.after.'));
};
const namesOf = (actions: readonly unknown[]): string[] => actions.filter((each) => !isTimer(each)).map(nameOf);

const stateOf = (node: Node): ChartState => {
  const initial = node.type === 'compound' ? (node.initial?.target as Node[] | undefined)?.[0]?.id : undefined;
  return {
    id: node.id,
    key: node.key,
    type: node.type,
    ...(initial !== undefined && { initial }),
    ...(node.description && { description: node.description }),
    invokes: node.invoke.map(({ id, src }) => (typeof src === 'string' && !src.startsWith('xstate.') ? src : id)),
    entry: namesOf(node.entry),
    exit: namesOf(node.exit),
    states: Object.values(node.states).map((child) => stateOf(child as Node)),
  };
};

/** What a transition answers to, in a few words. */
const labelOf = (eventType: string): string => {
  if (eventType === '') return 'always';
  const after = /^xstate\.after\.([^.]+)\./.exec(eventType);
  if (after) return `after ${after[1]}`;
  const actor = /^xstate\.(done|error)\.actor\.(.+)$/.exec(eventType);
  if (actor) return `${actor[1]} ${actor[2]}`;
  return eventType.startsWith('xstate.done.state.') ? 'done' : eventType;
};

const among = ({ source, eventType }: AnyTransitionDefinition): readonly unknown[] =>
  (eventType === '' ? source.always : source.transitions.get(eventType)) ?? [];

/** The id of the edge that a transition is drawn as: the same for the same machine, every time. */
export const edgeIdOf = (transition: AnyTransitionDefinition): string =>
  `${transition.source.id}|${transition.eventType}|${among(transition).indexOf(transition)}`;

/** One that is there so that nothing happens. */
const isForbidden = ({ target, actions }: AnyTransitionDefinition): boolean =>
  target === undefined && actions.length === 0;

const edgesOf = (node: Node): ChartEdge[] => {
  const own = [...[...node.transitions.values()].flat(), ...(node.always ?? [])] as AnyTransitionDefinition[];
  return [
    ...own
      .filter((each) => !isForbidden(each))
      .map((each) => ({
        id: edgeIdOf(each),
        from: node.id,
        to: (each.target ?? []).map(({ id }) => id),
        label: labelOf(each.eventType),
        ...(each.guard !== undefined && { guard: nameOf(each.guard) }),
        actions: each.actions.map(nameOf),
      })),
    ...Object.values(node.states).flatMap((child) => edgesOf(child as Node)),
  ];
};

/** @param id The same for the same machine. */
export const chartOf = (machine: AnyStateMachine, id: string = machine.id): Machine => ({
  id,
  name: machine.id,
  root: stateOf(machine.root as Node),
  edges: edgesOf(machine.root as Node),
});

/** Ids of the states that are active: outer ones first. */
export const activeIn = ({ _nodes }: { _nodes: readonly Pick<Node, 'id' | 'order'>[] }): string[] =>
  _nodes.toSorted((a, b) => a.order - b.order).map(({ id }) => id);
