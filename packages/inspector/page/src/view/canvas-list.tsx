import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { scheme } from '../theme.ts';

export type Paint = {
  context: CanvasRenderingContext2D;
  width: number;
  height: number;
  /** How far the list is scrolled. */
  top: number;
  left: number;
  /** Colours of the page, by their name in the style sheet. */
  colour: (name: string) => string;
  /** Where the pointer is, in the list. */
  pointer: { x: number; y: number } | undefined;
};

type Props = {
  label: string;
  /** Height of all of it, in pixels. */
  size: number;
  /** Its width, where it may be wider than its panel. */
  wide?: number;
  /** Stays at the end while it grows. */
  follow?: boolean;
  paint: (paint: Paint) => void;
  onPick: (x: number, y: number) => void;
  onWheel?: (event: WheelEvent, x: number) => void;
};

/** A list that is painted: one canvas as large as its panel, over a room as high as the list. */
export const CanvasList = ({ label, size, wide = 0, follow = false, paint, onPick, onWheel }: Props) => {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const pointer = useRef<{ x: number; y: number } | undefined>(undefined);
  const following = useRef(true);
  const [scene, setScene] = useState({ width: 0, height: 0, top: 0, moves: 0 });

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const watch = new ResizeObserver(() =>
      setScene((before) => ({ ...before, width: element.clientWidth, height: element.clientHeight })),
    );
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (follow && following.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [size, follow]);
  useLayoutEffect(() => {
    const element = canvas.current;
    const context = element?.getContext('2d');
    if (!element || !context || scene.width === 0) return;
    const { width, height } = scene;
    const sharp = devicePixelRatio;
    if (element.width !== Math.round(width * sharp)) element.width = Math.round(width * sharp);
    if (element.height !== Math.round(height * sharp)) element.height = Math.round(height * sharp);
    context.setTransform(sharp, 0, 0, sharp, 0, 0);
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(element);
    context.font = style.font;
    context.textBaseline = 'middle';
    const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
    paint({
      context,
      width,
      height,
      top: box.current?.scrollTop ?? 0,
      left: box.current?.scrollLeft ?? 0,
      colour,
      pointer: pointer.current,
    });
  });

  const place = (event: MouseEvent) => {
    const frame = canvas.current?.getBoundingClientRect();
    return {
      x: event.clientX - (frame?.left ?? 0),
      y: event.clientY - (frame?.top ?? 0) + (box.current?.scrollTop ?? 0),
    };
  };
  const again = () => setScene((before) => ({ ...before, moves: before.moves + 1 }));
  return (
    <div
      class="canvas-list"
      data-theme={scheme.value}
      ref={box}
      tabIndex={0}
      role="img"
      aria-label={`${label}. The tab “Events” lists the same as text.`}
      onScroll={(event) => {
        const element = event.currentTarget;
        following.current = element.scrollTop + element.clientHeight >= element.scrollHeight - 24;
        again();
      }}
    >
      <canvas
        ref={canvas}
        style={{ width: `${scene.width}px`, height: `${scene.height}px` }}
        onPointerMove={(event) => {
          pointer.current = place(event);
          again();
        }}
        onPointerLeave={() => {
          pointer.current = undefined;
          again();
        }}
        onClick={(event) => {
          const { x, y } = place(event);
          onPick(x, y);
        }}
        onWheel={(event) => onWheel?.(event, place(event).x)}
      />
      <div
        class="room"
        style={{ height: `${Math.max(size, 1)}px`, width: `${wide}px`, marginTop: `${-scene.height}px` }}
      />
    </div>
  );
};

/** A text cut to a width, with `…` where it goes on. */
export const cutText = (context: CanvasRenderingContext2D, text: string, width: number): string => {
  if (width < 8) return '';
  if (context.measureText(text).width <= width) return text;
  const letters = Math.max(1, Math.floor((text.length * width) / context.measureText(text).width) - 1);
  return `${text.slice(0, letters)}…`;
};

/** A note beside the pointer. */
export const paintNote = ({ context, width, height, top, colour, pointer }: Paint, lines: readonly string[]): void => {
  if (!pointer || lines.length === 0) return;
  const wide = Math.max(...lines.map((line) => context.measureText(line).width)) + 18;
  const high = lines.length * 16 + 10;
  const x = Math.max(2, Math.min(pointer.x + 14, width - wide - 4));
  const y = Math.max(2, Math.min(pointer.y - top + 14, height - high - 4));
  context.fillStyle = colour('raised');
  context.strokeStyle = colour('line-strong');
  context.lineWidth = 1;
  context.beginPath();
  context.roundRect(x, y, wide, high, 6);
  context.fill();
  context.stroke();
  context.textAlign = 'left';
  lines.forEach((line, index) => {
    context.fillStyle = colour(index === 0 ? 'text' : 'dim');
    context.fillText(line, x + 9, y + 13 + index * 16);
  });
};
