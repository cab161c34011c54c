/** Programs that are looked at: a real runtime whose model waits for the test. */
import { type AnyAgent, createRuntime, defineTool, type Runtime, type RuntimeOptions } from '@troupe/core';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { type InspectOptions, inspect } from '../src/index.ts';
import { until } from './page.ts';

const silent = { warn: () => {}, error: () => {} };

export const calling = (...names: string[]): Exclude<Turn, string> => ({
  calls: names.map((name) => ({ name, arguments: {} })),
});

/** A tool that starts an agent, and waits for it. */
export const asking = (agent: AnyAgent) =>
  defineTool({
    name: `ask_${agent.name}`,
    description: 'Asks',
    inputSchema: z.object({}),
    execute: async (_input, context) =>
      (await (await context.spawn(agent, `for ${agent.name}`)).ended).text ?? 'nothing',
  });

/** A runtime whose model says what the test says, when it says it: `say` waits until it is asked. */
export const openProgram = (options: Partial<RuntimeOptions> = {}) => {
  const waiting: { agent: string; resolve: (turn: Turn) => void }[] = [];
  const provider = scriptedProvider(
    (_request, context) => new Promise<Turn>((resolve) => waiting.push({ agent: context.agent, resolve })),
  );
  const runtime: Runtime = createRuntime({ provider, model: 'test-model', logger: silent, ...options });
  onTestFinished(() => runtime.close({ graceMs: 0 }));
  const say = async (turn: Turn, agent?: string): Promise<void> => {
    const at = await until(() => {
      const found = waiting.findIndex((each) => agent === undefined || each.agent === agent);
      return found >= 0 ? { found } : undefined;
    });
    waiting.splice(at.found, 1)[0]?.resolve(turn);
  };
  return { runtime, say, provider };
};

/** An inspector that closes with the test. */
export const inspected = async (runtime: Runtime, options: InspectOptions = {}) => {
  const inspector = await inspect(runtime, options);
  onTestFinished(() => inspector.close());
  return inspector;
};
