import { createRuntime } from '@troupe/core';
import { createSubagentManager, readSubagentFiles } from '@troupe/delegation';
import { scriptedProvider } from '@troupe/testing';

// Texts by their paths, as here, or a folder: subagentFolder('/home/me/workspace').
const scout = { agent_name: 'scout', spawn_mode: 'session', state: 'running', task: 'Count the craters.' };
const said = [
  { role: 'user', content: 'Count the craters.' },
  { role: 'assistant', content: 'More than 9,000.' },
];
const { records, notes } = await readSubagentFiles({
  'subagents/runs.json': JSON.stringify({ version: 1, runs: { sub_0123456789: scout } }),
  'sessions/subagent-sub_0123456789.jsonl': said.map((message) => JSON.stringify(message)).join('\n'),
});
console.log(records.length, notes.join());

const provider = scriptedProvider(({ messages }) =>
  messages.flatMap(({ role, content }) => (role === 'system' ? [] : [String(content)])).join(' '),
);
const runtime = createRuntime({ provider, model: 'scripted' });
const manager = createSubagentManager(runtime);
const { adopted } = await manager.adopt(records);
await manager.resume({ name: 'scout', task: 'Now the seas.' });
const [result] = await manager.collect({ timeoutMs: 5_000 });
console.log(adopted, result?.result);
await runtime.close();
