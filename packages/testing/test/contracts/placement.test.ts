import { describe, expect, test } from 'vitest';
import { placementContract } from '../../src/contracts/index.ts';
import { openBench, placementSentences } from '../../src/contracts/placement-contract.ts';
import { placementBugs, referencePlacement } from './reference-placement.ts';

placementContract('a plain Placement', ({ clock }) => referencePlacement(clock));

describe('the contract of a Placement', () => {
  test.each(placementBugs)('finds: %s', async (bug) => {
    const broken: string[] = [];
    for (const [sentence, check] of placementSentences) {
      const bench = await openBench(
        'simulated',
        async (clock) => referencePlacement(clock, bug),
        async (one) => one,
      );
      await check(bench).catch(() => broken.push(sentence));
    }
    expect(broken).not.toEqual([]);
  });
});
