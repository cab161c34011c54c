/** A program and its workers, each in a process of its own, at one store and one engine. */
import { type AnyAgent, defineAgent, defineTool, type RuntimeOptions, spawned } from '@troupe/core';
import type { Placement, PlacementServer, RunExecutor, RunRow, StoredEvent } from '@troupe/protocol';
import { checkRunLaws, type Death, type Script } from '@troupe/testing';
import { expect } from 'vitest';
import { z } from 'zod';
import { settle } from '../../../../test/support/open-runtime.ts';
import { machine } from '../recovery/processes.ts';

type Served = {
  executor: RunExecutor;
  queues: readonly string[];
  free: number;
  workerId: string;
  stop: AbortController;
};

/** An engine that knows ids: of a run one activation is under way and one waits at most. What it hands out is looked at in `handed`. */
const openEngine = (clock: { setTimeout(act: () => void, ms: number): unknown }) => {
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

/** Starts as many children as are asked for, in one call, and says what they said. */
export const delegating = (
  agent: AnyAgent | ((job: string) => AnyAgent),
  options: { onPaused?: 'error' | 'bubble' } = {},
) =>
  defineTool({
    name: 'delegate',
    description: 'Delegates.',
    inputSchema: z.object({ jobs: z.array(z.string()) }),
    execute: ({ jobs }) =>
      spawned(jobs.map((job) => ({ agent: typeof agent === 'function' ? agent(job) : agent, job, ...options }))),
    settle: (reports) => ({
      content: reports.map(({ status, text, exitReason }) => text ?? `${status}: ${exitReason}`).join(', '),
    }),
  });

export const leaf = defineAgent({ name: 'leaf', instructions: 'Do it.' });
export const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [delegating(leaf)] });

type ScriptFunction = Extract<Script, (...given: never[]) => unknown>;

/** The lead hands its job over, word by word; a leaf says its job again. */
export const handingOver: ScriptFunction = ({ messages }, { agent }) => {
  const last = messages.at(-1);
  if (agent === 'leaf' || last?.role === 'tool') return `${String(last?.content)}!`;
  return { calls: [{ name: 'delegate', arguments: { jobs: String(last?.content).split(' ') } }] };
};

/** A leaf that waits until its model is allowed to answer. */
export const gated = () => {
  const gates = new Map<string, PromiseWithResolvers<string>>();
  const gateOf = (job: string) => {
    const gate = gates.get(job) ?? Promise.withResolvers<string>();
    gates.set(job, gate);
    return gate;
  };
  const script: ScriptFunction = (request, context) => {
    const last = request.messages.findLast(({ role }) => role === 'user' || role === 'tool');
    if (context.agent !== 'leaf') return handingOver(request, context);
    return gateOf(String(last?.content)).promise;
  };
  return { script, open: (job: string, text = `${job} done`) => gateOf(job).resolve(text) };
};

export const openFleet = (agents: readonly AnyAgent[] = [lead, leaf]) => {
  const world = machine();
  const engine = openEngine(world.clock);
  const boot = (script: Script = handingOver, options: Partial<RuntimeOptions> = {}, death?: Death) =>
    world.boot(script, { agents, placement: engine.placement, ...options }, death);
  const serve = async (
    workerId: string,
    script: Script = handingOver,
    { concurrency = 4, death, ...options }: Partial<RuntimeOptions> & { concurrency?: number; death?: Death } = {},
  ) => {
    const worker = boot(script, options, death);
    const server = await worker.runtime.serve({ workerId, concurrency });
    return { ...worker, server };
  };
  /** What is stored of a tree keeps the laws, and its order has no gap. */
  const check = (rootId: string, { open = false } = {}): StoredEvent[] => {
    const events = world.eventsOf(rootId);
    expect(events.map(({ rootSeq }) => rootSeq)).toEqual(events.map((_, i) => i + 1));
    expect(checkRunLaws(events, { open })).toEqual([]);
    return events;
  };
  const statusOf = (runId: string) => (world.base.get(runId) as RunRow | undefined)?.status;
  return { ...world, engine, boot, serve, check, statusOf };
};
