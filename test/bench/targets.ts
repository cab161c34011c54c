// What must hold on any machine: ratios to what XState costs at the least, growth, and a few bounds that leave room.
import { growthOf, type Results, ratiosOf, type Sized, timesOf, waitingOf } from './results.ts';
import { median } from './statistics.ts';

export type Target = {
  /** The part of the benchmark that measures it. */
  part: string;
  what: string;
  limit: number;
  /** Otherwise at most. */
  atLeast?: true;
  /** One for each round; empty where it was not measured. */
  values(results: Results): number[];
  /** The same of processor time, which other work on the machine changes less. */
  byCpu?(results: Results): number[];
  show(value: number): string;
};

const times = (value: number): string => `${value.toFixed(2)} ×`;
const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const kib = (value: number): string => `${(value / 1_024).toFixed(2)} KiB`;
const count = (value: number): string => Math.round(value).toLocaleString('en');

const ratio = (part: string, what: string, limit: number): Target => ({
  part,
  what: `${what}, to xstate-lean`,
  limit,
  values: (results) => ratiosOf(results, part, 'troupe'),
  byCpu: (results) => ratiosOf(results, part, 'troupe', 'cpuUs'),
  show: times,
});

const growth = (part: string, unit: string, small: number, large: number): Target => {
  const sizes = [small, large].map((size) => ({ scenario: `${part}-${size}`, size })) as [Sized, Sized];
  return {
    part: sizes[1].scenario,
    what: `time per ${unit}, ${count(large)} to ${count(small)}`,
    limit: 1.5,
    values: (results) => growthOf(results, 'troupe', ...sizes),
    byCpu: (results) => growthOf(results, 'troupe', ...sizes, 'cpuUs'),
    show: times,
  };
};

const waiting = (what: string, limit: number, key: 'heapBytes' | 'leftBytes' | 'releaseMs'): Target => ({
  part: 'S7',
  what,
  limit,
  values: (results) => waitingOf(results, 'S7', 'troupe').map((found) => found[key]),
  show: key === 'releaseMs' ? ms : kib,
});

const bytesPerTurn = ({ stored }: Results): number[] => {
  const [few, many] = [stored?.turns[0], stored?.turns.at(-1)];
  return few && many && few.bytes > 0 ? [many.bytes / many.turns / (few.bytes / few.turns)] : [];
};

const slowest = (pattern: RegExp) => (results: Results) => {
  const looks = results.million?.looks.filter(({ what }) => pattern.test(what)) ?? [];
  return looks.length > 0 ? [Math.max(...looks.map((look) => look.ms))] : [];
};

const unexpected = ({ size }: Results): number[] => {
  // tslib comes with rxjs.
  const known = /^(@troupe\/(core|protocol)|xstate|rxjs|tslib|zod) /;
  return size ? [size.packages.filter((name) => !known.test(name)).length] : [];
};

export const targets: readonly Target[] = [
  ratio('S1', 'one turn', 1.5),
  ...[10, 100, 1_000].map((size) => ratio(`S2-${size}`, `${count(size)} tool turns`, 1.5)),
  growth('S2', 'turn', 10, 1_000),
  ratio('S3', 'one delegation', 1.5),
  ratio('S4-100', '100 children at once', 1.2),
  growth('S4', 'child', 100, 10_000),
  ratio('S5', 'five delegations deep', 1.5),
  ratio('S6', 'one delegation, stored', 1.5),
  waiting('heap of a child that waits', 8 * 1_024, 'heapBytes'),
  waiting('heap left of it after', 0.1 * 1_024, 'leftBytes'),
  waiting('1,000 of them released', 200, 'releaseMs'),
  {
    part: 'S8',
    what: 'deltas of a child, in a second',
    limit: 1_000_000,
    atLeast: true,
    values: (results) => timesOf(results, 'S8', 'troupe').map(({ us }) => 2_000 / (us / 1e6)),
    show: count,
  },
  { part: 'stored', what: 'bytes stored per turn, 1,000 to 10', limit: 1.1, values: bytesPerTurn, show: times },
  {
    part: 'stored',
    what: 'steps of 100 runs at once, to each committed alone',
    limit: 5,
    atLeast: true,
    values: ({ stored }) => stored?.together.ratios ?? [],
    show: times,
  },
  {
    part: 'cold',
    what: 'cold start to the first delegation, to xstate-lean',
    limit: 1.3,
    values: ({ cold }) =>
      (cold?.rounds ?? []).flatMap(({ troupe, 'xstate-lean': lean }) =>
        troupe && lean ? [troupe.doneMs / lean.doneMs] : [],
      ),
    show: times,
  },
  {
    part: 'size',
    what: 'packages that come with core, beside xstate, rxjs and zod',
    limit: 0,
    values: unexpected,
    show: count,
  },
  {
    part: 'size',
    what: 'core with all that it imports, minified, gzip',
    limit: 65 * 1_024,
    values: ({ size }) => (size?.bundles[0] ? [size.bundles[0].gzipBytes] : []),
    show: kib,
  },
  { part: 'million', what: 'runs listed', limit: 10, values: slowest(/newest|wait for/), show: ms },
  { part: 'million', what: 'a tree, and its events', limit: 10, values: slowest(/tree/), show: ms },
  { part: 'million', what: 'a run resumed', limit: 10, values: slowest(/brought back|answer/), show: ms },
];

export type Verdict = { part: string; what: string; limit: string; measured: string; byCpu: string; met: boolean };

/** Of every target that was measured: what its rounds came to in the middle. */
export const verdicts = (results: Results): Verdict[] =>
  targets.flatMap(({ part, what, limit, atLeast, values, byCpu, show }) => {
    const found = values(results);
    if (found.length === 0) return [];
    const value = median(found);
    const range = found.length > 1 ? ` (${show(Math.min(...found))} – ${show(Math.max(...found))})` : '';
    const cpu = byCpu?.(results) ?? [];
    const met = atLeast ? value >= limit : value <= limit;
    return [
      {
        part,
        what,
        limit: `${atLeast ? '≥' : '≤'} ${show(limit)}`,
        measured: `${show(value)}${range}`,
        byCpu: cpu.length > 0 ? show(median(cpu)) : '',
        met,
      },
    ];
  });
