import type { Clock, Placement } from '@troupe/protocol';
import { describe, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import type { Bench, BenchTime, PlacementSentences } from './placement/bench.ts';
import { handingOut } from './placement/handing-out.ts';
import { later } from './placement/later.ts';
import { serving } from './placement/serving.ts';

export type PlacementContractOptions<Port extends Placement> = {
  /**
   * `simulated` (default): whatever the placement measures, it measures by the clock that it is opened with.
   * `real`: it cannot, and the tests take some 20 seconds.
   */
  time?: 'simulated' | 'real';
  /** Opens another placement on the same engine, as another process would. Default: there is none, and one is all there is. */
  beside?: (placement: Port) => Port | Promise<Port>;
};

/**
 * The tests that every {@link Placement} passes: call it in a vitest file of the adapter.
 *
 * @param open Opens a placement on a new, empty engine. It is closed after its test.
 */
export const placementContract = <Port extends Placement>(
  name: string,
  open: (surroundings: { clock: Clock }) => Port | Promise<Port>,
  { time = 'simulated', beside }: PlacementContractOptions<Port> = {},
): void => {
  describe(`${name} keeps its contract`, () => {
    // Where time is real most of it is spent waiting.
    const options = { timeout: 60_000, concurrent: time === 'real' };
    test.for(placementSentences)('%s', options, async ([_sentence, check], { onTestFinished }) => {
      const closing = <Opened extends Placement>(placement: Opened): Opened => {
        onTestFinished(() => placement.close());
        return placement;
      };
      await check(
        await openBench(
          time,
          async (clock) => closing(await open({ clock })),
          async (placement) => (beside ? closing(await beside(placement)) : placement),
        ),
      );
    });
  });
};

/** What a {@link Placement} promises, a sentence at a time. */
export const placementSentences: PlacementSentences = [...handingOut, ...later, ...serving];

export const openBench = async <Port extends Placement>(
  kind: 'simulated' | 'real',
  open: (clock: Clock) => Promise<Port>,
  beside: (placement: Port) => Promise<Port>,
): Promise<Bench> => {
  const time = kind === 'real' ? realTime() : simulatedTime();
  const placement = await open(time.clock);
  return { placement, time, beside: () => beside(placement) };
};

const realTime = (): BenchTime => ({
  clock: {
    now: () => Date.now(),
    setTimeout: (callback, ms) => setTimeout(callback, ms),
    clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
  },
  tick: () => new Promise((resolve) => setTimeout(resolve, 10)),
});

/** All that was begun has happened, but for what waits for time. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Time passes in steps, and everything that follows of one has happened before the next. */
const simulatedTime = (): BenchTime => {
  const clock = new SimulatedClock();
  clock.set(1_700_000_000_000);
  return {
    clock,
    async tick() {
      await settled();
      clock.increment(20);
      await settled();
    },
  };
};
