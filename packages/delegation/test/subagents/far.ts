/** Sub-agents that have something done in the background. */
import { defineTool, dispatched, memoryStore } from '@troupe/core';
import type { SubagentOptions } from '@troupe/delegation';
import type { Message } from '@troupe/protocol';
import type { Turn } from '@troupe/testing';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { type Office, openOffice } from './office.ts';

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

/** An office whose sub-agents do. */
export const openFar = (options: Parameters<typeof openOffice>[0] = {}): Office => {
  const { clock = new SimulatedClock() } = options;
  return openOffice({ clock, script: goingFar, ...options, manager: withFar(clock, options.manager) });
};

/** A store that several processes use: each hears within 200 ms that there may be something new. */
export const shared = (clock: SimulatedClock) => {
  const base = memoryStore({ now: () => clock.now() });
  const changes = (heard: () => void) => {
    let timer: unknown;
    const wait = (): void => {
      timer = clock.setTimeout(() => {
        heard();
        wait();
      }, 200);
    };
    wait();
    return () => clock.clearTimeout(timer as number);
  };
  return { ...base, changes };
};

/** What can be collected. */
export const results = async ({ manager }: Pick<Office, 'manager'>) =>
  (await manager.collect()).map(({ result }) => result);
/** Who is stored. */
export const members = async ({ memory }: Pick<Office, 'memory'>) =>
  (await memory.search('subagents:subagents', '', { limit: 100 })).map(({ key }) => key);
