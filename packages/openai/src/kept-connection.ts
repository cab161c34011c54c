import type { Clock } from '@troupe/protocol';

type Fetch = typeof globalThis.fetch;

/** How long the end of an answer may take that is complete. */
const longestMs = 250;

/**
 * The connection of one turn. It says each time that something of its answer comes, comments of a stream too. Servers end an answer a
 * moment after its last word, and a connection that is let go before that serves no other turn: so the end of an answer that is complete
 * is read behind the turn, if it comes soon.
 */
export class KeptConnection {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #heard: () => void;
  #isComplete = false;

  /** @param signal Its abort cuts the connection at once, also where the end of an answer is read. */
  constructor(clock: Clock, signal: AbortSignal, heard: () => void) {
    this.#clock = clock;
    this.#signal = signal;
    this.#heard = heard;
  }

  /** All that the answer says was heard: what still comes is its end. */
  complete(): void {
    this.#isComplete = true;
  }

  /** A `fetch` whose answers, let go, are cut off when they are not complete, and else read to their end. */
  over(fetch: Fetch): Fetch {
    return async (input, init) => {
      const cut = new AbortController();
      // The client aborts what it is done with, whether there is more or not.
      init?.signal?.addEventListener('abort', () => this.#isComplete || cut.abort(), { once: true });
      if (init?.signal?.aborted) cut.abort();
      const response = await fetch(input, { ...init, signal: AbortSignal.any([this.#signal, cut.signal]) });
      this.#heard();
      const { body } = response;
      // Not every `fetch` has bodies as the web has them.
      if (!(body instanceof ReadableStream)) return response;
      const reader = body.getReader();
      const kept = new ReadableStream<Uint8Array>(
        {
          pull: async (out) => {
            const { done, value } = await reader.read();
            this.#heard();
            if (done) out.close();
            else out.enqueue(value);
          },
          cancel: (why) => (this.#isComplete ? void this.#readOut(reader, cut) : reader.cancel(why)),
        },
        { highWaterMark: 0 },
      );
      return new Response(kept, response);
    };
  }

  async #readOut(reader: ReadableStreamDefaultReader, cut: AbortController): Promise<void> {
    const timer = this.#clock.setTimeout(() => {
      cut.abort();
      // Not every `fetch` hears a signal.
      reader.cancel().catch(() => {});
    }, longestMs);
    try {
      while (!(await reader.read()).done);
    } catch {
      // Nobody waits for the end of an answer that is complete.
    } finally {
      this.#clock.clearTimeout(timer);
    }
  }
}
