import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { createDelegateTool, type DelegateResult } from '@troupe/delegation';
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
  instructions: 'Hand out what can be worked on by itself.',
  tools: [grep, createDelegateTool({ background: false, maxIterations: 10 })],
});

// A script stands in for the model. The child's agent is called task-1.
const task = { goal: 'Find where "main" is called.', context: 'TypeScript, below src/. Cite file and line.' };
const provider = scriptedProvider({
  lead: [{ calls: [{ name: 'delegate_task', arguments: task }] }, 'In src/main.ts.'],
  'task-1': [{ calls: [{ name: 'grep', arguments: { text: 'main()' } }] }, 'It is called in src/main.ts:7.'],
});

const runtime = createRuntime({ provider, model: 'large' });
const { text, calls } = await runtime.run(lead, 'Where is "main" called?');
const { results } = calls[0]!.data as DelegateResult;
for (const { status, summary, api_calls, tool_trace } of results)
  console.log(status, summary, api_calls, JSON.stringify(tool_trace));
console.log(text);
await runtime.close();
