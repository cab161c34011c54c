// A typed tool, a typed answer, a budget. Runs offline.
import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { z } from 'zod';

const weather = defineTool({
  name: 'weather',
  description: 'The temperature in a city, in °C.',
  inputSchema: z.object({ city: z.string() }),
  outputSchema: z.object({ celsius: z.number() }),
  timeoutMs: 5_000,
  retries: 2,
  execute: ({ city }, { progress }) => {
    progress(`looking at ${city}`);
    return { celsius: city === 'Oslo' ? 4 : 19 };
  },
});

const reporter = defineAgent({
  name: 'reporter',
  instructions: 'Compare the cities. Answer as JSON.',
  tools: [weather],
  outputSchema: z.object({ warmer: z.string() }),
  budget: { turns: 4, toolCalls: 5, tokens: 10_000 },
});

const provider = scriptedProvider([
  {
    calls: [
      { name: 'weather', arguments: { city: 'Oslo' } },
      { name: 'weather', arguments: { city: 'Rome' } },
    ],
  },
  '{ "warmer": "Rome" }',
]);
const runtime = createRuntime({ provider, model: 'scripted' });
const { data, usage, calls } = await runtime.run(reporter, 'Which is warmer, Oslo or Rome?');
console.log(data?.warmer, calls.map(({ result }) => result).join(' '), `${usage.turns} turns`);
await runtime.close();
