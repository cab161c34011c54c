/** Packages that are installed only where they are wanted. */
import { FaultError } from '@troupe/protocol';

/** Those that a store in PostgreSQL needs, and workers that execute its runs. */
export const sharedPackages = { store: '@troupe/store-postgres', placement: '@troupe/pg-boss' } as const;

/** How both of them come here. */
export const howToShare = `npm install ${sharedPackages.store} ${sharedPackages.placement}`;

/** Whether a package is there; nothing of it is loaded. */
export const isInstalled = (name: string): boolean => {
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    return false;
  }
};

/** @throws FaultError `cli.not_installed` */
const load = <T>(loading: Promise<T>, name: string, what: string): Promise<T> =>
  loading.catch((cause: unknown) => {
    if (isInstalled(name)) throw cause;
    throw new FaultError(
      'cli.not_installed',
      `${what} needs the package ${name}, which is not installed. Install both that share runs between machines: ${howToShare}`,
      { cause },
    );
  });

export const loadPostgresStore = () =>
  load(import('@troupe/store-postgres'), sharedPackages.store, 'A store in PostgreSQL');
export const loadPgBoss = () => load(import('@troupe/pg-boss'), sharedPackages.placement, 'Leaving runs to workers');
