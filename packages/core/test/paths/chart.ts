/** The transitions of a chart, by name; `always` included, which no drawing of XState shows. */
import type { AnyStateMachine, AnyTransitionDefinition, StateNode } from 'xstate';

type Node = StateNode<any, any>;

const nameOf = (transition: AnyTransitionDefinition): string => {
  const { source, eventType, guard, target } = transition;
  const among = eventType === '' ? (source.always ?? []) : (source.transitions.get(eventType) ?? []);
  const guarded =
    guard === undefined ? '' : ` [${typeof guard === 'string' ? guard : (guard as { type?: string }).type}]`;
  const to = target?.map(({ key }) => key).join() ?? 'itself';
  return `${source.id}: ${eventType || 'always'} ${among.indexOf(transition as never)}${guarded} → ${to}`;
};

/** Adds the names of transitions that were taken. */
export const takenIn = (transitions: readonly AnyTransitionDefinition[], taken: Set<string>): void => {
  for (const transition of transitions) taken.add(nameOf(transition));
};

const isForbidden = ({ target, actions }: AnyTransitionDefinition): boolean =>
  target === undefined && actions.length === 0;

const nodesOf = (node: Node): Node[] => [
  node,
  ...Object.values(node.states).flatMap((child) => nodesOf(child as Node)),
];

/** Every transition that does something, and those that are there so that nothing happens. */
export const transitionsOf = (machine: AnyStateMachine): { effective: string[]; forbidden: string[] } => {
  const all = nodesOf(machine.root as Node).flatMap((node) => [
    ...[...node.transitions.values()].flat(),
    ...(node.always ?? []),
  ]);
  return {
    effective: all.filter((one) => !isForbidden(one)).map(nameOf),
    forbidden: all.filter(isForbidden).map(nameOf),
  };
};
