/** What an app of `troupe agents` is made of: an agent, a manager of sub-agents and a model that follows a script. */
import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { createSubagentManager } from '@troupe/delegation';
import { type Message, textOfMessage } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { z } from 'zod';
import { deploy } from './deploy.ts';

const ask = defineTool({
  name: 'ask',
  description: 'Asks.',
  inputSchema: z.object({ user_input: z.string() }),
  askUser: true,
  prompt: 'Which colour?',
  execute: (input) => input.user_input,
});

const turnFor = (messages: readonly Message[]): Turn => {
  const last = messages.at(-1);
  const word = last ? textOfMessage(last) : '';
  if (last?.role === 'tool') return `The tool said: ${word}`;
  if (word === 'deploy') return { calls: [{ name: 'deploy', arguments: {} }] };
  if (word === 'ask') return { calls: [{ name: 'ask', arguments: {} }] };
  if (word === 'count') return '{"files":12}';
  if (word.startsWith('hang')) return { hang: true };
  if (word.startsWith('fail')) return { fault: { code: 'model.down', message: 'It is down.' } };
  return `done: ${word.split('\n')[0]}`;
};

export const openApp = () => {
  const provider = scriptedProvider(({ messages }) => turnFor(messages));
  const runtime = createRuntime({ provider, model: 'm', logger: { warn() {}, error() {} } });
  const manager = createSubagentManager(runtime, {
    tools: [deploy],
    toolProfiles: { core: ['deploy'] },
    approval: 'allow',
  });
  const agent = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [deploy, ask] });
  return { provider, runtime, manager, agent };
};
