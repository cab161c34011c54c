import { createRuntime, defineAgent, memoryStore, ofType, type Runtime } from '@troupe/core';
import { createDelegateTool } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';
import { filter, firstValueFrom } from 'rxjs';

const store = memoryStore(); // in earnest: sqliteStore('runs.db')
const lead = defineAgent({ name: 'lead', instructions: 'Hand out what takes long.', tools: [createDelegateTool()] });
const tasks = [{ goal: 'Count the craters.' }, { goal: 'Count the seas.' }];
const open = (seas: string) =>
  createRuntime({
    store,
    leaseMs: 0,
    agents: [lead],
    model: 'scripted',
    provider: scriptedProvider(({ messages }, { agent }) => {
      const last = String(messages.at(-1)?.content);
      if (agent === 'task-1') return 'More than 9,000.';
      if (agent === 'task-2') return seas === '' ? { hang: true } : seas;
      if (last === 'Describe the Moon.') return { calls: [{ name: 'delegate_task', arguments: { tasks } }] };
      return last.includes('every task completed') ? 'Both have been counted.' : 'They are counting.';
    }),
  });

const answerOf = (name: string, { events$ }: Runtime) =>
  firstValueFrom(
    events$.pipe(
      ofType('run.completed'),
      filter(({ agent }) => agent === name),
    ),
  );

const before = open('');
const craters = answerOf('task-1', before);
const run = await before.session(lead, { sessionKey: 'chat 7' }).send('Describe the Moon.');
console.log((await run.report).text);
await craters;
await before.close({ runs: 'suspend' }); // or kill -9

const after = open('Fourteen.');
const told = answerOf('lead', after);
const { recovered } = await after.recover();
console.log(recovered.length, (await told).text);
await after.close();
