/** How a runtime ends: what it executes is left as it is stored, or ends. */
import { isTerminal, type PlacementServer } from '@troupe/protocol';
import type { LiveRun } from '../run/live-run.ts';
import type { Engine } from './engine.ts';

/**
 * @param how `suspend`: nothing is told, and stored runs stay as they are. `interrupt`: every run ends.
 * @param graceMs How long runs, and whoever serves others, are waited for.
 */
export const closeRuntime = async (
  engine: Engine,
  {
    servers,
    services,
  }: {
    servers: Iterable<PlacementServer>;
    /** What is closed before runs are. */
    services: readonly { close(): void }[];
  },
  how: 'suspend' | 'interrupt',
  graceMs: number,
): Promise<void> => {
  const { world, desk, recorder } = engine;
  const { clock } = world;
  /** Runs that nobody above can end. */
  const roots = (): LiveRun[] =>
    [...world.runs.values()].filter((run) => run.parentId === undefined || run.detached || run.placed);
  const suspend = (): void => {
    for (const run of world.runs.values()) engine.suspend(run);
    for (const run of roots()) engine.stop(run);
    desk.dismiss();
  };
  const interruptAll = async (): Promise<void> => {
    const ended = Promise.all(
      [...world.runs.values()].map((run) => desk.next(run, isTerminal, () => {}).catch(() => {})),
    );
    for (const run of roots())
      run.actor?.send({ type: 'interrupt', reason: 'The runtime was closed.', exitReason: 'closed' });
    if (world.runs.size > 0) {
      let timer: unknown;
      const late = new Promise<void>((resolve) => {
        timer = clock.setTimeout(resolve, graceMs);
      });
      await Promise.race([ended, late]);
      clock.clearTimeout(timer);
      // What is executed elsewhere and has not ended by now ends later: until then nothing above it can.
      for (const run of roots()) if (engine.waitsForOthers(run)) void engine.putBack(run).catch(() => {});
      for (const run of roots()) {
        run.stopReason = { exitReason: 'closed', reason: 'The runtime was closed.' };
        engine.stop(run);
      }
    }
    await ended;
  };

  engine.reconciler.stop();
  await Promise.all([...servers].map((server) => server.drain(graceMs)));
  for (const service of services) service.close();
  if (how === 'suspend') suspend();
  else await interruptAll();
  await recorder.flushed();
  try {
    await engine.lease.release();
  } finally {
    recorder.end();
    desk.close();
    // Whoever waits for what nobody executes here.
    desk.dismiss();
  }
};
