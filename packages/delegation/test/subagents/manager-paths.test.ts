import { describe, expect, test } from 'vitest';
import { crashAll, followAll } from './paths/follow.ts';
import { type Scene, scenes } from './paths/scenes.ts';

const all: [string, Scene][] = Object.entries(scenes);

describe('on every path of its chart, a manager that', () => {
  test.each(all)(
    '%s is where the chart says; each run has one end and one result, delivered once [SB-022, SB-023, SB-024, SB-048, SB-090…092, SB-123, B-32, B-33, B-36, B-39]',
    { timeout: 60_000 },
    async (_, scene) => {
      expect(await followAll(scene)).toBeGreaterThan(2);
    },
  );
});

// Waiters do not survive, nor does the moment when somebody was steered last.
describe('killed and started again behind every step of every path, a manager that', () => {
  test.each(all)(
    '%s is where it was, and comes to the same end [L7, F-13, F-14, SB-064, SB-112]',
    { timeout: 120_000 },
    async (_, scene) => {
      expect(await crashAll(scene)).toBeGreaterThan(2);
    },
  );
});
