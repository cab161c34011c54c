/** Agents that tests start, and the runtime they run on. */
import {
  type AgentOptions,
  type AnyAgent,
  createRuntime,
  defineAgent,
  defineTool,
  type RuntimeOptions,
  spawned,
  type ToolOptions,
} from '@troupe/core';
import type { RunEvent } from '@troupe/protocol';
import { type Script, scriptedProvider } from '@troupe/testing';
import { onTestFinished } from 'vitest';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';

const silent = { warn: () => {}, error: () => {} };

/** A runtime at the moment 1,000, whose time passes when the test says so. */
export const openTeam = (script: Script, options: Partial<RuntimeOptions> = {}) => {
  const clock = new SimulatedClock();
  clock.increment(1_000);
  let ids = 0;
  const runtime = createRuntime({
    provider: scriptedProvider(script),
    model: 'house/small',
    clock,
    ids: { next: (kind) => `${kind}${++ids}` },
    logger: silent,
    ...options,
  });
  const events: RunEvent[] = [];
  runtime.events$.subscribe((event) => {
    events.push(event);
  });
  onTestFinished(() => runtime.close({ graceMs: 0 }));
  return { runtime, clock, events };
};

const text = z.object({ text: z.string() });

export const toolOf = (options: Partial<ToolOptions<typeof text>> = {}) =>
  defineTool({
    name: 'echo',
    description: 'Says it again.',
    inputSchema: text,
    execute: ({ text: said }) => said,
    ...options,
  });

export const call = (name: string, said = '') => ({ name, arguments: { text: said } });

export const helper = defineAgent({ name: 'helper', instructions: 'Help.' });

/** A tool whose call is one child for each word. */
export const askHelpers = (agent: AnyAgent = helper, onPaused?: 'error' | 'bubble') =>
  toolOf({
    name: 'ask_helpers',
    execute: ({ text: words }) =>
      spawned(words.split(' ').map((job) => ({ agent, job, ...(onPaused && { onPaused }) }))),
    settle: (reports) => ({ data: reports.map(({ text: said }) => said) }),
  });

export const leadOf = (options: Partial<AgentOptions> = {}) =>
  defineAgent({ name: 'lead', instructions: 'Lead.', ...options });

/** Lets everything that is ready to happen, happen. */
export const settle = async (rounds = 20): Promise<void> => {
  for (let i = 0; i < rounds; i++) await new Promise<void>((resolve) => setImmediate(resolve));
};
