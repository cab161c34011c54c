/**
 * Deterministic simulation on several processes. A seed that fails is played again with
 *
 *   SEED=<seed> npm test -- packages/core/test/worlds/placed-worlds.test.ts
 */
import { test } from 'vitest';
import { liveApart } from './placed-world.ts';
import { playSeeds, quietly, seedsOf, timeoutFor } from './play-seeds.ts';

/** Seeds that found something once. */
const found = [24, 2_126, 3_277, 5_275, 5_409, 5_729, 5_783, 6_138, 6_322, 7_983];
const seeds = seedsOf(found, 300);

quietly();

test(
  'a world whose program and worker die again and again comes to a lawful end [L1–L4, L6, L7, L9]',
  () => playSeeds(seeds, liveApart, 'placed-worlds.test.ts'),
  timeoutFor(seeds.length),
);
