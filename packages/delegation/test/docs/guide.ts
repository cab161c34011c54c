import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { createSubworkerTool } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';

const grep = defineTool({
  name: 'grep',
  description: 'Finds lines that hold a text.',
  inputSchema: z.object({ text: z.string() }),
  execute: ({ text }) => `src/main.ts:7: ${text}`,
});
const lead = defineAgent({
  name: 'lead',
  instructions: 'Give each question to a sub-worker of its own.',
  tools: [
    createSubworkerTool({ availableTools: [grep], allowedModels: ['small'], defaultModel: 'small', maxSubworkers: 2 }),
  ],
  budget: { tokens: 50_000, costUsd: 1 },
});

// A script stands in for the model: two sub-workers in one turn, one of which asks for a tool that it may not have.
const reader = {
  name: 'reader',
  instructions: 'Cite file and line.',
  task: 'Where is "main" called?',
  tools: ['grep'],
};
const writer = { ...reader, name: 'writer', tools: ['write'] };
const provider = scriptedProvider({
  lead: [
    { calls: [reader, writer].map((input) => ({ name: 'spawn_subworker', arguments: input })) },
    'In src/main.ts.',
  ],
  reader: [{ calls: [{ name: 'grep', arguments: { text: 'main()' } }] }, 'src/main.ts:7'],
});

const runtime = createRuntime({ provider, model: 'large' });
const report = await runtime.run(lead, 'Where is "main" called?');
for (const { status, result } of report.calls) console.log(status, result);
console.log(report.text);
await runtime.close();
