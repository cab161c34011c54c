/** Placements in schemas of their own, on the server of the test run. */
import { randomBytes } from 'node:crypto';
import type { Placement } from '@troupe/protocol';
import { onTestFinished } from 'vitest';
import { sharedServer } from '../../../test/tools/postgres/server.ts';
import { type PgBossOptions, pgBoss } from '../src/index.ts';

/** The name of a schema that is not there yet. */
export const freshSchema = (): string => `test_${randomBytes(8).toString('hex')}`;

const opened = new WeakMap<Placement, PgBossOptions>();

const openAt = (options: PgBossOptions): Placement => {
  const placement = pgBoss(options);
  opened.set(placement, options);
  return placement;
};

/** A placement on an engine of its own. */
export const openFresh = async (options: Partial<PgBossOptions> = {}): Promise<Placement> =>
  openAt({ url: await sharedServer(), schema: freshSchema(), ...options });

/** Another placement on the same engine. */
export const beside = (placement: Placement): Placement => {
  const options = opened.get(placement);
  if (!options) throw new Error('This placement was not opened here.');
  return openAt(options);
};

/** The same as {@link openFresh}, closed when its test is over. */
export const openForTest = async (options: Partial<PgBossOptions> = {}): Promise<Placement> => {
  const placement = await openFresh(options);
  onTestFinished(() => placement.close());
  return placement;
};
