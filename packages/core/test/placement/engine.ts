/** An engine for processes that are simulated in one. */
import type { Placement, PlacementServer, RunExecutor } from '@troupe/protocol';
import { settle } from '../../../../test/support/open-runtime.ts';

type Served = {
  executor: RunExecutor;
  queues: readonly string[];
  free: number;
  workerId: string;
  stop: AbortController;
};

/** An engine that knows ids: of a run one activation is under way and one waits at most. What it hands out is looked at in `handed`. */
export const openEngine = (clock: { setTimeout(act: () => void, ms: number): unknown }) => {
  const waiting: { runId: string; queue: string }[] = [];
  const active = new Map<string, Served>();
  const again = new Map<string, string>();
  const servers = new Set<Served>();
  const handed: { runId: string; workerId: string; came?: string }[] = [];
  let isLossy = false;

  const hand = (): void => {
    for (const job of [...waiting]) {
      const [free] = [...servers]
        .filter((server) => server.free > 0 && server.queues.includes(job.queue))
        .sort((a, b) => b.free - a.free);
      if (!free) continue;
      waiting.splice(waiting.indexOf(job), 1);
      activate(job, free);
    }
  };
  const activate = ({ runId, queue }: { runId: string; queue: string }, server: Served): void => {
    server.free -= 1;
    active.set(runId, server);
    const note: (typeof handed)[number] = { runId, workerId: server.workerId };
    handed.push(note);
    void server.executor.run(runId, { signal: server.stop.signal, workerId: server.workerId }).then(
      (came) => {
        note.came = came;
        if (!servers.has(server) && !server.stop.signal.aborted) return;
        // Whoever leaves in order hands on what it has.
        if (came === 'idle' && server.stop.signal.aborted) again.set(runId, queue);
        over(runId, server);
        if (came === 'held') clock.setTimeout(() => dispatch(runId, queue), 2_000);
      },
      (error: unknown) => {
        note.came = String(error);
        over(runId, server);
        clock.setTimeout(() => dispatch(runId, queue), 1_000);
      },
    );
  };
  const over = (runId: string, server: Served): void => {
    if (active.get(runId) === server) active.delete(runId);
    server.free += 1;
    const queue = again.get(runId);
    again.delete(runId);
    if (queue !== undefined) dispatch(runId, queue);
    hand();
  };
  const dispatch = (runId: string, queue: string): void => {
    if (active.has(runId)) again.set(runId, queue);
    else if (!waiting.some((job) => job.runId === runId)) waiting.push({ runId, queue });
    hand();
  };

  const placement: Placement = {
    name: 'test',
    caps: { maxDetectMs: 0 },
    async dispatch({ runId, queue }) {
      if (!isLossy) setImmediate(dispatch, runId, queue);
    },
    async serve(executor, { queues, concurrency, workerId }) {
      const server: Served = { executor, queues, free: concurrency, workerId, stop: new AbortController() };
      servers.add(server);
      hand();
      const drain: PlacementServer['drain'] = async () => {
        servers.delete(server);
        server.stop.abort();
        await settle();
      };
      return { drain };
    },
    async close() {},
  };
  return {
    placement,
    handed,
    /** A worker is gone, and the engine knows it: what it had goes to others. */
    lose(workerId: string): void {
      for (const server of servers)
        if (server.workerId === workerId) {
          servers.delete(server);
          for (const [runId, whose] of active)
            if (whose === server) {
              active.delete(runId);
              dispatch(runId, 'troupe');
            }
        }
    },
    /** From now on nothing that is dispatched arrives. */
    forget(lossy = true): void {
      isLossy = lossy;
      if (lossy) waiting.length = 0;
    },
  };
};
