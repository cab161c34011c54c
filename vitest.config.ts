import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/tools/longest-first.ts';

export default defineConfig({
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    // What takes minutes, or a network apart, is asked for by name: `test/soak/main.ts`.
    exclude: [
      '**/node_modules/**',
      'test/soak/**',
      ...(process.env.PARTITION ? [] : ['test/chaos/partition.test.ts']),
      ...(process.env.WORKER_KILLS ? [] : ['packages/cli/test/worker/worker-kills.test.ts']),
    ],
    // Ends what the tests of stores have started, if they have.
    globalSetup: ['./test/tools/postgres/setup.ts'],
    setupFiles: ['./test/tools/alone.ts', './test/tools/seed.ts', './packages/ag-ui/test/every-log.ts'],
    // Threads start faster than processes, and no test needs a process of its own.
    pool: 'threads',
    // Nor a thread: `alone.ts` sees to it.
    isolate: false,
    // The usual leaves one core idle.
    maxWorkers: '100%',
    sequence: { sequencer: LongestFirst },
    // How long a test may take says nothing about Troupe: what hangs is found all the same, and a machine that is busy fails nothing.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    expect: { poll: { timeout: 15_000 } },
    reporters: ['default', './test/tools/count-reporter.mjs'],
    coverage: {
      provider: 'v8',
      // Of cli what runs in this process: its commands are tested as processes of their own.
      include: ['packages/{protocol,core,delegation,openai}/src/**/*.ts', 'packages/cli/src/{screen,tree}/**/*.ts'],
      reporter: ['text', 'html'],
      thresholds: {
        'packages/protocol/src/**': { branches: 95 },
        'packages/core/src/**': { branches: 95 },
        'packages/delegation/src/**': { branches: 95 },
        'packages/openai/src/**': { branches: 95 },
        'packages/cli/src/{screen,tree}/**': { branches: 90 },
      },
    },
  },
});
