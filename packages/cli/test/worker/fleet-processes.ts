/** Workers as processes of their own, at one database. */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { linesOf, startTroupe } from '../shell.ts';

/** The agent file that they share. */
export const fleet = fileURLToPath(new URL('fleet.ts', import.meta.url));

/** Starts a worker, and waits until it serves. */
export const startWorker = async (
  folder: string,
  store: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
) => {
  const started = startTroupe(folder, ['worker', '--agents', fleet, '--store', store, '--json', ...args], env);
  await started.said(/"type":"worker\.started"/);
  const lines = (): any[] => linesOf(started.stdout().replace(/[^\n]*$/, ''));
  const { health } = lines()[0];
  return {
    ...started,
    lines,
    health: health as string,
    /** The runs that it has taken up, in order. */
    took: (): string[] => lines().flatMap(({ type, runId }) => (type === 'run.taken' ? [runId] : [])),
    /** Resolves once it has said so of a run. */
    of: (type: string, runId = ''): Promise<void> =>
      started.said(new RegExp(`"type":"${type.replace('.', '\\.')}","runId":"[^"]*${runId}"`)),
    /** Ends it in order. */
    async stop(): Promise<void> {
      started.child.kill('SIGTERM');
      expect((await started.ended).code).toBe(0);
    },
  };
};
