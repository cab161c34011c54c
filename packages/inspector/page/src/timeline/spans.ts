import type { Happening } from '../../../src/wire.ts';

/** What a row did from one moment to another: a bar of the timeline. `to` is missing while it goes on. */
export type Span = {
  rowId: string;
  kind: 'thinking' | 'calling' | 'waiting';
  from: number;
  to?: number;
  rootSeq: number;
  text: string;
  /** What it began with, where many may be open at once. */
  key: string;
};

/** A moment that a row is marked at. */
type Spot = {
  rowId: string;
  kind: 'done' | 'failed' | 'stopped' | 'warned';
  at: number;
  rootSeq: number;
  text: string;
};

export type Spans = { spans: Span[]; spots: Spot[]; from: number; to: number };

const BEGINS: Record<string, Span['kind']> = {
  'turn.started': 'thinking',
  'call.started': 'calling',
  'run.paused': 'waiting',
};
const ENDS: Record<string, Span['kind']> = {
  'turn.completed': 'thinking',
  'call.completed': 'calling',
  'call.failed': 'calling',
  'run.resumed': 'waiting',
};
const SPOTS: Record<string, Spot['kind']> = {
  'run.completed': 'done',
  'run.failed': 'failed',
  'run.interrupted': 'stopped',
  'warning.raised': 'warned',
  'budget.warned': 'warned',
  'budget.exhausted': 'failed',
};
const isEnd = (type: string) => type === 'run.completed' || type === 'run.failed' || type === 'run.interrupted';

/** What may be told apart among the open spans of a row: calls of one tool end in the order in which they began. */
const keyOf = (kind: Span['kind'], happening: Happening): string =>
  kind === 'calling' ? `${kind} ${happening.type === 'call.started' ? happening.to : happening.from}` : kind;

/** What is written on a bar: of a call its tool, with what it was given. */
const labelOf = (kind: Span['kind'], { to, text }: Happening): string => {
  if (kind !== 'calling') return text;
  const tool = to.replace(/^tool:/, '');
  return text === '' || text === '{}' ? tool : `${tool} ${text}`;
};

/** The bars and marks of a tree, from what happened in it. */
export const spansOf = (happenings: readonly Happening[]): Spans => {
  const spans: Span[] = [];
  const spots: Spot[] = [];
  const open = new Map<string, Span[]>();
  const close = (span: Span, at: number) => {
    span.to = at;
  };
  let from = Number.POSITIVE_INFINITY;
  let to = 0;
  for (const happening of happenings) {
    const { type, rowId, at, rootSeq, text } = happening;
    from = Math.min(from, at);
    to = Math.max(to, at);
    const ofRow = open.get(rowId) ?? [];
    open.set(rowId, ofRow);
    const begins = BEGINS[type];
    if (begins) {
      const span: Span = {
        rowId,
        kind: begins,
        from: at,
        rootSeq,
        text: labelOf(begins, happening),
        key: keyOf(begins, happening),
      };
      spans.push(span);
      ofRow.push(span);
    }
    const ends = ENDS[type];
    if (ends) {
      const key = keyOf(ends, happening);
      const index = ofRow.findIndex((span) => span.key === key);
      const [span] = index < 0 ? [] : ofRow.splice(index, 1);
      if (span) close(span, at);
    }
    if (isEnd(type)) {
      for (const span of ofRow) close(span, at);
      open.delete(rowId);
    }
    const spot = SPOTS[type];
    if (spot) spots.push({ rowId, kind: spot, at, rootSeq, text: text || type });
  }
  return { spans, spots, from: Number.isFinite(from) ? from : 0, to };
};

/** Round steps of time, so that about `count` lines fit between two moments. */
export const tickSteps = (spanMs: number, count: number): number => {
  const rough = spanMs / Math.max(1, count);
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 18e5, 36e5, 216e5, 864e5];
  return steps.find((step) => step >= rough) ?? Math.ceil(rough / 864e5) * 864e5;
};
