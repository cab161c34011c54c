/** What the tests of random worlds have in common: how long they may take, how quiet they are, and worlds that have a seed each. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect } from 'vitest';
import { type CrashPlan, crashPlans } from './plan.ts';

/** Nobody is warned: thousands of errors are thrown on purpose, and nobody reads where. */
export const quietly = (): void => {
  const { stackTraceLimit } = Error;
  const { warn } = console;
  beforeAll(() => {
    // No mock, which would remember all of it.
    console.warn = () => {};
    Error.stackTraceLimit = 0;
  });
  afterAll(() => {
    console.warn = warn;
    Error.stackTraceLimit = stackTraceLimit;
  });
};

/** A long run takes as long as it takes. */
export const timeoutFor = (worlds: number): number => (worlds > 10_000 ? 0 : 600_000);

/**
 * The seed in `SEED`; else those that found something once, and as many others as `SEEDS` says.
 *
 * @param usual How many others when nobody says so.
 */
export const seedsOf = (found: readonly number[], usual: number): number[] =>
  process.env.SEED
    ? [Number(process.env.SEED)]
    : [...found, ...Array.from({ length: Number(process.env.SEEDS ?? usual) }, (_, n) => n + 1)];

/**
 * Plays the world of each seed.
 *
 * @param live Plays a plan, and says what is wrong with what it left.
 * @param file The name of the test file, as whoever plays a seed again gives it.
 */
export const playSeeds = async (
  seeds: readonly number[],
  live: (plan: CrashPlan) => Promise<string[]>,
  file: string,
): Promise<void> => {
  for (const seed of seeds) {
    const [plan] = fc.sample(crashPlans, { seed, numRuns: 1 });
    if (!plan) throw new Error('No plan.');
    const findings = await live(plan);
    expect(
      findings,
      `Play it again: SEED=${seed} npm test -- packages/core/test/worlds/${file}\n${JSON.stringify(plan)}`,
    ).toEqual([]);
  }
};
