/** Where a child is executed. */
import { FaultError, type JobData, type RunRow } from '@troupe/protocol';
import type { AnyAgent } from '../define-agent.ts';

/**
 * `local`: where its parent is, which costs least · `remote`: by whoever serves the runtime's placement · a queue: by those alone who
 * serve that one.
 */
export type Place = 'local' | 'remote' | { queue: string };

/** A child that is about to be started. */
export type ChildToPlace = {
  agent: AnyAgent;
  job: JobData;
  /** The agent of the run that starts it. */
  parent: string;
  depth: number;
};

/** The queue of children that are placed `remote`, and what workers serve unless they are told otherwise. */
export const defaultQueue = 'troupe';

const isPlace = (place: unknown): place is Place =>
  place === 'local' ||
  place === 'remote' ||
  (typeof place === 'object' &&
    place !== null &&
    /^[\w.\-/]{1,200}$/.test(String((place as { queue?: unknown }).queue)));

/** @throws FaultError `placement.invalid` */
export const checkPlace = (place: unknown, whose: string): void => {
  if (place === undefined || isPlace(place)) return;
  throw new FaultError(
    'placement.invalid',
    `${whose} is ${JSON.stringify(place) ?? String(place)}. Expected "local", "remote" or { queue }, a name of 1 to 200 letters, digits, "_", "-", "." and "/".`,
  );
};

export type PlaceRule = Place | ((child: ChildToPlace) => Place);

/** A run that is executed by itself, whoever executes the one above it. */
export const isPlaced = (row: Pick<RunRow, 'placed'>): boolean => row.placed !== undefined;
