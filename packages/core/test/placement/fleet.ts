/** A program and its workers, each in a process of its own, at one store and one engine. */
import { type AnyAgent, defineAgent, defineTool, type RuntimeOptions, spawned } from '@troupe/core';
import type { RunRow, StoredEvent } from '@troupe/protocol';
import { checkRunLaws, type Death, type Script } from '@troupe/testing';
import { expect } from 'vitest';
import { z } from 'zod';
import { calling, guardedTool } from '../control/tools.ts';
import { machine } from '../recovery/processes.ts';
import { openEngine } from './engine.ts';

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

/** A fleet whose boss has one leaf, which asks a person before it does anything. */
export const askingFleet = (options: Parameters<typeof delegating>[1] = {}) => {
  const { tool, ran } = guardedTool();
  const asker = defineAgent({ name: 'leaf', instructions: '', tools: [tool] });
  const boss = defineAgent({ name: 'boss', instructions: '', tools: [delegating(asker, options)] });
  const script: ScriptFunction = (request, context) =>
    context.agent === 'leaf' && !request.messages.some(({ role }) => role === 'tool')
      ? calling('erase')
      : handingOver(request, context);
  return { ...openFleet([boss, asker]), boss, script, ran };
};
