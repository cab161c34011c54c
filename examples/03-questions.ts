// A call that a person must approve, two levels down: asked at the root, answered by its id. Runs offline.
import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { createSubworkerTool } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';

const remove = defineTool({
  name: 'remove',
  description: 'Deletes a file.',
  inputSchema: z.object({ path: z.string() }),
  confirm: ({ path }) => !path.startsWith('tmp/'),
  execute: ({ path }) => `${path} is gone`,
});
const spawn = createSubworkerTool({ availableTools: [remove], onPaused: 'bubble' });
const lead = defineAgent({ name: 'lead', instructions: 'Have it cleaned up.', tools: [spawn] });

const ask = { name: 'cleaner', instructions: 'Clean up.', task: 'Remove notes.txt.', tools: ['remove'] };
const provider = scriptedProvider({
  lead: [{ calls: [{ name: 'spawn_subworker', arguments: ask }] }, 'All clean.'],
  cleaner: [{ calls: [{ name: 'remove', arguments: { path: 'notes.txt' } }] }, 'Removed.'],
});
const runtime = createRuntime({ provider, model: 'scripted' });
const run = runtime.start(lead, 'Clean up.');

const waiting = await run.report;
const [question] = waiting.questions;
console.log(waiting.status, question?.prompt, question?.options.join('/'));
if (question) console.log((await run.answer(question.id, 'yes')).status);
console.log((await run.report).text);
await runtime.close();
