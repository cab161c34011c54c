import { consoleSink, createRuntime, defineAgent, defineTool, jsonlSink, readJsonl } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';

const add = defineTool({
  name: 'add',
  description: 'Adds two numbers.',
  inputSchema: z.object({ a: z.number(), b: z.number() }),
  execute: ({ a, b }) => a + b,
});
const clerk = defineAgent({ name: 'clerk', instructions: 'Reckon.', tools: [add] });
const provider = scriptedProvider([{ calls: [{ name: 'add', arguments: { a: 2, b: 3 } }] }, 'It is 5.']);
const runtime = createRuntime({ provider, model: 'scripted' });

runtime.events$.subscribe(consoleSink());
const file = jsonlSink('runs.jsonl');
runtime.events$.subscribe(file);

await runtime.run(clerk, 'What is 2 + 3?', { runId: 'sum' });
await runtime.close();
await file.closed;

let tokens = 0;
for await (const event of readJsonl('runs.jsonl'))
  if (event.type === 'turn.completed') tokens += event.usage.outputTokens;
console.log('The file tells of', tokens, 'tokens.');
