import type { Clock } from '@troupe/protocol';

/** The longest time that a timer of the platform can hold, about 25 days. */
const longest = 2 ** 31 - 1;

/** Watches how long nothing is heard, and aborts its signal when that is too long. */
export class SilenceWatch {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #controller = new AbortController();
  #timer: unknown;

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#limitMs = Math.min(limitMs, longest);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Time counts from here. */
  start(): void {
    this.stop();
    this.#timer = this.#clock.setTimeout(() => this.#controller.abort(), this.#limitMs);
  }

  /** Something was heard that is nothing to read yet: whoever waits goes on waiting. */
  heard(): void {
    if (this.#timer !== undefined) this.start();
  }

  /** Something was heard, or nothing is waited for. */
  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** The same values. Time counts while the next one is waited for, not while the reader is busy. */
  async *over<T>(values: AsyncIterable<T>): AsyncGenerator<T> {
    this.start();
    for await (const value of values) {
      this.stop();
      yield value;
      this.start();
    }
    this.stop();
  }
}
