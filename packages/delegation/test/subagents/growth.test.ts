import { createRuntime } from '@troupe/core';
import { createSubagentManager } from '@troupe/delegation';
import { expect, test } from 'vitest';
import { provider } from '../../../../test/bench/work.ts';
import { bound, growthOf } from '../../../../test/support/growth.ts';

/** Spawns sub-agents one after another, and collects what comes of each. All of them are kept. */
const spawned = async (count: number): Promise<void> => {
  const runtime = createRuntime({ provider, model: 'none' });
  const { spawn, collect } = createSubagentManager(runtime);
  for (let i = 0; i < count; i++) {
    const { runId } = await spawn({ task: `task ${i}` });
    expect(await collect({ runId, timeoutMs: 60_000 })).toHaveLength(1);
  }
  await runtime.close();
};

test('A sub-agent costs the same, however many are kept beside it', { timeout: 240_000 }, async () => {
  const smallOnes = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await spawned(100);
  };
  expect(await growthOf(smallOnes, () => spawned(2_000))).toBeLessThan(bound);
});
