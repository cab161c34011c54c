// npm run bench [-- --json]
//
// What Troupe itself costs: runs against a model that answers at once. Absolute times say more about the machine than about the
// code; what must hold is the growth: time per turn and per child does not rise with history or siblings.
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRuntime, defineAgent, defineTool, spawned } from '@troupe/core';
import type { ModelPart, ModelProvider } from '@troupe/protocol';
import { z } from 'zod';
import { measureLooking } from './looking.ts';
import { measureCrowd, measureStored } from './stored.ts';

const usage: ModelPart = { type: 'usage', usage: { inputTokens: 10, outputTokens: 5 } };

/** Calls `name` for `turns` turns, `width` times in each, then answers in `deltas` pieces; each turn takes about `delayMs`. */
const provider: ModelProvider = {
  async *takeTurn({ settings }, { context }) {
    const plan = settings as unknown as Plan;
    if (plan.delayMs > 0) await sleep(plan.delayMs * (0.5 + Math.random()));
    if (context.turn <= plan.turns) {
      for (let i = 0; i < plan.width; i++)
        yield { type: 'call', id: `call_${i}`, name: plan.tool, arguments: '{"n":1}' };
      yield usage;
      yield { type: 'finish', reason: 'calls' };
      return;
    }
    for (let i = 0; i < plan.deltas; i++) yield { type: 'text', delta: 'word ' };
    yield usage;
    yield { type: 'finish', reason: 'stop' };
  },
};
type Plan = { turns: number; width: number; tool: string; deltas: number; delayMs: number };
const plan = (given: Partial<Plan>): Plan => ({ turns: 0, width: 1, tool: 'add', deltas: 1, delayMs: 0, ...given });

const inputSchema = z.object({ n: z.number() });
const add = defineTool({ name: 'add', description: 'Adds one.', inputSchema, execute: ({ n }) => n + 1 });
const leaf = defineAgent({ name: 'leaf', instructions: 'Answer.', settings: plan({}) });
const talker = defineAgent({ name: 'talker', instructions: 'Talk.', settings: plan({ deltas: 2_000 }) });
const delegate = (name: string, agent: typeof leaf) =>
  defineTool({
    name,
    description: 'Starts a child.',
    inputSchema,
    execute: () => spawned([{ agent, job: 'go' }]),
    settle: ([report]) => ({ content: report?.text ?? '' }),
  });
const patient = defineAgent({
  name: 'patient',
  instructions: 'Work.',
  tools: [add],
  settings: plan({ turns: 10, delayMs: 60 }),
  budget: { turns: 20 },
});
const tools = [add, delegate('ask', leaf), delegate('listen', talker), delegate('delay', patient)];
const agent = (given: Partial<Plan>) =>
  defineAgent({
    name: 'lead',
    instructions: 'Work.',
    tools,
    settings: plan(given),
    budget: { turns: 5_000, toolCalls: 100_000 },
  });

/** Median milliseconds of one run. */
const measure = async (given: Partial<Plan>, rounds: number): Promise<number> => {
  const lead = agent(given);
  const times: number[] = [];
  for (let i = 0; i < rounds + Math.ceil(rounds / 3); i++) {
    const runtime = createRuntime({ provider, model: 'none' });
    const from = performance.now();
    const report = await runtime.run(lead, 'go');
    times.push(performance.now() - from);
    if (report.status !== 'completed') throw new Error(`${report.exitReason}: ${report.fault?.message}`);
    await runtime.close();
  }
  return times.slice(-rounds).sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0;
};

const rows: { scenario: string; ms: number; per: string }[] = [];
const row = (scenario: string, ms: number, per: string) => {
  rows.push({ scenario, ms, per });
  if (!process.argv.includes('--json')) console.log(`${scenario.padEnd(32)} ${ms.toFixed(3).padStart(10)} ms   ${per}`);
};
const micros = (ms: number, n: number, what: string) => `${((ms * 1_000) / n).toFixed(1)} µs per ${what}`;

const machine = `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`;
if (!process.argv.includes('--json')) console.log(machine);
row('one run', await measure({}, 300), '');
row('one delegation', await measure({ turns: 1, tool: 'ask' }, 300), '');
for (const turns of [10, 100, 1_000]) {
  const ms = await measure({ turns }, turns > 500 ? 5 : 30);
  row(`${turns} tool turns`, ms, micros(ms, turns, 'turn'));
}
for (const width of [10, 100, 1_000, 10_000]) {
  const ms = await measure({ turns: 1, width, tool: 'ask' }, width > 5_000 ? 3 : width > 500 ? 5 : 30);
  row(`${width} children at once`, ms, micros(ms, width, 'child'));
}
const talk = await measure({ turns: 1, tool: 'listen' }, 50);
row('2,000 deltas of a child', talk, `${Math.round(2_000 / (talk / 1_000)).toLocaleString('en')} a second`);
const delegation = await measureStored(agent({ turns: 1, tool: 'ask' }), provider, 300);
row(
  'one delegation, stored',
  delegation.ms,
  `${(delegation.ms / delegation.factsMs).toFixed(2)} × a loop that writes its facts one by one, ${(delegation.ms / delegation.commitsMs).toFixed(2)} × one that makes the same ${delegation.commits} commits`,
);
for (const turns of [10, 100, 1_000]) {
  const { ms, bytes, checkpointBytes } = await measureStored(agent({ turns }), provider, Math.max(3, 1_000 / turns));
  const per = `${micros(ms, turns, 'turn')}, ${Math.round(bytes / turns).toLocaleString('en')} bytes, checkpoint ${checkpointBytes.toLocaleString('en')} bytes`;
  row(`${turns} tool turns, stored`, ms, per);
}
for (const [what, lead, width] of [
  ['100 runs side by side, stored', agent({ turns: 10, delayMs: 60 }), 100],
  ['100 children at once, stored', agent({ turns: 1, width: 100, tool: 'delay' }), 1],
] as const) {
  const { ms, eventsPerSecond, p99Ms } = await measureCrowd(lead, provider, width);
  row(
    what,
    ms,
    `${Math.round(eventsPerSecond).toLocaleString('en')} events a second, event loop p99 ${p99Ms.toFixed(1)} ms`,
  );
}
await measureLooking().then(
  ({ alone, ours, theirs, eventsPerSecond, slowestFps }) => {
    const points = (share: number) => `${(100 * share).toFixed(0)} points`;
    row(
      '10,000 runs, looked at',
      ours * 1_000,
      `of CPU in a second at ${Math.round(eventsPerSecond).toLocaleString('en')} events: our page adds ${points(ours)} to ${points(alone)}, @statelyai/inspect ${points(theirs)}; ${slowestFps.toFixed(0)} frames a second where it is slowest`,
    );
  },
  (error: unknown) => console.error(`What looking costs was not measured: ${String(error)}`),
);
if (process.argv.includes('--json')) console.log(JSON.stringify({ machine, rows }, null, 2));
