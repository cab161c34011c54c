import { createRuntime, defineAgent, memoryStore, ofType } from '@troupe/core';
import { createSubagentManager } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';
import { filter, firstValueFrom } from 'rxjs';

const store = memoryStore(); // in earnest: sqliteStore('runs.db')
const lead = defineAgent({ name: 'lead', instructions: 'Talk to the user.' });

/** What each process does: the same runtime, with the same agents, and a manager. */
const open = (isUp: boolean) => {
  const provider = scriptedProvider(({ messages }, { agent }) => {
    const asked = messages.flatMap(({ role, content }) => (role === 'user' ? [String(content)] : []));
    if (agent === 'scout') return isUp ? `I was asked: ${asked.join(' ')}` : { hang: true };
    return String(asked.at(-1)?.split('\n').at(-1));
  });
  const runtime = createRuntime({ provider, model: 'scripted', store, leaseMs: 0, agents: [lead] });
  const told = () =>
    firstValueFrom(
      runtime.events$.pipe(
        ofType('run.completed'),
        filter(({ runId }) => runId.startsWith('wake_')),
      ),
    );
  return { runtime, told, manager: createSubagentManager(runtime) };
};

const before = open(false);
await (await before.runtime.session(lead, { sessionKey: 'chat 7' }).send('Hello.')).report;
await before.manager.spawn({ name: 'scout', task: 'Count the craters.', scope: 'chat 7' });
await before.runtime.close({ runs: 'suspend' }); // or kill -9

const after = open(true);
await after.manager.ready;
const wake = after.told();
const { recovered } = await after.runtime.recover();
console.log(recovered.length, (await wake).text);

const next = after.told();
await after.manager.resume({ name: 'scout', task: 'Now the seas.', scope: 'chat 7' });
console.log((await next).text);
await after.runtime.close();
