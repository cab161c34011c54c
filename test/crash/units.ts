// node test/crash/units.ts FOLDER [last]
//
// A program that somebody kills: its lead sends helpers off in the background, three times a conversation, and notes what it hears.
// With `last` it ends what it finds, and then itself.
import { join } from 'node:path';
import { createRuntime, defineAgent, defineTool, dispatched, spawned } from '@troupe/core';
import { unfinished } from '@troupe/protocol';
import { sqliteStore } from '@troupe/store-sqlite';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';

const [folder = '', last] = process.argv.slice(2);
const helper = defineAgent({ name: 'helper', instructions: 'Help.' });
const send = defineTool({
  name: 'send',
  description: 'Sends helpers off.',
  inputSchema: z.object({ jobs: z.array(z.string()) }),
  execute: ({ jobs }, { view }) =>
    view.unit
      ? spawned(jobs.map((job) => ({ agent: helper, job })))
      : dispatched({ data: null, answer: ({ runId }) => ({ content: runId }) }),
  settle: (reports) => ({ data: reports.map(({ text }) => text) }),
});
const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [send], budget: { turns: 50 } });
const provider = scriptedProvider(({ messages }, { agent }) => {
  if (agent === 'helper') return { text: 'Helped.', delayMs: 15 };
  const sent = messages.filter(({ calls }) => calls).length;
  return sent < 3
    ? { calls: [{ name: 'send', arguments: { jobs: ['a', 'b'] } }], delayMs: 5 }
    : { text: 'Noted.', delayMs: 5 };
});
const store = sqliteStore(join(folder, 'runs.db'));
const runtime = createRuntime({ provider, model: 'm', store, agents: [lead, helper] });
const { skipped } = await runtime.recover();
if (skipped.length > 0) throw new Error(`Skipped: ${JSON.stringify(skipped)}`);
process.stdout.write('ready\n');
const rows = () => runtime.runs.list({ limit: Number.MAX_SAFE_INTEGER });
for (let n = (await rows()).length; !last; n++) await runtime.start(lead, 'Go.', { runId: `lead${n}` }).ended;
const nothingLeft = (): boolean => store.sessionInbox().length === 0;
const nothingAtWork = (): boolean => store.list({ status: unfinished }).length === 0;
// Until nothing is at work, and nothing is left to tell. The store writes meanwhile: what a unit leaves as it ends is seen afterwards.
while (!(nothingLeft() && nothingAtWork() && nothingLeft())) await new Promise((resolve) => setTimeout(resolve, 20));
await runtime.close();
await store.close();
