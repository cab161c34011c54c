// node alive.ts PATH
//
// A program that does nothing but wait for a child that another process executes, and then for a person.
import { createRuntime, defineAgent, defineTool, inlinePlacement, spawned } from '@troupe/core';
import { sqliteStore } from '@troupe/store-sqlite';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';

const leaf = defineAgent({ name: 'leaf', instructions: '' });
const delegate = defineTool({
  name: 'delegate',
  description: '',
  inputSchema: z.object({}),
  execute: () => spawned([{ agent: leaf, job: 'go' }]),
  settle: ([report]) => ({ content: report?.text ?? '' }),
});
const lead = defineAgent({ name: 'lead', instructions: '', tools: [delegate] });
const store = sqliteStore({ path: process.argv[2] ?? '', durability: 'normal' });
const runtime = createRuntime({
  provider: scriptedProvider(({ messages }, { agent }) => {
    if (agent === 'leaf') return 'done';
    return messages.at(-1)?.role === 'tool' ? 'over' : { calls: [{ name: 'delegate', arguments: {} }] };
  }),
  model: 'scripted',
  agents: [lead, leaf],
  store,
  placement: inlinePlacement(),
});
if (process.argv[3] === 'serve') await runtime.serve();
const { text } = await runtime.start(lead, 'go').report;
console.log(JSON.stringify(text));
await runtime.close();
await store.close();
