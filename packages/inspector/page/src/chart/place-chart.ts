import type { ELK, ElkExtendedEdge, ElkNode } from 'elkjs/lib/elk-api.js';
import type { ChartEdge, ChartState, Machine } from '../../../src/wire.ts';

export type Point = { x: number; y: number };
export type PlacedBox = { state: ChartState; notes: string[]; x: number; y: number; width: number; height: number };
/** Every transition between the same two boxes, as one arrow. */
export type PlacedArrow = {
  id: string;
  edges: ChartEdge[];
  from: string;
  to: string;
  points: Point[];
  /** What it says; only in a detailed chart. */
  label?: Point & { lines: string[] };
};
/** Where a compound state begins: a dot and a line. */
type PlacedStart = Point & { points: Point[] };
/** A machine with coordinates, in CSS pixels from its own top left corner. */
export type PlacedChart = {
  machine: Machine;
  width: number;
  height: number;
  boxes: PlacedBox[];
  arrows: PlacedArrow[];
  starts: PlacedStart[];
};

export const LINE_HEIGHT = 14;
const DOT = 8;
const HEADER = 28;
const MAX_LINES = 5;
/** Widths are guessed: a layout must not depend on fonts that are still loading. */
const titleWidth = (text: string) => text.length * 8.2;
const smallWidth = (text: string) => text.length * 6.2;

/** All states of a machine, outermost first. */
function* statesOf(state: ChartState): Generator<ChartState> {
  yield state;
  for (const inner of state.states) yield* statesOf(inner);
}

/** What a transition answers to, with its guard. */
export const edgeText = ({ label, guard }: ChartEdge): string => (guard ? `${label} [${guard}]` : label);

const firstOf = (lines: string[], max: number): string[] =>
  lines.length > max ? [...lines.slice(0, max - 1), `+${lines.length - max + 1} more`] : lines;

const notesOf = (state: ChartState, machine: Machine, detailed: boolean): string[] => {
  const handled = machine.edges.filter((edge) => edge.from === state.id && edge.to.length === 0).map(edgeText);
  return [
    ...state.invokes.map((name) => `⟳ ${name}`),
    ...(detailed && state.states.length === 0 ? firstOf([...new Set(handled)], 4).map((text) => `↺ ${text}`) : []),
  ];
};

const boxId = (id: string) => `box ${id}`;
const startId = (id: string) => `start ${id}`;

const elkNodeOf = (state: ChartState, machine: Machine, detailed: boolean): ElkNode => {
  const notes = notesOf(state, machine, detailed);
  const width = Math.max(titleWidth(state.key) + 28, ...notes.map((note) => smallWidth(note) + 24), 72);
  if (state.states.length === 0) {
    return { id: boxId(state.id), width, height: HEADER + (notes.length > 0 ? notes.length * LINE_HEIGHT + 6 : 2) };
  }
  return {
    id: boxId(state.id),
    children: [
      ...(state.initial === undefined ? [] : [{ id: startId(state.id), width: DOT, height: DOT }]),
      ...state.states.map((inner) => elkNodeOf(inner, machine, detailed)),
    ],
    layoutOptions: {
      'elk.padding': `[top=${HEADER + 10 + notes.length * LINE_HEIGHT},left=14,bottom=14,right=14]`,
      'elk.nodeSize.constraints': 'MINIMUM_SIZE',
      'elk.nodeSize.minimum': `(${width},60)`,
    },
  };
};

type Arrow = { id: string; from: string; to: string; edges: ChartEdge[] };

const arrowsOf = ({ edges, root }: Machine): Arrow[] => {
  const known = new Set([...statesOf(root)].map(({ id }) => id));
  const arrows = new Map<string, Arrow>();
  for (const edge of edges) {
    for (const to of edge.to) {
      if (!known.has(edge.from) || !known.has(to)) continue;
      const id = `${edge.from} → ${to}`;
      const arrow = arrows.get(id) ?? { id, from: edge.from, to, edges: [] };
      arrow.edges.push(edge);
      arrows.set(id, arrow);
    }
  }
  return [...arrows.values()];
};

const linesOf = ({ edges }: Arrow): string[] => firstOf([...new Set(edges.map(edgeText))], MAX_LINES);

