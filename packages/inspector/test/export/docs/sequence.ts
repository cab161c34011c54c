import { createRuntime, defineAgent, memoryStore } from '@troupe/core';
import { toMermaidSequence } from '@troupe/inspector';
import { scriptedProvider } from '@troupe/testing';

const store = memoryStore();
const runtime = createRuntime({ provider: scriptedProvider(['42']), model: 'scripted', store });
const clerk = defineAgent({ name: 'clerk', instructions: 'Be brief.' });
const run = runtime.start(clerk, 'What is 6 times 7?', { runId: 'sum' });
await run.ended;
const events = [];
for await (const event of store.events({ rootId: 'sum' })) events.push(event);
console.log(toMermaidSequence(events));
await runtime.close();
