import fc from 'fast-check';
import { expect, test } from 'vitest';
import { calmWorlds } from './found.ts';
import { calmPlans } from './plan.ts';
import { quietly, timeoutFor } from './play-seeds.ts';
import { live } from './world.ts';
import { findingsIn } from './world-laws.ts';

const numRuns = Number(process.env.RUNS ?? 1_000);
const timeout = timeoutFor(numRuns);

quietly();

test(
  'every world comes to an end, lawfully, whatever models, tools, people and observers do [L1–L6, L8, L9]',
  async () => {
    await fc.assert(
      fc.asyncProperty(calmPlans, async (plan) => {
        expect(await findingsIn(await live(plan))).toEqual([]);
      }),
      { numRuns, examples: calmWorlds.map((plan) => [plan]) },
    );
  },
  timeout,
);

test(
  'whoever watches and throws changes nothing of what happens [L8]',
  async () => {
    const rude = ['subscriber', 'hooks', 'inspector', 'logger'] as const;
    await fc.assert(
      fc.asyncProperty(calmPlans, async (plan) => {
        const { events } = await live({ ...plan, rude: [] });
        expect((await live({ ...plan, rude })).events).toEqual(events);
      }),
      { numRuns: Math.ceil(numRuns / 20) },
    );
  },
  timeout,
);
