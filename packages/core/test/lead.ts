import { type AgentOptions, defineAgent, defineTool, type ToolOptions } from '@troupe/core';
import type { EventOf, ReadEvent, RunEvent, RunStore } from '@troupe/protocol';
import { z } from 'zod';

/** An agent that tests start, with what they care about. */
export const leadOf = (options: Partial<AgentOptions> = {}) =>
  defineAgent({ name: 'lead', instructions: 'Lead.', ...options });

const text = z.object({ text: z.string() });

/** A tool with one argument, `text`, which it says again unless told otherwise. */
export const toolOf = (options: Partial<ToolOptions<typeof text>> = {}) =>
  defineTool({
    name: 'echo',
    description: 'Says it again.',
    inputSchema: text,
    execute: ({ text: said }) => said,
    ...options,
  });

/** A model's call of a tool. */
export const call = (said = 'a', name = 'echo') => ({ name, arguments: { text: said } });

/** The events of one type, in order. */
export const only = <T extends RunEvent['type']>(events: readonly RunEvent[], type: T): EventOf<T>[] =>
  events.filter((event): event is EventOf<T> => event.type === type);

/** What a store that answers at once, as a memory store does, holds of a run. */
export const storedIn = (store: RunStore, runId: string): ReadEvent[] => [
  ...(store.events({ runId }) as Iterable<ReadEvent>),
];
