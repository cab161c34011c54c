import { createRuntime, defineAgent, ofType } from '@troupe/core';
import { createDelegateTool } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';
import { filter, firstValueFrom, take, toArray } from 'rxjs';

const lead = defineAgent({ name: 'lead', instructions: 'Hand out what takes long.', tools: [createDelegateTool()] });

// A script stands in for the model. What a session is woken with is the last message of its lead.
const task = { goal: 'Count the craters of the Moon.' };
const provider = scriptedProvider(({ messages }, { agent }) => {
  const last = messages.at(-1);
  if (agent === 'task-1') return { text: 'More than 9,000.', delayMs: 10 };
  if (last?.role === 'tool') return 'Somebody is counting.';
  if (last?.content === 'How many are there?') return { calls: [{ name: 'delegate_task', arguments: task }] };
  return `I was told:\n${String(last?.content)}`;
});

const runtime = createRuntime({ provider, model: 'scripted' });
const answers = firstValueFrom(
  runtime.events$.pipe(
    ofType('run.completed'),
    filter(({ agent }) => agent === 'lead'),
    take(2),
    toArray(),
  ),
);
const session = runtime.session(lead, { sessionKey: 'chat 7' });
await session.send('How many are there?');
for (const event of await answers) console.log(event.text);
await runtime.close();
