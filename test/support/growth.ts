/** How costs grow, on any machine and however much else it does. */
import { type AnyAgent, createRuntime, memoryStore } from '@troupe/core';
import type { StoredEvent } from '@troupe/protocol';
import { expect, test } from 'vitest';
import { leading, looping, provider, spreading } from '../bench/work.ts';

/** Milliseconds of this thread's own: what else the machine does takes none of them. */
export const ownTimeOf = async (work: () => Promise<void>): Promise<number> => {
  const from = process.threadCpuUsage();
  await work();
  const { user, system } = process.threadCpuUsage(from);
  return (user + system) / 1_000;
};

/**
 * It is about 1 where nothing grows, and rises with the square of what does. The rest is for garbage that is collected in one half and
 * was made in the other.
 */
export const bound = 2;

/** A large work to as many small ones as make the same. Of several rounds the first that is within the bound, or the best. */
export const growthOf = async (
  smallOnes: () => Promise<void>,
  large: () => Promise<void>,
  within = bound,
): Promise<number> => {
  // What is not compiled yet would make the first ones slow.
  await smallOnes();
  await large();
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3 && best >= within; round++) {
    const apart = await ownTimeOf(smallOnes);
    const together = await ownTimeOf(large);
    best = Math.min(best, together / apart);
  }
  return best;
};

/** All that a run of an agent says. */
const eventsOf = async (agent: AnyAgent): Promise<StoredEvent[]> => {
  const store = memoryStore();
  const runtime = createRuntime({ provider, model: 'none', store });
  await runtime.run(agent, 'go');
  await runtime.close();
  return [...(store.events({}) as Iterable<StoredEvent>)];
};

const largeOnes = [
  { what: 'children of one call', agentFor: (size: number) => spreading(size, 20), few: 100, many: 4_000, times: 4 },
  { what: 'children of a call each', agentFor: (size: number) => leading(size, 0), few: 100, many: 4_000, times: 4 },
  { what: 'turns', agentFor: (size: number) => looping(size), few: 20, many: 800, times: 20 },
];

/** Where each looked at all others, the large one would cost twenty times as much. What is kept of it is garbage later than that of small ones. */
const readingBound = 4;

/** Tests that reading the events of a large run costs as much as reading those of small ones that hold the same. */
export const testReading = (who: string, read: (events: readonly StoredEvent[]) => unknown): void =>
  test.each(largeOnes)(
    `${who} at the same cost, however many there are: $what`,
    { timeout: 60_000 },
    async ({ agentFor, few, many, times }) => {
      const [small, large] = [await eventsOf(agentFor(few)), await eventsOf(agentFor(many))];
      const smallOnes = async (): Promise<void> => {
        for (let i = 0; i < (many / few) * times; i++) read(small);
      };
      const largeOne = async (): Promise<void> => {
        for (let i = 0; i < times; i++) read(large);
      };
      expect(await growthOf(smallOnes, largeOne, readingBound)).toBeLessThan(readingBound);
    },
  );
