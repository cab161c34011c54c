/** A tool that delegates as `delegate_task` does: its call is its children, and each child's job says which one it is. */
import { type AnyAgent, defineAgent, defineTool, type Report, spawned, type Tool } from '@troupe/core';
import type { RunEvent } from '@troupe/protocol';
import type { ScriptedCall } from '@troupe/testing';
import type { Observable } from 'rxjs';
import { z } from 'zod';
import { tool } from './delegating.ts';

type Task = { agent: string; goal: string };

/** Tools of every child. */
const childTools = ['read', 'write', 'grep', 'ls', 'cat', 'sed'].map((name) =>
  tool(name, { inputSchema: z.object({ path: z.string().optional() }) }),
);

/** An agent that does a task. */
export const worker = (name: string, options: Partial<Parameters<typeof defineAgent>[0]> = {}): AnyAgent =>
  defineAgent({ name, instructions: 'You work.', tools: childTools, ...options } as never);

type BatchOptions = {
  role?: 'leaf' | 'orchestrator';
  reports?: Report[][];
  budget?: object;
  onPaused?: 'error' | 'bubble';
};

/** @param options.reports Every list of reports that the tool was given to settle. */
export const batchTool = (
  agents: readonly AnyAgent[],
  { role = 'leaf', reports, budget, onPaused }: BatchOptions = {},
): Tool =>
  defineTool({
    name: 'batch',
    description: 'Delegates.',
    inputSchema: z.object({ tasks: z.array(z.object({ agent: z.string(), goal: z.string() })) }),
    execute: ({ tasks }) =>
      spawned(
        tasks.map(({ agent, goal }, index) => ({
          agent: agents.find(({ name }) => name === agent) ?? worker(agent),
          job: { input: goal, metadata: { delegation: { index, count: tasks.length, role } } },
          ...(budget && { budget }),
          ...(onPaused && { onPaused }),
        })),
      ),
    settle: (given) => {
      reports?.push(given);
      return { content: given.map(({ status }) => status).join(', ') };
    },
  });

/** A call of `batch`. */
export const delegate = (...tasks: Task[]): ScriptedCall => ({ name: 'batch', arguments: { tasks } });

/** A call of a child's tool. */
export const use = (name: string, path?: string): ScriptedCall => ({ name, arguments: path ? { path } : {} });

/** Everything a stream tells from now on. */
export const heard = <T>(stream$: Observable<T>): T[] => {
  const told: T[] = [];
  stream$.subscribe((value) => {
    told.push(value);
  });
  return told;
};

/** Events as a stream tells them again: without those that were never stored. */
export const storedOnly = (events: readonly RunEvent[]): RunEvent[] => events.filter((event) => !('live' in event));
