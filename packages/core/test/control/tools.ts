/** Tools and turns that the tests of this folder share. */
import { type AnyAgent, defineTool, type Run, spawned, type Tool, type ToolContext } from '@troupe/core';
import type { Budget, EventOf, Report, RunEvent } from '@troupe/protocol';
import { z } from 'zod';

export const nothing = z.object({});

/** A turn that calls tools by name, without arguments. */
export const calling = (...names: string[]) => ({ calls: names.map((name) => ({ name, arguments: {} })) });

/** A tool that gives its own name. */
export const plain = (name: string, options: Partial<Parameters<typeof defineTool>[0]> = {}): Tool =>
  defineTool({
    name,
    description: `Does ${name}`,
    inputSchema: nothing,
    execute: () => `${name} done`,
    ...options,
  });

/** A tool that a person must approve, and how often it ran. */
export const guardedTool = (name = 'erase'): { tool: Tool; ran: () => number } => {
  let ran = 0;
  const tool = defineTool({
    name,
    description: `Does ${name}`,
    inputSchema: nothing,
    confirm: true,
    execute: () => {
      ran += 1;
      return `${name} done`;
    },
  });
  return { tool, ran: () => ran };
};

/** A tool whose calls end when the test says so. It does not look at its signal. */
export const gatedTool = (name: string) => {
  const open: { finish(result?: string): void; context: ToolContext }[] = [];
  const tool = defineTool({
    name,
    description: name,
    inputSchema: nothing,
    execute: (_input, context) =>
      new Promise<string>((resolve) => {
        open.push({ finish: (result = `${name} done`) => resolve(result), context });
      }),
  });
  return { tool, open };
};

type DelegateOptions = { name?: string; budget?: Budget; onPaused?: 'error' | 'bubble'; count?: number };

const say = (reports: Pick<Report, 'status' | 'text' | 'fault' | 'exitReason'>[]): string =>
  reports
    .map(({ status, text, exitReason, fault }) =>
      status === 'completed' ? text : `${status}: ${exitReason} ${fault?.code ?? ''}`.trim(),
    )
    .join(', ');

/** A tool whose call is its children. */
export const delegating = (
  agent: AnyAgent,
  { name = `ask_${agent.name}`, count = 1, ...request }: DelegateOptions = {},
): Tool =>
  defineTool({
    name,
    description: `Asks ${agent.name}`,
    inputSchema: nothing,
    execute: () => spawned(Array.from({ length: count }, () => ({ agent, job: 'work', ...request }))),
    settle: (reports) =>
      reports.every(({ status }) => status === 'completed')
        ? { content: say(reports) }
        : { error: say(reports), data: reports.map(({ runId, status }) => ({ run_id: runId, status })) },
  });

/** The same, waiting for its children in JavaScript. */
export const awaiting = (
  agent: AnyAgent,
  { name = `ask_${agent.name}`, count = 1, ...options }: DelegateOptions = {},
): Tool =>
  defineTool({
    name,
    description: `Asks ${agent.name}`,
    inputSchema: nothing,
    execute: async (_input, context) => {
      const runs: Run<unknown>[] = await Promise.all(
        Array.from({ length: count }, () => context.spawn(agent, 'work', options)),
      );
      const reports = await Promise.all(runs.map((run) => run.ended));
      return reports.every(({ status }) => status === 'completed') ? say(reports) : { error: say(reports) };
    },
  });

/** Stored events of one type. */
export const ofType = <T extends RunEvent['type']>(events: readonly RunEvent[], type: T): EventOf<T>[] =>
  events.filter((event): event is EventOf<T> => event.type === type);
