import assert from 'node:assert/strict';
import { scriptedProvider } from '@troupe/testing';
import { SimulatedClock } from 'xstate';

const model = scriptedProvider({
  lead: [{ calls: [{ name: 'add', arguments: { a: 2, b: 3 } }] }, 'It is 5.'],
});

const request = { model: 'any', messages: [{ role: 'user' as const, content: 'What is 2 + 3?' }], tools: [] };
const context = { runId: 'r', rootId: 'r', agent: 'lead', turn: 1, depth: 0, key: 'r/1' };
const options = { signal: new AbortController().signal, clock: new SimulatedClock(), context };

const said: string[] = [];
for await (const part of model.takeTurn(request, options)) said.push(part.type);

assert.deepEqual(said, ['call', 'usage', 'finish']);
assert.equal(model.requests[0]?.request.messages[0]?.content, 'What is 2 + 3?');
