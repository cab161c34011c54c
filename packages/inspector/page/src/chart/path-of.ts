import type { Point } from './place-chart.ts';

const RADIUS = 6;

const towards = (from: Point, to: Point, by: number): Point => {
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  return { x: from.x + ((to.x - from.x) / length) * by, y: from.y + ((to.y - from.y) / length) * by };
};

const at = ({ x, y }: Point) => `${x.toFixed(1)},${y.toFixed(1)}`;

/** A line through points, as SVG writes it, with rounded corners. */
export const pathOf = (points: readonly Point[]): string => {
  const [first, ...rest] = points;
  if (!first) return '';
  let path = `M${at(first)}`;
  rest.forEach((corner, index) => {
    const before = index === 0 ? first : (rest[index - 1] ?? first);
    const after = rest[index + 1];
    if (!after) {
      path += `L${at(corner)}`;
      return;
    }
    const room = (other: Point) => Math.min(RADIUS, Math.hypot(other.x - corner.x, other.y - corner.y) / 2);
    path += `L${at(towards(corner, before, room(before)))}Q${at(corner)} ${at(towards(corner, after, room(after)))}`;
  });
  return path;
};

/** The middle of the longest level piece of a line: where a label reads best. */
export const middleOf = (points: readonly Point[]): Point & { length: number } => {
  let best: Point = points[0] ?? { x: 0, y: 0 };
  let longest = -1;
  points.slice(1).forEach((to, index) => {
    const from = points[index] ?? to;
    const length = Math.abs(to.x - from.x);
    if (length > longest) {
      longest = length;
      best = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
    }
  });
  return { ...best, length: Math.max(0, longest) };
};
