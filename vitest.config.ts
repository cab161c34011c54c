import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

// Everything that keeps the laws over each test's events; left out while there is no such file.
const laws = './test/tools/laws.ts';

export default defineConfig({
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/bench/**', 'test/soak/**'],
    setupFiles: existsSync(new URL(laws, import.meta.url)) ? [laws] : [],
    // Threads start faster than processes, and no test needs a process of its own.
    pool: 'threads',
    reporters: ['default', './test/tools/count-reporter.mjs'],
    coverage: {
      provider: 'v8',
      include: ['packages/{protocol,core,delegation,openai}/src/**/*.ts'],
      reporter: ['text', 'html'],
      thresholds: {
        'packages/protocol/src/**': { branches: 95 },
        'packages/core/src/**': { branches: 95 },
        'packages/delegation/src/**': { branches: 95 },
        'packages/openai/src/**': { branches: 95 },
      },
    },
  },
});