const elkEdgesOf = (machine: Machine, arrows: readonly Arrow[], detailed: boolean): ElkExtendedEdge[] => [
  ...arrows.map((arrow): ElkExtendedEdge => {
    const lines = linesOf(arrow);
    const size = { width: Math.max(...lines.map(smallWidth)) + 6, height: lines.length * LINE_HEIGHT + 2 };
    return {
      id: arrow.id,
      sources: [boxId(arrow.from)],
      targets: [boxId(arrow.to)],
      ...(detailed && { labels: [{ text: lines.join('\n'), ...size }] }),
    };
  }),
  ...[...statesOf(machine.root)].flatMap(({ id, initial, states }) =>
    initial === undefined || states.length === 0
      ? []
      : [{ id: startId(id), sources: [startId(id)], targets: [boxId(initial)] }],
  ),
];

const optionsFor = (direction: string, detailed: boolean) => ({
  'elk.algorithm': 'layered',
  'elk.direction': direction,
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.layered.spacing.nodeNodeBetweenLayers': detailed ? '34' : '22',
  'elk.layered.spacing.edgeNodeBetweenLayers': detailed ? '14' : '9',
  'elk.layered.spacing.edgeEdgeBetweenLayers': detailed ? '10' : '7',
  'elk.spacing.nodeNode': detailed ? '26' : '20',
  'elk.spacing.edgeNode': detailed ? '14' : '9',
  'elk.spacing.edgeEdge': detailed ? '11' : '7',
  'elk.spacing.edgeLabel': '4',
  'elk.layered.mergeEdges': detailed ? 'false' : 'true',
  'elk.layered.considerModelOrder.strategy': 'NODES_AND_EDGES',
  'elk.json.edgeCoords': 'ROOT',
  'elk.json.shapeCoords': 'ROOT',
});

const pointsOf = (edge: ElkExtendedEdge): Point[] =>
  (edge.sections ?? []).flatMap(({ startPoint, bendPoints = [], endPoint }) => [startPoint, ...bendPoints, endPoint]);

function* elkNodes(node: ElkNode): Generator<ElkNode> {
  for (const child of node.children ?? []) {
    yield child;
    yield* elkNodes(child);
  }
}

const read = (machine: Machine, arrows: readonly Arrow[], detailed: boolean, out: ElkNode): PlacedChart => {
  const places = new Map([...elkNodes(out)].map((node) => [node.id, node]));
  const lines = new Map((out.edges ?? []).map((edge) => [edge.id, edge]));
  const states = [...statesOf(machine.root)];
  return {
    machine,
    width: out.width ?? 0,
    height: out.height ?? 0,
    boxes: states.map((state) => {
      const { x = 0, y = 0, width = 0, height = 0 } = places.get(boxId(state.id)) ?? {};
      return { state, notes: notesOf(state, machine, detailed), x, y, width, height };
    }),
    starts: states.flatMap(({ id }) => {
      const dot = places.get(startId(id));
      const line = lines.get(startId(id));
      if (!dot || !line) return [];
      return [{ x: (dot.x ?? 0) + DOT / 2, y: (dot.y ?? 0) + DOT / 2, points: pointsOf(line) }];
    }),
    arrows: arrows.flatMap((arrow) => {
      const line = lines.get(arrow.id);
      if (!line) return [];
      const [label] = line.labels ?? [];
      const said = label && { label: { x: label.x ?? 0, y: label.y ?? 0, lines: linesOf(arrow) } };
      return [{ ...arrow, points: pointsOf(line), ...said }];
    }),
  };
};

/**
 * `detailed`: every arrow says its events, and every box what it answers without leaving, which takes about four times the room.
 * `ratio`: width of the panel divided by its height.
 */
export type PlaceOptions = { detailed: boolean; ratio: number };

/** Lays a chart out, to the right and downwards, and keeps what fills a panel of this shape better. */
export const placeChart = async (
  elk: Pick<ELK, 'layout'>,
  machine: Machine,
  { detailed, ratio }: PlaceOptions,
): Promise<PlacedChart> => {
  const arrows = arrowsOf(machine);
  const ways = await Promise.all(
    ['RIGHT', 'DOWN'].map((direction) =>
      elk.layout({
        id: 'chart',
        layoutOptions: optionsFor(direction, detailed),
        children: [elkNodeOf(machine.root, machine, detailed)],
        edges: elkEdgesOf(machine, arrows, detailed),
      }),
    ),
  );
  const scaleIn = ({ width = 1, height = 1 }: ElkNode) => Math.min(ratio / width, 1 / height);
  const [best] = ways.sort((a, b) => scaleIn(b) - scaleIn(a));
  if (!best) throw new Error(`The chart of "${machine.name}" could not be laid out.`);
  return read(machine, arrows, detailed, best);
};
