/** An agent file: a lead with a child, tools that ask and tools that take their time, and a model that follows a script. */
import { defineAgent, defineTool } from '@troupe/core';
import { createSubworkerTool } from '@troupe/delegation';
import { type Message, textOfMessage } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { z } from 'zod';
import { deploy } from './deploy.ts';

const ask = defineTool({
  name: 'ask',
  description: 'Asks.',
  inputSchema: z.object({ user_input: z.unknown() }),
  askUser: true,
  prompt: 'Which colour?',
  execute: ({ user_input }) => JSON.stringify(user_input),
});

/** Works until it is interrupted. */
const dig = defineTool({
  name: 'dig',
  description: 'Digs.',
  inputSchema: z.object({}),
  execute: (_input, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('Stopped.')), { once: true });
    }),
});

/** Works, does not mind that it is interrupted, and keeps its process busy. */
const stay = defineTool({
  name: 'stay',
  description: 'Stays.',
  inputSchema: z.object({}),
  idempotent: true,
  execute: () =>
    new Promise<string>((resolve) => setTimeout(resolve, Number(process.env.STAY_MS ?? 600_000), 'stayed')),
});

const parts = (n: number, tool: string): Turn => ({
  calls: Array.from({ length: n }, (_, i) => ({
    name: 'spawn_subworker',
    arguments: { name: `part ${i + 1}`, instructions: 'Do it.', task: tool, tools: [tool] },
  })),
});

const turnFor = (messages: readonly Message[]): Turn => {
  const last = messages.at(-1);
  const text = last ? textOfMessage(last) : '';
  if (last?.role === 'tool') return `Done: ${text}`;
  const [word = '', n = '1'] = text.split(' ');
  if (word === 'fail') return { fault: { code: 'model.down', message: 'It is down.' } };
  if (word === 'hang') return { hang: true };
  if (word === 'split') return parts(Number(n), 'dig');
  if (word === 'team') return parts(Number(n), 'deploy');
  if (['deploy', 'ask', 'dig', 'stay'].includes(word)) return { calls: [{ name: word, arguments: {} }] };
  return `You said: ${text}`;
};

export default {
  agent: defineAgent({
    name: 'lead',
    instructions: 'Lead.',
    tools: [deploy, ask, dig, stay, createSubworkerTool({ availableTools: [dig, deploy], onPaused: 'bubble' })],
  }),
  agents: [defineAgent({ name: 'clerk', instructions: 'Write.' })],
  provider: scriptedProvider(({ messages }) => turnFor(messages)),
  model: 'scripted',
};
