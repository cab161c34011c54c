/** A program that can be killed: its model follows a script by what was said before, so that it says the same in every life. */
import {
  type AnyAgent,
  createRuntime,
  defineTool,
  type RuntimeOptions,
  type Tool,
  type ToolOptions,
} from '@troupe/core';
import type { MemoryStore, RunStore } from '@troupe/protocol';
import { type Life, scriptedProvider, type Turn } from '@troupe/testing';
import { z } from 'zod';

export type AnyStore = RunStore & MemoryStore;
export type AnyLife = Life<AnyStore>;

export const silent = { warn: () => {}, error: () => {} };
export const numbered = z.object({ n: z.number() });

/** A turn that calls tools, each with one number. */
export const calls = (...of: [tool: string, n: number][]): Turn => ({
  calls: of.map(([name, n], i) => ({ id: `c${i}`, name, arguments: { n } })),
});

/** What each agent says, turn by turn. */
export type Turns = Record<string, readonly Turn[]>;

const playing = (turns: Turns) =>
  scriptedProvider(({ messages, model }, { agent, key }) => {
    if (key.endsWith('/summary')) return 'So far: nothing much.';
    const said = messages.filter(({ role }) => role === 'assistant').length;
    const notes = messages.filter(({ content }) => String(content).startsWith('Summary of')).length;
    return (
      turns[agent]?.[said + notes] ?? { throws: new Error(`${agent} has nothing to say in turn ${said}, ${model}.`) }
    );
  });

/** A tool whose effect lasts: it is noted as `<name> <key>`. */
export const effect = (life: AnyLife, name: string, options: Partial<ToolOptions<typeof numbered>> = {}): Tool =>
  defineTool({
    name,
    description: name,
    inputSchema: numbered,
    idempotent: true,
    execute: async ({ n }, { key }) => {
      await life.happens(`${name} ${key}`);
      return `${name} ${n}`;
    },
    ...options,
  });

/** A runtime for one life, and the agent it starts. */
export const program = (
  life: AnyLife,
  lead: AnyAgent,
  turns: Turns,
  { agents = [], ...options }: Partial<RuntimeOptions> = {},
) => {
  const runtime = createRuntime({
    provider: life.model(playing(turns)),
    model: 'm',
    store: life.store,
    clock: life.clock,
    leaseMs: 0,
    logger: silent,
    agents: [lead, ...agents],
    ...options,
  });
  return { ...runtime, start: () => runtime.start(lead, 'go', { runId: 'root' }) };
};
