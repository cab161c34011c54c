import { createRuntime } from '@troupe/core';
import { createSubagentManager } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';

// A script stands in for the model: it answers with all that it was ever asked.
const provider = scriptedProvider(({ messages }) =>
  messages.flatMap(({ role, content }) => (role === 'user' ? [String(content)] : [])).join(' '),
);
const runtime = createRuntime({ provider, model: 'scripted' });
const manager = createSubagentManager(runtime);
manager.events$.subscribe(({ type, name }) => console.log(type, name));

await manager.spawn({ name: 'scout', task: 'Count the craters.', config: { role: 'researcher' } });
const [first] = await manager.collect({ timeoutMs: 5_000 });
console.log(first?.state, first?.result);

await manager.resume({ name: 'scout', task: 'Now the seas.' });
const [second] = await manager.collect({ timeoutMs: 5_000 });
console.log(second?.state, second?.result);
await runtime.close();
