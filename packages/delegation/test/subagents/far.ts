/** Sub-agents that have something done in the background. */
import { defineTool, dispatched } from '@troupe/core';
import type { SubagentOptions } from '@troupe/delegation';
import type { Message } from '@troupe/protocol';
import type { Turn } from '@troupe/testing';
import type { SimulatedClock } from 'xstate';
import { z } from 'zod';

/** Milliseconds that it takes. */
export const farMs = 5_000;

/** A tool whose work goes on in the background. */
const farTool = (clock: SimulatedClock) =>
  defineTool({
    name: 'far',
    description: 'Goes far.',
    inputSchema: z.object({}),
    idempotent: true,
    async execute(_, { signal, view }) {
      if (!view.unit) return dispatched({ data: null, answer: ({ runId }) => ({ data: `Under way: ${runId}.` }) });
      await new Promise<void>((resolve, reject) => {
        clock.setTimeout(resolve, farMs);
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
      return 'It was far.';
    },
  });

/** A script: asked to go `far`, a model calls the tool, says so, and says what it heard once it has ended. */
export const goingFar = (word: string, _agent: string, messages: readonly Message[]): Turn | undefined => {
  if (word.startsWith('[BACKGROUND')) return `heard: ${word.split('\n').at(-1)}`;
  if (!word.startsWith('far')) return undefined;
  return messages.at(-1)?.role === 'tool' ? 'gone' : { calls: [{ name: 'far', arguments: {} }] };
};

export const withFar = (clock: SimulatedClock, more: SubagentOptions = {}): SubagentOptions => ({
  ...more,
  tools: [farTool(clock)],
  defaultToolProfile: 'full',
});
