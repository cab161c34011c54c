// node packages/inspector/test/bench/program.ts <none|page|stately> <runs> <events a second> [url]
//
// A program whose load is measured: so many runs at work, so many events a second. Says `ready` and where its page is, then, for
// each line that it reads, what it has spent since the last one.
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { createWebSocketInspector } from '@statelyai/inspect';
import { createRuntime, defineAgent, defineTool, spawned } from '@troupe/core';
import type { ModelProvider } from '@troupe/protocol';
import { z } from 'zod';
import { inspect } from '../../src/index.ts';

const [mode = 'none', runs = '1000', rate = '5000', url = ''] = process.argv.slice(2);
const count = Number(runs);
const EVENTS_PER_TURN = 4;
const TEAM = 100;
/** How long a run waits for its model, so that all together say as much a second as is wanted. */
const turnMs = (count * EVENTS_PER_TURN * 1_000) / Number(rate);

let turns = 0;
const provider: ModelProvider = {
  async *takeTurn(_request, { signal, context }) {
    if (context.agent === 'lead' && context.turn === 1) {
      yield { type: 'call', id: 'c', name: 'team', arguments: '{}' };
    } else {
      await sleep(turnMs * (0.5 + Math.random()), undefined, { signal });
      turns += 1;
      yield { type: 'call', id: 'c', name: 'look', arguments: '{"path":"src/index.ts"}' };
    }
    yield { type: 'usage', usage: { inputTokens: 800, outputTokens: 60, costUsd: 0.001 } };
    yield { type: 'finish', reason: 'calls' };
  },
};
const look = defineTool({
  name: 'look',
  description: 'Looks at a file.',
  inputSchema: z.object({ path: z.string() }),
  execute: ({ path }) => `export const value = '${path}';`,
});
const endless = { turns: 1_000_000, toolCalls: 1_000_000, tokens: 1e12, children: TEAM, concurrency: TEAM };
const worker = defineAgent({ name: 'worker', instructions: 'Work.', tools: [look], budget: endless });
const team = defineTool({
  name: 'team',
  description: 'Starts a team.',
  inputSchema: z.object({}),
  execute: () =>
    spawned(Array.from({ length: TEAM - 1 }, () => ({ agent: worker, job: 'work', budget: { tokens: 1e9 } }))),
  settle: () => ({ content: 'done' }),
});
const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [team], budget: endless });

const stately = mode === 'stately' ? createWebSocketInspector({ url }) : undefined;
const runtime = createRuntime({ provider, model: 'none', ...(stately && { inspect: stately.inspect }) });
const inspector = mode === 'page' ? await inspect(runtime) : undefined;
for (let index = 0; index < count / TEAM; index += 1) {
  runtime.start(lead, `team ${index}`);
  await sleep(5);
}
// Until they are all at it, and no longer in step.
await sleep(1_000 + 1.5 * turnMs);
console.log(JSON.stringify({ ready: true, url: inspector?.url }));

const lag = monitorEventLoopDelay({ resolution: 5 });
lag.enable();
let before = { cpu: process.cpuUsage(), at: performance.now(), turns };
for await (const _ of createInterface({ input: process.stdin })) {
  const seconds = (performance.now() - before.at) / 1_000;
  const { user, system } = process.cpuUsage(before.cpu);
  console.log(
    JSON.stringify({
      cpu: (user + system) / 1e6 / seconds,
      eventsPerSecond: ((turns - before.turns) * EVENTS_PER_TURN) / seconds,
      lagP99Ms: lag.percentile(99) / 1e6,
      heapMb: process.memoryUsage().heapUsed / 1e6,
    }),
  );
  lag.reset();
  before = { cpu: process.cpuUsage(), at: performance.now(), turns };
}
process.exit(0);
