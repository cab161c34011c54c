/** A program of its own: its run asks a person, then wants two children, one after the other. It ends with it. */
import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { sqliteStore } from '@troupe/store-sqlite';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';
import { clerk, erase } from './clerk.ts';

const ask = defineTool({
  name: 'ask_clerk',
  description: 'Asks the clerk.',
  inputSchema: z.object({}),
  execute: async (_input, context) => (await (await context.spawn(clerk, 'go')).ended).text ?? 'nothing',
});
const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [erase, ask] });
const call = (name: string) => ({ calls: [{ name, arguments: {} }] });

const store = sqliteStore(process.argv[2] ?? '');
const provider = scriptedProvider({
  lead: [call('erase'), call('ask_clerk'), call('erase'), call('ask_clerk'), 'Done.'],
  clerk: ['Seen.'],
});
const runtime = createRuntime({ provider, model: 'test-model', store, agents: [lead, clerk] });
// Nothing else keeps a program alive that waits for a person.
const alive = setInterval(() => {}, 1_000);
await runtime.start(lead, 'go', { runId: 'led' }).ended;
clearInterval(alive);
await runtime.close();
await store.close();
