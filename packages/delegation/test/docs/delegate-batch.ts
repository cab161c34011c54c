import { createRuntime, defineAgent } from '@troupe/core';
import { childProgress, completionLine, createDelegateTool, type DelegateResult } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';

const lead = defineAgent({
  name: 'lead',
  instructions: 'Hand out what can be worked on by itself.',
  tools: [createDelegateTool({ background: false })],
});

const tasks = ['Count the moons of Mars.', 'Count those of Venus.', 'Count those of Vulcan.'].map((goal) => ({ goal }));
const provider = scriptedProvider({
  lead: [
    { calls: [{ name: 'delegate_task', arguments: { tasks } }] },
    'Mars has two, Venus none; of Vulcan I know nothing.',
  ],
  'task-1': ['Two.'],
  'task-2': ['None.'],
  'task-3': [{ fault: { code: 'model.down', message: 'The model is down.' } }],
});

const runtime = createRuntime({ provider, model: 'scripted' });
runtime.events$.pipe(childProgress()).subscribe((event) => {
  if (event.type === 'child.complete') console.log(completionLine(event));
});
const { text, calls } = await runtime.run(lead, 'How many moons have they?');
const { results } = calls[0]!.data as DelegateResult;
for (const { status, exit_reason, summary, error } of results) console.log(status, exit_reason, summary ?? error);
console.log(calls[0]?.status, text);
await runtime.close();
