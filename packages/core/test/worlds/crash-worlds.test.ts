/**
 * Deterministic simulation: whole trees on a simulated clock, with a seed for everything that happens to them. A seed that fails is
 * played again with
 *
 *   SEED=<seed> npm test -- packages/core/test/worlds/crash-worlds.test.ts
 */
import { test } from 'vitest';
import { liveAndDie } from './crash-world.ts';
import { playSeeds, quietly, seedsOf, timeoutFor } from './play-seeds.ts';

/** Seeds that found something once. */
const found = [33_724, 50_040, 81_613, 82_703, 299_775];
const seeds = seedsOf(found, 500);

quietly();

test(
  'a world whose program dies again and again comes to a lawful end [L1–L4, L6, L7, L9]',
  () => playSeeds(seeds, liveAndDie, 'crash-worlds.test.ts'),
  timeoutFor(seeds.length),
);
