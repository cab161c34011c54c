import { middleOf, pathOf } from '../chart/path-of.ts';
import { edgeText, LINE_HEIGHT, type PlacedArrow, type PlacedBox, type PlacedChart } from '../chart/place-chart.ts';

type Lit = { active: ReadonlySet<string>; edges: ReadonlySet<string> };

/** A statechart: boxes, arrows, what is active and what was taken last. */
export const ChartDrawing = ({ chart, lit }: { chart: PlacedChart; lit: Lit }) => {
  const taken = chart.arrows.filter((arrow) => arrow.edges.some(({ id }) => lit.edges.has(id)));
  const others = chart.arrows.filter((arrow) => !taken.includes(arrow));
  return (
    <>
      <defs>
        {['plain', 'lit'].map((name) => (
          <marker
            key={name}
            id={`arrow-${name}`}
            class={`tip ${name}`}
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerUnits="userSpaceOnUse"
            markerWidth={name === 'lit' ? 11 : 8}
            markerHeight={name === 'lit' ? 11 : 8}
            orient="auto-start-reverse"
          >
            <path d="M0,0.500 8,4 0,7.500Z" />
          </marker>
        ))}
      </defs>
      {chart.boxes.map((box) => (
        <Box key={box.state.id} box={box} active={lit.active.has(box.state.id)} />
      ))}
      {chart.starts.map((start) => (
        <g key={`${start.x} ${start.y}`} class="start">
          <circle cx={start.x} cy={start.y} r="4" />
          <path d={pathOf(start.points)} marker-end="url(#arrow-plain)" />
        </g>
      ))}
      {others.map((arrow) => (
        <Arrow key={arrow.id} arrow={arrow} lit={lit} />
      ))}
      {taken.map((arrow) => (
        <Arrow key={arrow.id} arrow={arrow} lit={lit} taken />
      ))}
    </>
  );
};

const Box = ({ box: { state, notes, x, y, width, height }, active }: { box: PlacedBox; active: boolean }) => (
  <g class={`box ${state.type}${active ? ' active' : ''}`} data-state={state.id}>
    <title>
      {[
        state.id,
        state.description,
        ...state.entry.map((name) => `entry: ${name}`),
        ...state.exit.map((name) => `exit: ${name}`),
      ]
        .filter(Boolean)
        .join('\n')}
    </title>
    <rect x={x} y={y} width={width} height={height} rx="8" />
    {state.type === 'final' && (
      <rect class="inner" x={x + 3} y={y + 3} width={width - 6} height={height - 6} rx="5.5" />
    )}
    <text x={x + 12} y={y + 19.5}>
      {state.key}
    </text>
    {notes.map((note, index) => (
      <text key={note} class="note" x={x + 12} y={y + 36 + index * LINE_HEIGHT}>
        {note}
      </text>
    ))}
  </g>
);

/** A piece of a line on which a few letters have room. */
const ROOM = 56;

const Arrow = ({ arrow, lit, taken = false }: { arrow: PlacedArrow; lit: Lit; taken?: boolean }) => {
  const said = arrow.edges.filter(({ id }) => lit.edges.has(id)).map(edgeText);
  const at = middleOf(arrow.points);
  return (
    <g class={`arrow${taken ? ' taken' : ''}`}>
      <title>{arrow.edges.map(edgeText).join('\n')}</title>
      <path class="reach" d={pathOf(arrow.points)} />
      <path d={pathOf(arrow.points)} marker-end={`url(#arrow-${taken ? 'lit' : 'plain'})`} />
      {arrow.label?.lines.map((line, index) => (
        <text key={line} x={(arrow.label?.x ?? 0) + 3} y={(arrow.label?.y ?? 0) + 11 + index * LINE_HEIGHT}>
          {line}
        </text>
      ))}
      {taken &&
        !arrow.label &&
        at.length > ROOM &&
        said.map((line, index) => (
          <text
            key={line}
            class="said"
            x={at.x}
            y={at.y - 5 - (said.length - 1 - index) * LINE_HEIGHT}
            text-anchor="middle"
          >
            {line}
          </text>
        ))}
    </g>
  );
};
