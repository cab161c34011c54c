import { createRuntime, defineAgent, defineTool, dispatched, ofType, spawned } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { filter, firstValueFrom } from 'rxjs';
import { z } from 'zod';

const researcher = defineAgent({ name: 'researcher', instructions: 'Find out.' });
const research = defineTool({
  name: 'research',
  description: 'Sends researchers off. What they find is told later.',
  inputSchema: z.object({ questions: z.array(z.string()) }),
  execute: ({ questions }, { view }) =>
    view.unit
      ? spawned(questions.map((job) => ({ agent: researcher, job })))
      : dispatched({
          data: null,
          answer: () => ({ content: 'Under way.' }),
          capacity: { key: 'research', max: 3, message: 'Three are under way already. Wait for one of them.' },
          budget: { tokens: 50_000, deadlineMs: 600_000 },
        }),
  settle: (reports) => ({ data: reports.map(({ text }) => text) }),
  completion: ({ status, text }) => `The research ${status}: ${text ?? 'nothing was found'}`,
});
const lead = defineAgent({ name: 'lead', instructions: 'Answer.', tools: [research] });

const provider = scriptedProvider(({ messages }, { agent }) => {
  const heard = String(messages.at(-1)?.content);
  if (agent === 'researcher') return { text: `${heard} Very.`, delayMs: 20 };
  if (heard.startsWith('Please')) return { calls: [{ name: 'research', arguments: { questions: ['High?', 'Far?'] } }] };
  return heard === 'Under way.' ? 'I will tell you.' : heard;
});
const runtime = createRuntime({ provider, model: 'scripted', agents: [lead, researcher] });
const later = firstValueFrom(
  runtime.events$.pipe(
    ofType('run.completed'),
    filter(({ runId }) => runId.startsWith('wake_')),
  ),
);

const session = runtime.session(lead, { sessionKey: 'chat 7' });
const run = await session.send('Please find out.');
console.log((await run.report).text, (await session.units()).length);
console.log((await later).text);
await runtime.close();
