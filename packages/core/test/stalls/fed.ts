/** Runs whose models are fed part by part and whose tools end when a test says so, on a clock that moves when it says so. */
import type { AgentOptions, RuntimeOptions, Tool } from '@troupe/core';
import type { RunEvent } from '@troupe/protocol';
import { expect } from 'vitest';
import { SimulatedClock } from 'xstate';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { delegating, gatedTool, ofType } from '../control/tools.ts';
import { leadOf } from '../lead.ts';
import { openOutside } from '../paths/outside.ts';

/** A clock that knows how often, and for how long, somebody asked it to ring. */
export class AskedClock extends SimulatedClock {
  readonly asked: number[] = [];
  override setTimeout(fn: () => void, ms: number): number {
    this.asked.push(ms);
    return super.setTimeout(fn, ms);
  }
}

/** Options of an agent whose runs are ended when they make no progress. */
export const impatient = { idleMs: 1_000, callMs: 3_000, onStall: 'interrupt' as const, graceMs: 500 };

export const fedRuntime = (options: Partial<RuntimeOptions> & { open?: boolean } = {}) => {
  const clock = new AskedClock();
  const { provider, inFlight } = openOutside();
  const opened = openRuntime({ provider, clock, graceMs: 10, ...(options as object) });
  const feedOf = (runId: string) => {
    const [feed] = inFlight(runId);
    if (!feed) throw new Error(`No model works for "${runId}".`);
    return feed;
  };
  return {
    ...opened,
    clock,
    inFlight,
    feedOf,
    async pass(ms: number) {
      await settle(4);
      clock.increment(ms);
      await settle(4);
    },
    /** The model of a run says a bit of its answer. */
    async speak(runId: string, delta = 'Well …') {
      await settle(4);
      feedOf(runId).push({ type: 'text', delta });
      await settle(4);
    },
    /** The model of a run answers. */
    async answer(runId: string, delta = 'Done.') {
      await settle(4);
      const feed = feedOf(runId);
      feed.push({ type: 'text', delta });
      feed.push({ type: 'finish', reason: 'stop' });
      feed.end();
      await settle(4);
    },
    /** The model of a run calls tools. */
    async call(runId: string, ...names: string[]) {
      await settle(4);
      const feed = feedOf(runId);
      for (const [n, name] of names.entries()) feed.push({ type: 'call', id: `c${n}`, name, arguments: '{}' });
      feed.push({ type: 'finish', reason: 'calls' });
      feed.end();
      await settle(4);
    },
    warned: (runId?: string) =>
      ofType(opened.events, 'budget.warned').filter(
        (event) => event.kind === 'idleMs' && (runId === undefined || event.runId === runId),
      ),
    stalls: (runId?: string) =>
      ofType(opened.events, 'warning.raised').filter(
        (event) => event.code === 'run.stalled' && (runId === undefined || event.runId === runId),
      ),
  };
};

export type Fed = ReturnType<typeof fedRuntime>;

export const rootId = 'root';
export const childId = 'root/1-0/0';
export const grandchildId = `${childId}/1-0/0`;

/** One run that waits for its model, with a tool that ends when the test says so. */
export const alone = async (agent: Partial<AgentOptions>, options: Parameters<typeof fedRuntime>[0] = {}) => {
  const fed = fedRuntime(options);
  const gate = gatedTool('dig');
  const run = fed.runtime.start(leadOf({ tools: [gate.tool], ...agent }), 'Go.', { runId: rootId });
  await settle(4);
  return { ...fed, gate, run };
};

/** Three runs, each waiting for the one below it; the lowest waits for its model, and has a tool that ends when the test says so. */
export const inARow = async (
  { root = {}, child = {}, grandchild = {} }: Partial<Record<'root' | 'child' | 'grandchild', Partial<AgentOptions>>>,
  options: Parameters<typeof fedRuntime>[0] = {},
) => {
  const fed = fedRuntime(options);
  const gate = gatedTool('dig');
  const lowest = leadOf({ name: 'grandchild', tools: [gate.tool], ...grandchild });
  const middle = leadOf({ name: 'child', tools: [delegating(lowest)], ...child });
  const tools: Tool[] = [delegating(middle), ...(root.tools ?? [])];
  const run = fed.runtime.start(leadOf({ name: 'root', ...root, tools }), 'Go.', { runId: rootId });
  await fed.call(rootId, 'ask_child', ...(root.tools ?? []).map(({ name }) => name));
  await fed.call(childId, 'ask_grandchild');
  return { ...fed, gate, run };
};

/** Nothing is told any more, whatever comes. */
export const staysSilent = async (events: readonly RunEvent[], act: () => unknown): Promise<void> => {
  const told = events.length;
  await act();
  await settle();
  expect(events.slice(told)).toEqual([]);
};
