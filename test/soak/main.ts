// npm run soak [-- --worlds N] [--seeds N] [--trees N] [--paths sqlite] [--kills N] [--workers N] [--chaos N] [--partition 1]
//
// The long form of what `npm test` does in short: random worlds (default 200,000 of each kind), simulated worlds that crash, in
// one process and on several (100,000 seeds each), random trees of delegations (5,000), every path of the chart with a crash behind every
// step on a file, a real program that is killed (200 times), a worker that is (10 times, ten seconds each), and workers that die and hang
// while 60 children take 250 steps each, or lose their network.
// Give one of them to run that one alone.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const kinds = {
  worlds: {
    env: 'RUNS',
    usual: '200000',
    tests: ['packages/core/test/worlds', '--exclude', '**/{crash,placed}-worlds.test.ts'],
  },
  seeds: {
    env: 'SEEDS',
    usual: '100000',
    tests: ['packages/core/test/worlds/crash-worlds.test.ts', 'packages/core/test/worlds/placed-worlds.test.ts'],
  },
  trees: { env: 'TREES', usual: '5000', tests: ['packages/delegation/test/delegate/trees.test.ts'] },
  paths: { env: 'STORE', usual: 'sqlite', tests: ['packages/core/test/paths'] },
  kills: { env: 'KILLS', usual: '200', tests: ['test/crash'] },
  workers: { env: 'WORKER_KILLS', usual: '10', tests: ['packages/cli/test/worker/worker-kills.test.ts'] },
  chaos: { env: 'CHAOS', usual: '60', tests: ['test/chaos/chaos.test.ts'] },
  partition: { env: 'PARTITION', usual: '1', tests: ['test/chaos/partition.test.ts'] },
} as const;

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    worlds: text,
    seeds: text,
    trees: text,
    paths: text,
    kills: text,
    workers: text,
    chaos: text,
    partition: text,
  },
});
const asked = Object.keys(values) as (keyof typeof kinds)[];
for (const kind of asked.length > 0 ? asked : (Object.keys(kinds) as (keyof typeof kinds)[])) {
  const { env, usual, tests } = kinds[kind];
  const count = values[kind] ?? usual;
  console.log(`\n${kind}: ${count}`);
  const { status } = spawnSync('vitest', ['run', ...tests, '--testTimeout=0'], {
    stdio: 'inherit',
    env: { PROPERTY_SEED: String(Date.now()), ...process.env, [env]: count },
  });
  if (status !== 0) process.exitCode = status ?? 1;
}
