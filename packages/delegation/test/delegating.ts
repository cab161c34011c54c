/** What the tests of delegation begin with: a lead that may spawn, a model that follows a script, time that stands still. */
import { defineAgent, defineTool, type Report, type Tool } from '@troupe/core';
import type { EventOf, JSONValue, Message, RunEvent } from '@troupe/protocol';
import { type Script, type ScriptedCall, type ScriptedProvider, scriptedProvider, type Turn } from '@troupe/testing';
import { expect } from 'vitest';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { type Opened, openRuntime } from '../../../test/support/open-runtime.ts';
import { createSubworkerTool } from '../src/index.ts';

export { settle } from '../../../test/support/open-runtime.ts';

export type Troupe = Opened & { provider: ScriptedProvider; clock: SimulatedClock };

/** A runtime of `openRuntime`, on a simulated clock. */
export const open = (script: Script, options: Partial<Parameters<typeof openRuntime>[0]> = {}): Troupe => {
  const provider = scriptedProvider(script);
  const clock = new SimulatedClock();
  return { provider, clock, ...openRuntime({ provider, clock, ...options }) };
};

type AgentOptions = Partial<Omit<Parameters<typeof defineAgent>[0], 'instructions' | 'tools'>>;

/** An agent named `lead`, if nothing else is said, with these tools. */
export const leadWith = (tools: Tool | readonly Tool[], options: AgentOptions = {}) =>
  defineAgent({ name: 'lead', instructions: 'You lead.', tools: 'name' in tools ? [tools] : tools, ...options });

/** A call of `spawn_subworker`, complete unless told otherwise. */
export const spawn = (args: Record<string, unknown> = {}, tool = 'spawn_subworker'): ScriptedCall => ({
  name: tool,
  arguments: { name: 'helper', instructions: 'You help.', task: 'Help.', ...args },
});

/** A turn of nothing but calls. */
export const calling = (...calls: ScriptedCall[]) => ({ calls });

/** A tool that gives its own name, and may ask before. */
export const tool = (name: string, options: Partial<Parameters<typeof defineTool>[0]> = {}): Tool =>
  defineTool({
    description: `Does ${name}.`,
    inputSchema: z.object({}),
    execute: () => `${name} done`,
    ...options,
    name,
  });

/** A tool that a person must approve; counts how often it ran. */
export const asking = (name = 'deploy') => {
  const asks = { runs: 0, tool: tool(name, { confirm: true, prompt: `May I ${name}?` }) };
  const execute = () => {
    asks.runs += 1;
    return `${name} done`;
  };
  return Object.assign(asks, { tool: tool(name, { confirm: true, prompt: `May I ${name}?`, execute }) });
};

/** Requests of one agent, oldest first. */
export const requestsOf = ({ provider }: Pick<Troupe, 'provider'>, agent: string) =>
  provider.requests.filter(({ context }) => context.agent === agent);

/** Names of the tools that an agent was offered, turn by turn. */
export const offeredTo = (troupe: Pick<Troupe, 'provider'>, agent: string): string[][] =>
  requestsOf(troupe, agent).map(({ request }) => request.tools.map(({ name }) => name));

const toolTexts = (messages: readonly Message[]): string[] =>
  messages.filter(({ role }) => role === 'tool').map(({ content }) => String(content));

/** What the model of an agent was last shown of its calls. */
export const shownTo = (troupe: Pick<Troupe, 'provider'>, agent = 'lead'): string[] =>
  toolTexts(requestsOf(troupe, agent).at(-1)?.request.messages ?? []);

export const eventsOf = <T extends RunEvent['type']>({ events }: Pick<Troupe, 'events'>, ...types: T[]) =>
  events.filter((event): event is EventOf<T> => (types as string[]).includes(event.type));

/** The error sentence of a call that failed, as its model reads it. */
export const errorIn = (text: string | undefined): string => JSON.parse(text ?? '{}').error;

/** The data of the n-th call, having made sure that model, report and event are told the same. */
export const dataOf = (
  troupe: Pick<Troupe, 'events'>,
  report: Pick<Report, 'runId' | 'calls' | 'messages'>,
  n = 0,
): JSONValue | undefined => {
  const call = report.calls[n];
  const text = toolTexts(report.messages)[n] ?? '';
  const event = eventsOf(troupe, 'call.completed', 'call.failed').filter(({ runId }) => runId === report.runId)[n];
  const shown = call?.status === 'ok' ? JSON.parse(text.slice(text.lastIndexOf('\n\n') + 2)) : JSON.parse(text).data;
  expect([call?.result, event?.result]).toEqual([text, text]);
  expect([shown, event?.data]).toEqual([call?.data, call?.data]);
  return call?.data;
};

/** Ids of the runs that an agent had, oldest first. */
export const runsOf = (troupe: Pick<Troupe, 'events'>, agent: string): string[] => [
  ...new Set(troupe.events.filter((event) => event.agent === agent).map(({ runId }) => runId)),
];

/** The helper that `startAsking` starts, and its first question. */
export const helperId = 'root/1-0/0';
export const questionId = `${helperId}/1-0?`;

/** A helper's turns: it deploys, which a person must approve, and goes on like this. */
export const deploying = (...more: Turn[]): Turn[] => [calling({ name: 'deploy', arguments: {} }), ...more];

/** Starts a run named `root` of a lead that goes on like this while its helper waits for a person. */
export const startAsking = (lead: readonly Turn[] = ['Done.'], helper: readonly Turn[] = deploying('Deployed.')) => {
  const asked = asking();
  const troupe = open({ lead: [calling(spawn({ tools: ['deploy'] })), ...lead], helper });
  const agent = leadWith(createSubworkerTool({ availableTools: [asked.tool] }));
  return { troupe, asked, run: troupe.runtime.start(agent, 'Go.', { runId: 'root' }) };
};
