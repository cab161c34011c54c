// agents.mjs
import { defineAgent, defineTool } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';

const deploy = defineTool({
  name: 'deploy',
  description: 'Deploys the program.',
  inputSchema: z.object({}),
  confirm: true,
  prompt: 'May I deploy?',
  execute: () => 'deployed',
});
const call = { calls: [{ name: 'deploy', arguments: {} }] };

export default {
  agent: defineAgent({ name: 'clerk', instructions: 'Do what you are asked.', tools: [deploy] }),
  // without these two lines: a real model
  provider: scriptedProvider(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'It is deployed.' : call)),
  model: 'scripted',
};
