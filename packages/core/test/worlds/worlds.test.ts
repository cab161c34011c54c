import fc from 'fast-check';
import { beforeAll, expect, test, vi } from 'vitest';
import { calmPlans } from './plan.ts';
import { live } from './world.ts';
import { findingsIn } from './world-laws.ts';

const numRuns = Number(process.env.RUNS ?? 6_000);

beforeAll(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {});
});

test('every world comes to an end, lawfully, whatever models, tools, people and observers do [L1–L6, L8, L9]', async () => {
  await fc.assert(
    fc.asyncProperty(calmPlans, async (plan) => {
      expect(await findingsIn(await live(plan))).toEqual([]);
    }),
    { numRuns },
  );
}, 600_000);
