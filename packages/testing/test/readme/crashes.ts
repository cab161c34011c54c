import assert from 'node:assert/strict';
import { createRuntime, defineAgent, defineTool, memoryStore } from '@troupe/core';
import { exploreCrashes, scriptedProvider } from '@troupe/testing';
import { z } from 'zod';

const { crashes, commits } = await exploreCrashes({
  openStore: () => memoryStore(),
  program({ store, clock, model, happens }) {
    const pay = defineTool({
      name: 'pay',
      description: 'Pays.',
      inputSchema: z.object({ usd: z.number() }),
      execute: async ({ usd }, { key }) => {
        await happens(`paid ${key}`);
        return `paid ${usd}`;
      },
    });
    const clerk = defineAgent({ name: 'clerk', instructions: 'Pay.', tools: [pay] });
    const provider = scriptedProvider(({ messages }) =>
      messages.some(({ role }) => role === 'tool') ? 'Done.' : { calls: [{ name: 'pay', arguments: { usd: 5 } }] },
    );
    const runtime = createRuntime({ provider: model(provider), model: 'm', store, clock, agents: [clerk], leaseMs: 0 });
    return Object.assign(runtime, { clerk });
  },
  start: (program) => program.start(program.clerk, 'Pay 5 dollars.', { runId: 'payment' }),
  person: () => false, // nobody knows whether it was paid: do not pay again
  essence: ({ status, text }) => ({ status, text }),
  verify: ({ effects }) => assert(effects.filter((effect) => effect.startsWith('paid')).length <= 1),
});
assert.equal(crashes, 2 * commits);
