import { useMemo, useRef, useState } from 'preact/hooks';
import {
  folded,
  forest,
  goTo,
  happenings,
  isPast,
  moment,
  seen,
  select,
  selected,
  selectedLine,
  shownNow,
} from '../app.ts';
import { noFilter, treeRows } from '../model/tree-rows.ts';
import { spanText, timeText } from '../model/words.ts';
import { ROOTS } from '../model/world.ts';
import { type Span, spansOf, tickSteps } from '../timeline/spans.ts';
import { CanvasList, cutText, type Paint, paintNote } from './canvas-list.tsx';

const ROW = 22;
const HEAD = 26;
const NAMES = 150;
const EDGE = 14;

const COLOURS: Record<Span['kind'], string> = {
  thinking: 'accent',
  calling: 'teal',
  waiting: 'warn',
};
const SPOTS = { done: 'good', failed: 'bad', stopped: 'dim', warned: 'warn' } as const;
const WORDS = { thinking: 'model', calling: 'tool', waiting: 'waits' } as const;

/** What the runs of a tree did, and when. */
export const TimelineView = () => {
  const line = selectedLine();
  const rootId = line?.rootId;
  const told = happenings(rootId);
  const { spans, spots, from, to } = useMemo(() => spansOf(told), [rootId, told, told.length, told.at(-1)?.id]);
  const rows = useMemo(() => rowsOf(rootId), [rootId, forest().shape, folded.value, moment.value?.rootSeq]);
  // What part of the time is seen, as shares of all of it.
  const [part, setPart] = useState({ from: 0, to: 1 });
  const drag = useRef(0);
  if (!line || rootId === undefined) return <p class="empty">Choose a run.</p>;

  const ended = seen().forest.lines.get(rootId)?.endedAt !== undefined;
  const end = Math.max(from + 1, ended ? to : Math.max(to, isPast.value ? to : shownNow.value));
  const start = from + part.from * (end - from);
  const stop = from + part.to * (end - from);
  const scaleOf = (width: number) => (width - NAMES - EDGE) / Math.max(1, stop - start);

  const paint = (scene: Paint) => {
    drag.current = scene.width;
    const x = (at: number) => NAMES + (at - start) * scaleOf(scene.width);
    const first = Math.max(0, Math.floor((scene.top - HEAD) / ROW));
    const places = new Map(
      rows.slice(first, first + Math.ceil(scene.height / ROW) + 2).map((row, index) => [row.id, first + index]),
    );
    paintLines(scene, start, stop, from, x);
    paintRows(scene, rows, places, x, end);
    const under = paintSpans(scene, spans, places, x, end);
    const { context, colour, top, height, width } = scene;
    for (const spot of spots) {
      const place = places.get(spot.rowId);
      const at = x(spot.at);
      if (place === undefined || at < NAMES || at > width) continue;
      context.fillStyle = colour(SPOTS[spot.kind]);
      context.beginPath();
      context.arc(at, HEAD + place * ROW + ROW / 2 - top, 4, 0, 7);
      context.fill();
    }
    const now = moment.value && told.findLast(({ rootSeq }) => rootSeq <= (moment.value?.rootSeq ?? 0));
    if (now) {
      context.fillStyle = colour('accent');
      context.fillRect(x(now.at), 0, 1.5, height);
      // What came later is there, but not now.
      context.globalAlpha = 0.66;
      context.fillStyle = colour('panel');
      context.fillRect(Math.max(NAMES, x(now.at) + 1.5), HEAD - 6, width, height);
      context.globalAlpha = 1;
    }
    if (under)
      paintNote(scene, [
        `${WORDS[under.kind]}${under.text ? `: ${under.text}` : ''}`,
        `${timeText(under.from)} · ${spanText((under.to ?? end) - under.from)}${under.to === undefined ? ' so far' : ''}`,
      ]);
  };

  return (
    <div class="painted">
      <Legend />
      <CanvasList
        label={`Timeline of ${rows.length} runs`}
        size={HEAD + rows.length * ROW + 8}
        paint={paint}
        onPick={(x, y) => {
          const row = rows[Math.floor((y - HEAD) / ROW)];
          if (x < NAMES) {
            if (row) select(row.id);
            return;
          }
          const at = start + (x - NAMES) / scaleOf(drag.current);
          const there = told.findLast((one) => one.at <= at);
          if (there) goTo(there.rootSeq);
        }}
        onWheel={(event, x) => {
          if (!event.ctrlKey && !event.metaKey && Math.abs(event.deltaX) < Math.abs(event.deltaY)) return;
          event.preventDefault();
          setPart((before) =>
            event.ctrlKey || event.metaKey
              ? zoomed(before, Math.exp(event.deltaY / 300), (x - NAMES) / Math.max(1, drag.current - NAMES - EDGE))
              : moved(before, event.deltaX / 1_000),
          );
        }}
      />
      <div class="tools">
        <button type="button" onClick={() => setPart((before) => zoomed(before, 0.5, 0.5))}>
          Zoom in
        </button>
        <button type="button" onClick={() => setPart((before) => zoomed(before, 2, 0.5))}>
          Zoom out
        </button>
        <button type="button" onClick={() => setPart((before) => moved(before, -0.25))}>
          Earlier
        </button>
        <button type="button" onClick={() => setPart((before) => moved(before, 0.25))}>
          Later
        </button>
      </div>
    </div>
  );
};

