// node test/crash/program.ts FOLDER MODEL_URL [last]
//
// A program that somebody kills: it takes up what it finds in FOLDER/runs.db and starts trees of twenty runs, one after another.
// With `last` it ends what it finds, and then itself. With a DATABASE_URL and a SCHEMA it is one of many, on machines of their own:
// what others hold it waits for until their leases have run out.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { createRuntime, defineAgent, defineTool, spawned } from '@troupe/core';
import { openai } from '@troupe/openai';
import { isLive } from '@troupe/protocol';
import { postgresStore } from '@troupe/store-postgres';
import { sqliteStore } from '@troupe/store-sqlite';
import { z } from 'zod';

const [folder = '', url = '', last] = process.argv.slice(2);

/** Writes once for each call: it must not run twice. */
const append = defineTool({
  name: 'append',
  description: 'Appends a line.',
  inputSchema: z.object({ line: z.string() }),
  execute: ({ line }, { key }) => {
    appendFileSync(join(folder, 'lines.txt'), `${key}\n`);
    return `appended ${line}`;
  },
});
const leaf = defineAgent({ name: 'leaf', instructions: 'Append.', tools: [append] });
const asking = (name: string, agent: typeof leaf, of: string) =>
  defineAgent({
    name,
    instructions: 'Ask.',
    tools: [
      defineTool({
        name: 'ask',
        description: 'Asks others.',
        inputSchema: z.object({ count: z.number() }),
        execute: ({ count }, { key }) =>
          spawned(Array.from({ length: count }, (_, n) => ({ agent, job: `${of} ${key} part ${n}` }))),
        settle: (reports) => ({ content: reports.map(({ status }) => status).join() }),
      }),
    ],
  });
const middle = asking('middle', leaf, 'leaf');
const lead = asking('lead', middle, 'middle');

const { DATABASE_URL: database, SCHEMA: schema = '' } = process.env;
const store = database === undefined ? sqliteStore(join(folder, 'runs.db')) : postgresStore({ url: database, schema });
const runtime = createRuntime({
  provider: openai({ apiKey: 'none', baseURL: url }),
  model: 'm',
  store,
  agents: [lead, middle, leaf],
  ...(database !== undefined && { leaseMs: 2_000 }),
});
runtime.events$.subscribe((event) => {
  if (!isLive(event)) appendFileSync(join(folder, 'told.txt'), `${event.id} ${event.rootSeq}\n`);
  // Nobody knows whether it was written: it is not written again.
  if (event.type === 'question.asked') void runtime.answer(event.question.id, false);
});

const { recovered, skipped } = await runtime.recover();
while (database !== undefined && skipped.length > 0) {
  await setTimeout(50);
  const more = await runtime.recover();
  recovered.push(...more.recovered);
  skipped.splice(0, skipped.length, ...more.skipped);
}
if (skipped.length > 0) throw new Error(`Skipped: ${JSON.stringify(skipped)}`);
process.stdout.write('ready\n');
for (const run of recovered) {
  for (const { id } of run.questions) await runtime.answer(id, false);
}
await Promise.all(recovered.map((run) => run.ended));
for (let n = (await runtime.runs.list({ limit: Number.MAX_SAFE_INTEGER })).length; !last; n++)
  await runtime.start(lead, `lead of tree ${n}`).ended;
await runtime.close();
await store.close();
