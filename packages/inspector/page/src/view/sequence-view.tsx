import { useSignal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import { forest, goTo, happenings, moment, seen, select, selectedLine } from '../app.ts';
import { timeText } from '../model/words.ts';
import { type Lane, type Message, sequenceOf } from '../timeline/lanes.ts';
import { CanvasList, cutText, type Paint, paintNote } from './canvas-list.tsx';

const ROW = 24;
const HEAD = 36;
const TIMES = 92;
const NARROW = 92;

/** Who said what to whom, from top to bottom. */
export const SequenceView = () => {
  const whole = useSignal(false);
  const line = selectedLine();
  const told = happenings(line?.rootId);
  const until = moment.value?.rootSeq ?? Number.POSITIVE_INFINITY;
  const only = whole.value ? undefined : line?.id;
  const { lanes, messages } = useMemo(() => {
    const names = new Map<string, string>();
    for (const { rowId } of told)
      if (!names.has(rowId)) names.set(rowId, seen().forest.lines.get(rowId)?.name ?? rowId);
    for (const [id, one] of forest().lines) if (one.rootId === line?.rootId) names.set(id, one.name);
    return sequenceOf(
      told.filter(({ rootSeq }) => rootSeq <= until),
      names,
      only,
    );
  }, [told, told.length, told.at(-1)?.id, only, until, forest().shape]);
  if (!line) return <p class="empty">Choose a run.</p>;

  const paint = (scene: Paint) => {
    const { context, width, height, top, left, colour, pointer } = scene;
    const gap = Math.max(NARROW, (width - TIMES - 20) / Math.max(1, lanes.length));
    const x = (lane: number) => TIMES + gap * (lane + 0.5) - left;
    const first = Math.max(0, Math.floor((top - HEAD) / ROW));
    const last = Math.min(messages.length, first + Math.ceil(height / ROW) + 1);
    const hovered = pointer && pointer.y - top > HEAD ? Math.floor((pointer.y - HEAD) / ROW) : -1;
    for (let index = first; index < last; index += 1) {
      const message = messages[index];
      if (message) paintMessage(scene, message, HEAD + index * ROW + ROW / 2 - top, x, gap, index === hovered);
    }
    paintLanes(scene, lanes, x, gap);
    const one = messages[hovered]?.happening;
    if (one)
      paintNote(scene, [
        `${one.type}${one.text ? `: ${one.text}` : ''}`,
        `${timeText(one.at)} · event ${one.rootSeq} of the tree`,
      ]);
    if (lanes.length === 0) {
      context.fillStyle = colour('dim');
      context.textAlign = 'center';
      context.fillText('Nothing has happened yet.', width / 2, height / 2);
    }
  };

  return (
    <div class="painted">
      <CanvasList
        label={`Sequence of ${messages.length} messages between ${lanes.length} lanes`}
        size={HEAD + messages.length * ROW + 12}
        wide={TIMES + lanes.length * NARROW}
        follow={moment.value === null}
        paint={paint}
        onPick={(_, y) => {
          const one = messages[Math.floor((y - HEAD) / ROW)]?.happening;
          if (!one) return;
          if (seen().forest.lines.has(one.rowId)) select(one.rowId);
          goTo(one.rootSeq);
        }}
      />
      <div class="tools">
        <button type="button" aria-pressed={whole.value} onClick={() => (whole.value = !whole.value)}>
          Whole tree
        </button>
      </div>
    </div>
  );
};

const paintLanes = (
  { context, width, height, colour }: Paint,
  lanes: readonly Lane[],
  x: (lane: number) => number,
  gap: number,
) => {
  context.fillStyle = colour('panel');
  context.fillRect(0, 0, width, HEAD - 6);
  context.fillStyle = colour('line');
  context.fillRect(0, HEAD - 6, width, 1);
  lanes.forEach((lane, index) => {
    context.save();
    context.globalCompositeOperation = 'destination-over';
    context.fillStyle = colour('line');
    context.fillRect(Math.round(x(index)), HEAD - 6, 1, height);
    context.restore();
    context.textAlign = 'center';
    context.fillStyle = colour('text');
    context.fillText(cutText(context, lane.name, gap - 12), x(index), 15);
  });
};

const toneOf = (type: string): string => {
  if (/failed|refused|exhausted/.test(type)) return 'bad';
  if (/question|paused|warned|warning|interrupted/.test(type)) return 'warn';
  if (type.startsWith('call.')) return 'teal';
  if (type.startsWith('turn.')) return 'accent';
  return type === 'run.completed' ? 'good' : 'dim';
};

/** Letters are drawn where the line is seen. */
const paintMessage = (
  scene: Paint,
  message: Message,
  y: number,
  x: (lane: number) => number,
  gap: number,
  hovered: boolean,
) => {
  const { context, width, colour } = scene;
  if (hovered) {
    context.fillStyle = colour('chosen');
    context.fillRect(0, y - ROW / 2, width, ROW);
  }
  context.textAlign = 'left';
  context.fillStyle = colour('dim');
  context.fillText(timeText(message.happening.at), 10, y);
  context.save();
  context.beginPath();
  context.rect(TIMES - 10, 0, width, y + ROW);
  context.clip();
  paintArrow(scene, message, y, x, gap);
  context.restore();
};

const paintArrow = (
  { context, width, colour }: Paint,
  { happening, from, to }: Message,
  y: number,
  x: (lane: number) => number,
  gap: number,
) => {
  const text = happening.text ? `${happening.type}  ${happening.text}` : happening.type;
  const [a, b] = [x(from), x(to)];
  context.strokeStyle = context.fillStyle = colour(toneOf(happening.type));
  context.lineWidth = 1.25;
  context.beginPath();
  if (from === to) {
    context.arc(a, y, 4, 0, 7);
    context.fill();
    context.fillStyle = colour('text');
    context.fillText(cutText(context, text, Math.max(gap - 16, width - a - 24)), a + 10, y);
    return;
  }
  const way = Math.sign(b - a);
  context.moveTo(a, y + 6);
  context.lineTo(b - way * 5, y + 6);
  context.stroke();
  context.beginPath();
  context.moveTo(b, y + 6);
  context.lineTo(b - way * 7, y + 2.5);
  context.lineTo(b - way * 7, y + 9.5);
  context.fill();
  const first = Math.max(TIMES, Math.min(a, b));
  const last = Math.min(width, Math.max(a, b));
  context.textAlign = 'center';
  context.fillStyle = colour('text');
  context.fillText(cutText(context, text, last - first - 16), (first + last) / 2, y - 3);
};
