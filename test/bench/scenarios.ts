import type { trees } from './script.mjs';

export type Scenario = {
  id: string;
  title: string;
  tree: keyof typeof trees;
  /** Turns, children, delegations or deltas of the tree. */
  size: number;
  /** `time`: how long a run takes. `waiting`: what children hold while all of them wait. */
  measure: 'time' | 'waiting';
  /** What the time is divided by. */
  per?: 'turn' | 'child' | 'delta';
  /** Every step is stored in a SQLite file. */
  stored?: true;
  /** Who is left out, and why. */
  without?: Record<string, string>;
};

const loop = (size: number): Scenario => ({
  id: `S2-${size}`,
  title: `${size.toLocaleString('en')} tool turns`,
  tree: 'loop',
  size,
  measure: 'time',
  per: 'turn',
});

const crowd = (size: number, more: Partial<Scenario> = {}): Scenario => ({
  id: `S4-${size}`,
  title: `${size.toLocaleString('en')} children at once`,
  tree: 'crowd',
  size,
  measure: 'time',
  per: 'child',
  ...more,
});

/** Sizes of one scenario follow each other, so that growth is read from neighbours in time. */
export const scenarios: readonly Scenario[] = [
  { id: 'S1', title: 'one turn', tree: 'turn', size: 1, measure: 'time' },
  ...[10, 100, 1_000].map(loop),
  { id: 'S3', title: 'one delegation', tree: 'delegation', size: 1, measure: 'time' },
  ...[10, 100].map((size) => crowd(size)),
  ...[1_000, 10_000].map((size) =>
    crowd(size, { without: { xstate: 'its time grows with the square of the children' } }),
  ),
  { id: 'S5', title: 'five delegations deep', tree: 'chain', size: 5, measure: 'time' },
  { id: 'S6', title: 'one delegation, stored', tree: 'delegation', size: 1, measure: 'time', stored: true },
  { id: 'S7', title: '1,000 children that wait', tree: 'waiting', size: 1_000, measure: 'waiting' },
  { id: 'S8', title: '2,000 deltas of a child', tree: 'talk', size: 2_000, measure: 'time', per: 'delta' },
];
