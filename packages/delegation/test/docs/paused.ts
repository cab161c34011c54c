import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { createSubworkerTool } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';

const deploy = defineTool({
  name: 'deploy',
  description: 'Deploys the build.',
  inputSchema: z.object({}),
  confirm: true,
  execute: () => 'deployed',
});
const lead = defineAgent({
  name: 'lead',
  instructions: 'Delegate.',
  tools: [createSubworkerTool({ availableTools: [deploy] })],
});
const spawn = { name: 'releaser', instructions: 'Release.', task: 'Deploy it.', tools: ['deploy'] };
const provider = scriptedProvider({
  lead: [{ calls: [{ name: 'spawn_subworker', arguments: spawn }] }, 'It waits for your approval.'],
  releaser: [{ calls: [{ name: 'deploy', arguments: {} }] }, 'It is out.'],
});

const runtime = createRuntime({ provider, model: 'scripted' });
const report = await runtime.run(lead, 'Release.');
for (const { runId, prompt } of report.questions) {
  console.log(report.text, prompt);
  console.log((await runtime.resume(runId, 'yes')).text);
}
await runtime.close();
