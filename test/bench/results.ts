// What a run of the benchmark has found, and how it is read: as ratios inside one round, whose adapters were neighbours in time.
import type { Round } from './cells.ts';
import { floor } from './cells.ts';
import type { Cold } from './cold.ts';
import type { measureLooking } from './looking.ts';
import type { Million } from './million.ts';
import type { Placed } from './placed.ts';
import type { Size } from './size.ts';
import type { Stored } from './stored.ts';
import type { Times, Waiting } from './worker.ts';

export type Results = {
  machine: Record<string, string | number>;
  rounds: Round[];
  stored?: Stored;
  cold?: Cold;
  size?: Size;
  million?: Million;
  placed?: Placed;
  looking?: Awaited<ReturnType<typeof measureLooking>>;
  /** What could not be measured, and why. */
  missing: { what: string; why: string }[];
};

export const cellsOf = ({ rounds }: Pick<Results, 'rounds'>, scenario: string) =>
  rounds.filter((round) => round.scenario === scenario).map(({ cells }) => cells);

const timesIn = (cells: Round['cells'], name: string): Times | undefined => {
  const cell = cells[name];
  return cell && 'times' in cell ? cell.times : undefined;
};

/** Of each round in which it was measured. */
export const timesOf = (results: Results, scenario: string, name: string): Times[] =>
  cellsOf(results, scenario).flatMap((cells) => timesIn(cells, name) ?? []);

export const waitingOf = (results: Results, scenario: string, name: string): Waiting[] =>
  cellsOf(results, scenario).flatMap((cells) => {
    const cell = cells[name];
    return cell && 'waiting' in cell ? [cell.waiting] : [];
  });

/** How many times what the floor takes, in each round that has both. */
export const ratiosOf = (
  results: Results,
  scenario: string,
  name: string,
  of: keyof Pick<Times, 'us' | 'bestUs' | 'cpuUs'> = 'us',
): number[] =>
  cellsOf(results, scenario).flatMap((cells) => {
    const [mine, least] = [timesIn(cells, name), timesIn(cells, floor)];
    return mine && least ? [mine[of] / least[of]] : [];
  });

/** A scenario, and how many turns or children it has. */
export type Sized = { scenario: string; size: number };

/** How the time of each turn or child grows from one scenario to a larger one, in each round that has both. */
export const growthOf = (
  results: Results,
  name: string,
  small: Sized,
  large: Sized,
  of: keyof Pick<Times, 'us' | 'cpuUs'> = 'us',
): number[] => {
  const [before, after] = [timesOf(results, small.scenario, name), timesOf(results, large.scenario, name)];
  return after.flatMap((times, i) => {
    const first = before[i];
    return first ? [times[of] / large.size / (first[of] / small.size)] : [];
  });
};
