import { createRuntime, defineAgent } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { filter, firstValueFrom } from 'rxjs';

const provider = scriptedProvider(({ messages }, { agent }) => `${agent} heard: ${String(messages.at(-1)?.content)}`);
const runtime = createRuntime({ provider, model: 'scripted' });
const specialist = runtime.defineAgents('specialists', (data) => {
  const { name, subject } = data as { name: string; subject: string };
  return defineAgent({ name, instructions: `You know all about ${subject}.` });
});
await runtime.recover();

const bees = { name: 'ada', subject: 'bees' };
const session = runtime.session(specialist(bees), { sessionKey: 'chat 8' });
console.log((await (await session.send('Do bees sleep?')).report).text);

const woken = firstValueFrom(
  runtime.events$.pipe(filter(({ type, runId }) => type === 'run.completed' && runId === 'wake_mail-1')),
);
await session.deliver({ id: 'mail-1', text: 'A letter has come.', metadata: { replyTo: 'bob' } });
await session.deliver({ id: 'mail-1', text: 'A letter has come.' });
await woken;
const [run] = await runtime.runs.list({ sentTo: 'chat 8', limit: 1 });
console.log(session.messages.at(-1)?.content, JSON.stringify(run?.job.metadata), JSON.stringify(run?.made));
await runtime.close();
