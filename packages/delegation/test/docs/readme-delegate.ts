import { createRuntime, defineAgent } from '@troupe/core';
import { createDelegateTool } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';

const goal = { goal: 'Which is the largest moon of Saturn?' };
const provider = scriptedProvider({
  lead: [{ calls: [{ name: 'delegate_task', arguments: goal }] }, 'It is Titan.'],
  'task-1': ['Titan.'],
});

const lead = defineAgent({
  name: 'lead',
  instructions: 'Hand out work.',
  tools: [createDelegateTool({ background: false })],
});
const runtime = createRuntime({ provider, model: 'scripted' });
const report = await runtime.run(lead, 'Which moon of Saturn is the largest?');
console.log(report.text, report.children[0]?.agent);
await runtime.close();
