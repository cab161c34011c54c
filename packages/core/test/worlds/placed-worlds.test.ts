/**
 * Deterministic simulation on several processes. A seed that fails is played again with
 *
 *   SEED=<seed> npm test -- packages/core/test/worlds/placed-worlds.test.ts
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { crashPlans } from './crash-world.ts';
import { liveApart } from './placed-world.ts';

/** Seeds that found something once. */
const found = [24, 2_126, 3_277, 5_275, 5_409, 5_729, 5_783, 6_138, 6_322, 7_983];
const seeds = process.env.SEED
  ? [Number(process.env.SEED)]
  : [...found, ...Array.from({ length: Number(process.env.SEEDS ?? 300) }, (_, n) => n + 1)];

/** A long run takes as long as it takes. */
const timeout = seeds.length > 10_000 ? 0 : 600_000;

const { stackTraceLimit } = Error;
beforeAll(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  Error.stackTraceLimit = 0;
});
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit;
});

test(
  'a world whose program and worker die again and again comes to a lawful end [L1–L4, L6, L7, L9]',
  async () => {
    for (const seed of seeds) {
      const [plan] = fc.sample(crashPlans, { seed, numRuns: 1 });
      if (!plan) throw new Error('No plan.');
      const findings = await liveApart(plan);
      expect(
        findings,
        `Play it again: SEED=${seed} npm test -- packages/core/test/worlds/placed-worlds.test.ts\n${JSON.stringify(plan)}`,
      ).toEqual([]);
    }
  },
  timeout,
);
