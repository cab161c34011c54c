// One agent, one child, every event. Runs offline: the model is a script.
import { createRuntime, defineAgent } from '@troupe/core';
import { createSubworkerTool } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';

const ask = { name: 'scout', instructions: 'Be brief.', task: 'What is 6 × 7?' };
const provider = scriptedProvider({
  lead: [{ calls: [{ name: 'spawn_subworker', arguments: ask }] }, 'The scout says 42.'],
  scout: ['42'],
});
const lead = defineAgent({ name: 'lead', instructions: 'Delegate.', tools: [createSubworkerTool()] });
const runtime = createRuntime({ provider, model: 'scripted' }); // with a key: provider: openai(), model: 'gpt-5-mini'
const run = runtime.start(lead, 'Ask a scout what 6 × 7 is.');
for await (const event of run) if (event.type.startsWith('run.')) console.log(event.agent, event.type);
console.log((await run.report).text);
