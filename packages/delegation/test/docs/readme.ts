import { createRuntime, defineAgent } from '@troupe/core';
import { createSubworkerTool } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';

const spawn = { name: 'scout', instructions: 'Be brief.', task: 'What is the largest moon of Saturn?' };
const provider = scriptedProvider({
  lead: [{ calls: [{ name: 'spawn_subworker', arguments: spawn }] }, 'It is Titan.'],
  scout: ['Titan.'],
});

const lead = defineAgent({ name: 'lead', instructions: 'Ask scouts.', tools: [createSubworkerTool()] });
const runtime = createRuntime({ provider, model: 'scripted' });
const report = await runtime.run(lead, 'Which moon of Saturn is the largest?');
console.log(report.text, report.children[0]?.status);
await runtime.close();
