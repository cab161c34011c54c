/** Who hands runs to workers, where a command needs to know: to leave children to them, to wake what they execute, or to be one of them. */
import type { RuntimeOptions } from '@troupe/core';
import type { Logger, Placement } from '@troupe/protocol';
import type { StorePlace } from './open-store.ts';
import { isInstalled, loadPgBoss, sharedPackages } from './packages.ts';
import { misuse } from './problem.ts';

export type Placing = {
  /** `never`: nothing is said to runs · `always`: all children that nobody says anything else of are left to workers. */
  when?: 'never' | 'always';
  /** Who asks for it, in the words of the command line. */
  asks?: string;
  /** What executes runs for others is looked at on its way. */
  watch?: (placement: Placement) => Placement;
  /** How long the claims of a process that has gone silent last, where the agent file does not say. */
  leaseMs?: number;
};

/** What `--remote` says. */
export const placingOf = ({ remote }: { remote?: true }): Placing =>
  remote ? { when: 'always', asks: '--remote, which leaves children to workers,' } : {};

/**
 * The engine in the database of a store; null where there is none, or it is not wanted.
 *
 * @throws FaultError `cli.usage` when workers are wanted at a store that they do not reach; `cli.not_installed`
 */
export const openPlacement = async (
  place: StorePlace | null,
  { when, asks = 'This' }: Placing,
  logger: Logger,
): Promise<Placement | null> => {
  if (when === 'never') return null;
  const isWanted = when === 'always';
  if (place?.kind !== 'postgres') {
    if (!isWanted) return null;
    throw misuse(
      `${asks} needs a store that workers reach, and an engine that hands them runs: name a database with --store postgres://user:password@host:port/database or TROUPE_STORE, or let the agent file export "store" and "placement".`,
    );
  }
  // Who only stores runs there has no need of it.
  if (!isWanted && !isInstalled(sharedPackages.placement)) return null;
  const { pgBoss } = await loadPgBoss();
  return pgBoss({ url: place.url, logger });
};

/** Options of a runtime that leaves children to workers, or is to say something to them. */
export const placeFor = (
  placement: Placement,
  options: Pick<RuntimeOptions, 'placement' | 'place'>,
  { when, watch }: Placing,
): Pick<RuntimeOptions, 'placement' | 'place'> => ({
  placement: watch ? watch(placement) : placement,
  place: options.place ?? (options.placement || when === 'always' ? 'remote' : 'local'),
});
