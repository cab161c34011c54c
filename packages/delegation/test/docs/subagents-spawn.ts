import { createRuntime, defineAgent, ofType } from '@troupe/core';
import { createSpawnTool, createSubagentManager } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';
import { filter, firstValueFrom } from 'rxjs';

const spawn = createSpawnTool(() => manager);
const lead = defineAgent({ name: 'lead', instructions: 'Hand out what takes long.', tools: [spawn] });

// A script stands in for the model. The sub-agent's agent is called by its role.
const task = { action: 'spawn', role: 'researcher', task: 'Count the craters of the Moon.' };
const provider = scriptedProvider(({ messages }, { agent }) => {
  const last = messages.at(-1);
  if (agent === 'researcher') return { text: 'More than 9,000.', delayMs: 10 };
  if (last?.role === 'tool') return 'Somebody is counting.';
  if (last?.content === 'How many are there?') return { calls: [{ name: 'spawn', arguments: task }] };
  return 'There are more than 9,000.';
});

const runtime = createRuntime({ provider, model: 'scripted', agents: [lead] });
const manager = createSubagentManager(runtime, { tools: [spawn] });

const later = firstValueFrom(
  runtime.events$.pipe(
    ofType('run.completed'),
    filter(({ runId }) => runId.startsWith('wake_')),
  ),
);
const session = runtime.session(lead, { sessionKey: 'chat 7' });
const { text } = await (await session.send('How many are there?')).report;
console.log(text);
console.log((await later).text);
const { recent } = await manager.status();
console.log(recent.map(({ label, state }) => `${label} ${state}`).join());
await runtime.close();
