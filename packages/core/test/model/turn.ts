import type { ModelOptions, ModelPart, ModelProvider, ModelRequest } from '@troupe/protocol';
import { SimulatedClock } from 'xstate';

/** A simulated clock that knows how many of its timers are set. */
export class CountingClock extends SimulatedClock {
  private readonly open = new Set<unknown>();

  override setTimeout(callback: () => void, ms: number): number {
    const id = super.setTimeout(() => {
      this.open.delete(id);
      callback();
    }, ms);
    this.open.add(id);
    return id;
  }

  override clearTimeout(id: number): void {
    this.open.delete(id);
    super.clearTimeout(id);
  }

  get pending(): number {
    return this.open.size;
  }
}

export const request: ModelRequest = { model: 'small', messages: [{ role: 'user', content: 'Go.' }], tools: [] };

export const optionsOf = (clock: SimulatedClock, signal: AbortSignal): ModelOptions => ({
  clock,
  signal,
  context: { runId: 'r', rootId: 'r', agent: 'lead', turn: 1, depth: 0, key: 'r/1' },
});

/** Lets everything run that waits for nothing but a promise. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One turn in progress: what it said, and how it ended. */
export const taking = (provider: ModelProvider, clock = new CountingClock()) => {
  const controller = new AbortController();
  const parts: ModelPart[] = [];
  let ended = false;
  const read = async () => {
    try {
      for await (const part of provider.takeTurn(request, optionsOf(clock, controller.signal))) parts.push(part);
    } finally {
      ended = true;
    }
  };
  const done = read();
  done.catch(() => {});
  return {
    parts,
    done,
    clock,
    abort: () => controller.abort(),
    /** Moves the clock until the turn has ended; gives back the error, if it ended with one. */
    async toEnd(): Promise<unknown> {
      for (await settle(); !ended; await settle()) clock.increment(1);
      return await done.then(
        () => undefined,
        (error: unknown) => error,
      );
    },
  };
};

export const attemptsIn = (parts: readonly ModelPart[]) => parts.filter((part) => part.type === 'attempt');

/** What stands after the last attempt that came to nothing. */
export const answerIn = (parts: readonly ModelPart[]) =>
  parts.slice(parts.findLastIndex((part) => part.type === 'attempt') + 1);

/** What a run is charged: every failed attempt, and the running total of what is not void. */
export const chargedIn = (parts: readonly ModelPart[]): number => {
  const of = (usage: { inputTokens: number } | undefined) => usage?.inputTokens ?? 0;
  const last = answerIn(parts).findLast((part) => part.type === 'usage');
  return attemptsIn(parts).reduce((sum, { usage }) => sum + of(usage), of(last?.usage));
};
