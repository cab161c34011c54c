/** A runtime with a manager of sub-agents, a scripted model and a clock that is moved by hand. */
import { createRuntime, defineAgent, defineTool, memoryStore, type RuntimeOptions } from '@troupe/core';
import { createSubagentManager, type SubagentEvent, type SubagentOptions } from '@troupe/delegation';
import type { MemoryStore, Message, RunEvent, RunStore } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';

const silent = { warn() {}, error() {} };

/** The last thing that was said to a model. */
const wordOf = (messages: readonly Message[]): string =>
  String(messages.findLast(({ role }) => role === 'user')?.content ?? '');

const echo = (word: string): Turn => {
  if (word.startsWith('hang')) return { hang: true };
  if (word.startsWith('fail')) return { fault: { code: 'model.down', message: 'It is down.' } };
  if (word.startsWith('slow')) return { text: `done: ${word}`, delayMs: 1_000 };
  return `done: ${word}`;
};

const names = ['shell', 'read_file', 'write_file', 'edit_file', 'list_dir', 'web_search', 'web_fetch'];
const tools = names.map((name) =>
  defineTool({ name, description: name, inputSchema: z.object({}), execute: () => `${name}: done` }),
);

/** The user's own agent. */
export const lead = defineAgent({ name: 'lead', instructions: 'Lead.' });

export type Office = ReturnType<typeof openOffice>;

/** @param options.script What the models say; default: `done: <what they were asked>`, unless that says `hang`, `fail` or `slow`. */
export const openOffice = ({
  script,
  manager: managerOptions = {},
  clock = new SimulatedClock(),
  ...options
}: Partial<RuntimeOptions> & {
  clock?: SimulatedClock;
  manager?: SubagentOptions;
  script?: (word: string, agent: string, messages: readonly Message[]) => Turn | undefined;
} = {}) => {
  const { store = memoryStore(), memory = store as RunStore & MemoryStore } = options;
  const provider = scriptedProvider(({ messages }, { agent }) => {
    const word = wordOf(messages);
    return script?.(word, agent, messages) ?? echo(word);
  });
  const runtime = createRuntime({ provider, model: 'm', clock, store, agents: [lead], logger: silent, ...options });
  const manager = createSubagentManager(runtime, { tools, ...managerOptions });
  const told: SubagentEvent[] = [];
  const events: RunEvent[] = [];
  manager.events$.subscribe((event) => told.push(event));
  runtime.events$.subscribe((event) => events.push(event));
  return { runtime, manager, clock, provider, store, memory, told, events };
};

/** Lets everything happen that can happen now. */
export const settle = async (turns = 50): Promise<void> => {
  for (let i = 0; i < turns; i++) await new Promise<void>((resolve) => setImmediate(resolve));
};

/** The same, while time goes on. */
export const pass = async ({ clock }: Pick<Office, 'clock'>, ms: number): Promise<void> => {
  await settle();
  clock.increment(ms);
  await settle();
};

/** How it was told. */
export const lines = ({ told }: Pick<Office, 'told'>): string[] => told.map(({ type, label }) => `${type} ${label}`);
