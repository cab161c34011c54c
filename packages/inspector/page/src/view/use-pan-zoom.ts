import { useEffect, useRef, useState } from 'preact/hooks';

/** How a drawing lies in its panel: enlarged by `scale`, then moved. */
export type View = { scale: number; x: number; y: number };

type Size = { width: number; height: number };
const MARGIN = 16;
/** Room for the tools at the right edge. */
const TOOLS = 36;
const MOST = 2.5;

/** All of a drawing in the middle of a panel, never enlarged. */
const fitted = (drawing: Size, panel: Size): View => {
  const scale = Math.min(
    1.15,
    (panel.width - MARGIN - TOOLS) / Math.max(1, drawing.width),
    (panel.height - MARGIN) / Math.max(1, drawing.height),
  );
  const safe = Math.max(0.05, scale);
  return {
    scale: safe,
    x: (panel.width - TOOLS - drawing.width * safe) / 2,
    y: (panel.height - drawing.height * safe) / 2,
  };
};

const enlarged = (view: View, factor: number, x: number, y: number): View => {
  const scale = Math.max(0.1, Math.min(MOST, view.scale * factor));
  const by = scale / view.scale;
  return { scale, x: x - (x - view.x) * by, y: y - (y - view.y) * by };
};

/** Moves and enlarges a drawing with wheel, hand or keys. It fits its panel until somebody touches it, and again after `fit`. */
export const usePanZoom = (drawing: Size | undefined) => {
  const ref = useRef<HTMLDivElement>(null);
  const [panel, setPanel] = useState<Size>({ width: 0, height: 0 });
  const [moved, setMoved] = useState<View | undefined>(undefined);
  useEffect(() => {
    const box = ref.current;
    if (!box) return;
    const watch = new ResizeObserver(() => setPanel({ width: box.clientWidth, height: box.clientHeight }));
    watch.observe(box);
    return () => watch.disconnect();
  }, []);
  const view = moved ?? fitted(drawing ?? { width: 1, height: 1 }, panel);
  const zoom = (factor: number, x = panel.width / 2, y = panel.height / 2) => setMoved(enlarged(view, factor, x, y));
  const move = (x: number, y: number) => setMoved({ ...view, x: view.x + x, y: view.y + y });
  return {
    ref,
    panel,
    view,
    zoom,
    fit: () => setMoved(undefined),
    handlers: {
      onWheel: (event: WheelEvent) => {
        event.preventDefault();
        const box = ref.current?.getBoundingClientRect();
        zoom(Math.exp(-event.deltaY / 400), event.clientX - (box?.left ?? 0), event.clientY - (box?.top ?? 0));
      },
      onPointerDown: (event: PointerEvent) => {
        if (event.button === 0) (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
      },
      onPointerMove: (event: PointerEvent) => {
        if ((event.currentTarget as HTMLElement).hasPointerCapture(event.pointerId))
          move(event.movementX, event.movementY);
      },
      onKeyDown: (event: KeyboardEvent) => {
        const steps: Record<string, () => void> = {
          '+': () => zoom(1.2),
          '=': () => zoom(1.2),
          '-': () => zoom(1 / 1.2),
          '0': () => setMoved(undefined),
          ArrowLeft: () => move(40, 0),
          ArrowRight: () => move(-40, 0),
          ArrowUp: () => move(0, 40),
          ArrowDown: () => move(0, -40),
        };
        const step = steps[event.key];
        if (!step) return;
        event.preventDefault();
        step();
      },
    },
  };
};