type Part = { from: number; to: number };
const zoomed = ({ from, to }: Part, factor: number, at: number): Part => {
  const middle = from + (to - from) * at;
  const size = Math.min(1, (to - from) * factor);
  const begin = Math.max(0, Math.min(1 - size, middle - size * at));
  return { from: begin, to: begin + size };
};
const moved = ({ from, to }: Part, by: number): Part => {
  const shift = Math.max(-from, Math.min(1 - to, by * (to - from)));
  return { from: from + shift, to: to + shift };
};

type TimeRow = { id: string; name: string; depth: number };
const rowsOf = (rootId: string | undefined): TimeRow[] => {
  const root = rootId === undefined ? undefined : forest().lines.get(rootId);
  if (!root) return [];
  const tree = { ...forest(), below: new Map(forest().below).set(ROOTS, [root.id]) };
  return treeRows(tree, noFilter, folded.value)
    .filter(({ line }) => line.rootId === rootId)
    .map(({ line, depth }) => ({ id: line.id, name: line.name, depth }));
};

const Legend = () => (
  <ul class="legend" aria-hidden="true">
    {(['thinking', 'calling', 'waiting'] as const).map((kind) => (
      <li key={kind} class={kind}>
        {WORDS[kind]}
      </li>
    ))}
    <li class="hint">click goes there · Ctrl + wheel zooms</li>
  </ul>
);

const paintLines = (
  { context, width, height, colour }: Paint,
  start: number,
  stop: number,
  from: number,
  x: (at: number) => number,
) => {
  const every = tickSteps(stop - start, (width - NAMES) / 110);
  context.textAlign = 'left';
  for (let at = from + Math.ceil((start - from) / every) * every; at <= stop; at += every) {
    context.fillStyle = colour('line');
    context.fillRect(Math.round(x(at)), HEAD - 6, 1, height);
    context.fillStyle = colour('dim');
    const label = at === from ? 'start' : `+${spanText(at - from).replace(/ 0 \w+$/, '')}`;
    if (x(at) + 4 + context.measureText(label).width <= width) context.fillText(label, x(at) + 4, 12);
  }
};

/** Names, and for how long each run has been there. */
const paintRows = (
  { context, width, top, colour }: Paint,
  rows: readonly TimeRow[],
  places: ReadonlyMap<string, number>,
  x: (at: number) => number,
  end: number,
) => {
  for (const [id, place] of places) {
    const row = rows[place];
    const y = HEAD + place * ROW - top;
    if (!row) continue;
    if (id === selected.value) {
      context.fillStyle = colour('chosen');
      context.fillRect(0, y, width, ROW);
    }
    context.textAlign = 'left';
    context.fillStyle = colour('text');
    const indent = 10 + Math.min(row.depth, 6) * 10;
    context.fillText(cutText(context, row.name, NAMES - indent - 8), indent, y + ROW / 2);
    const line = forest().lines.get(id);
    const left = Math.max(NAMES, x(line?.createdAt ?? end));
    const right = Math.min(width, x(line?.endedAt ?? end));
    context.fillStyle = colour('line-strong');
    if (right > left) context.fillRect(left, y + ROW / 2 - 1, right - left, 2);
  }
};

/** Draws the bars, and gives the one that the pointer is on. */
const paintSpans = (
  { context, width, top, colour, pointer }: Paint,
  spans: readonly Span[],
  places: ReadonlyMap<string, number>,
  x: (at: number) => number,
  end: number,
): Span | undefined => {
  let under: Span | undefined;
  for (const span of spans) {
    const place = places.get(span.rowId);
    if (place === undefined) continue;
    const left = Math.max(NAMES, x(span.from));
    const right = Math.min(width, x(span.to ?? end));
    if (right < NAMES || left > width) continue;
    const y = HEAD + place * ROW - top + 4;
    const high = ROW - 8;
    const wide = Math.max(2, right - left - 1);
    context.fillStyle = colour(COLOURS[span.kind]);
    context.beginPath();
    context.roundRect(left, y, wide, high, 2.5);
    context.fill();
    if (wide > 40) {
      context.fillStyle = colour('on-accent');
      context.textAlign = 'left';
      context.fillText(cutText(context, span.text || WORDS[span.kind], wide - 10), left + 5, y + high / 2 + 0.5);
    }
    if (
      pointer &&
      pointer.x >= left &&
      pointer.x <= left + wide &&
      pointer.y - top >= y - 2 &&
      pointer.y - top <= y + high + 2
    )
      under = span;
  }
  return under;
};
