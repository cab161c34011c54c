import type { AnyStateMachine } from 'xstate';
import { chartOf } from '../chart/chart-of.ts';
import type { ChartEdge, ChartState, Machine } from '../wire.ts';
import { mermaidText } from './mermaid-text.ts';

/**
 * An XState machine as a Mermaid state diagram: its states, nested and parallel ones, and its transitions with their guards, those that are
 * taken at once (`always`) and after a time included. Transitions that lead nowhere only act, and are left out.
 */
export const toMermaidChart = (machine: AnyStateMachine): string => {
  const chart = chartOf(machine);
  const names = namesOf(chart);
  return [
    'stateDiagram-v2',
    // Regions side by side are drawn in a state alone.
    ...indent(chart.root.type === 'parallel' ? stateOf(chart.root, names) : insideOf(chart.root, names)),
    ...indent(transitionsOf(chart, names)),
    '',
  ].join('\n');
};

type Names = ReadonlyMap<string, string>;

const statesIn = (state: ChartState): ChartState[] => [state, ...state.states.flatMap(statesIn)];
const namesOf = ({ root }: Machine): Names => new Map(statesIn(root).map(({ id }, n) => [id, `s${n}`]));
const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

const stateOf = (state: ChartState, names: Names): string[] => {
  const name = names.get(state.id) ?? '';
  const label = `state "${mermaidText(state.key) || '-'}" as ${name}`;
  if (state.states.length === 0) return state.type === 'final' ? [label, `${name} --> [*]`] : [label];
  return [`${label} {`, ...indent(insideOf(state, names)), '}'];
};

const insideOf = (state: ChartState, names: Names): string[] => {
  const initial = state.initial === undefined ? undefined : names.get(state.initial);
  const regions = state.states.map((child) => stateOf(child, names));
  if (state.type === 'parallel') return regions.flatMap((lines, n) => (n === 0 ? lines : ['--', ...lines]));
  return [...(initial === undefined ? [] : [`[*] --> ${initial}`]), ...regions.flat()];
};

/** All that leads from one state to another is one arrow. One from the machine as a whole leaves each state of its first level that is not final. */
const transitionsOf = ({ root, edges }: Machine, names: Names): string[] => {
  const arrows = new Map<string, string[]>();
  const open = root.states.flatMap(({ id, type }) => (type === 'final' ? [] : [id]));
  for (const edge of edges) {
    const sources = edge.from === root.id ? open : [edge.from];
    for (const from of sources)
      for (const to of edge.to) {
        const arrow = `${names.get(from)} --> ${names.get(to)}`;
        arrows.set(arrow, [...(arrows.get(arrow) ?? []), labelOf(edge)]);
      }
  }
  return [...arrows].map(([arrow, labels]) => `${arrow} : ${[...new Set(labels)].join(' / ')}`);
};

const labelOf = ({ label, guard }: ChartEdge): string =>
  mermaidText(guard === undefined ? label : `${label} (${guard})`);
