/** An agent file for workers: leads that leave their children to others, and a model that follows a script. */
import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { defineAgent, defineTool, spawned } from '@troupe/core';
import { type Message, textOfMessage } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { z } from 'zod';
import { deploy } from '../deploy.ts';

/** Digs until there is a file `open` in the folder, unless it is interrupted. */
const dig = defineTool({
  name: 'dig',
  description: 'Digs.',
  inputSchema: z.object({}),
  idempotent: true,
  execute: async (_input, { signal }) => {
    while (!existsSync('open')) await setTimeout(20, undefined, { signal });
    return 'dug';
  },
});

const digger = defineAgent({ name: 'digger', instructions: 'Dig.', tools: [dig, deploy] });
/** Left to those alone who serve the queue `gpu`. */
const painter = defineAgent({ name: 'painter', instructions: 'Paint.', placement: { queue: 'gpu' } });

const delegate = defineTool({
  name: 'delegate',
  description: 'Delegates.',
  inputSchema: z.object({ jobs: z.array(z.string()) }),
  execute: ({ jobs }) =>
    spawned(jobs.map((job) => ({ agent: job === 'paint' ? painter : digger, job, onPaused: 'bubble' }))),
  settle: (reports) => ({ content: reports.map(({ text, exitReason }) => text ?? exitReason).join(', ') }),
});

const turnFor = (messages: readonly Message[], agent: string): Turn => {
  const last = messages.at(-1);
  const text = last ? textOfMessage(last) : '';
  if (agent === 'lead')
    return last?.role === 'tool'
      ? `All: ${text}`
      : { calls: [{ name: 'delegate', arguments: { jobs: text.split(' ') } }] };
  if (last?.role === 'tool') return text;
  return text === 'paint' ? 'painted' : { calls: [{ name: text, arguments: {} }] };
};

const only = process.env.ONLY_AGENT;

export default {
  agent: defineAgent({ name: 'lead', instructions: 'Lead.', tools: [delegate] }),
  agents: [digger, painter].filter(({ name }) => only === undefined || name === only),
  provider: scriptedProvider(({ messages }, { agent }) => turnFor(messages, agent)),
  model: 'scripted',
  ...(process.env.LEASE_MS && { leaseMs: Number(process.env.LEASE_MS) }),
};
