/** Fetches work while there is room for it, when it hears of some, and twice a second in any case. */
import type { PlacementServer, RunExecutor } from '@troupe/protocol';
import { openActivations, spareMs } from './activations.ts';
import { openEngine } from './engine.ts';
import { reviveLost } from './lost.ts';
import type { Settled } from './options.ts';
import type { Payload } from './payload.ts';
import type { Complain } from './trouble.ts';
import { within } from './within.ts';

/** How often it is looked for work that nobody has told of, in milliseconds. */
const pollMs = 500;

export type Serving = { queues: readonly string[]; concurrency: number; workerId: string };

export const openServer = async (
  settled: Settled,
  complain: Complain,
  executor: RunExecutor,
  { queues, concurrency, workerId }: Serving,
): Promise<PlacementServer> => {
  let isDraining = false;
  let isWoken = false;
  let rounds: Promise<void> | undefined;
  let first = 0;

  const engine = openEngine(settled, complain, (queue) => {
    if (queue === undefined || queues.includes(queue)) wake();
  });
  const { boss } = engine;

  const fetchFrom = async (queue: string): Promise<void> => {
    const room = concurrency - activations.count;
    if (room <= 0 || isDraining) return;
    for (const job of await boss.fetch<Payload>(queue, { batchSize: room })) await activations.begin(queue, job);
  };

  const goRound = async (): Promise<void> => {
    while (isWoken && !isDraining) {
      isWoken = false;
      // Each queue comes first in turn.
      first = (first + 1) % queues.length;
      try {
        for (const queue of [...queues.slice(first), ...queues.slice(0, first)]) await fetchFrom(queue);
      } catch (error) {
        complain('work could not be fetched', error);
      }
    }
    rounds = undefined;
  };

  const wake = (): void => {
    isWoken = true;
    if (isReady) rounds ??= goRound();
  };

  let isReady = false;
  const activations = openActivations({ engine, settled, complain, executor, workerId, onFree: wake });
  try {
    for (const queue of queues) await engine.ready(queue);
    for (const queue of queues) await reviveLost(engine, queue, settled.logger);
  } catch (error) {
    await activations.leave(0);
    await engine.close();
    throw error;
  }
  isReady = true;
  const poll = setInterval(wake, pollMs);
  wake();

  const drain = async (ms: number): Promise<void> => {
    isDraining = true;
    clearInterval(poll);
    await Promise.all([activations.leave(ms), within(ms + spareMs, rounds ?? Promise.resolve())]);
    await within(spareMs, engine.close());
  };
  let drained: Promise<void> | undefined;
  return { drain: (ms) => (drained ??= drain(ms)) };
};
