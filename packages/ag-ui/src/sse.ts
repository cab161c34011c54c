import type { AGUIEvent } from '@ag-ui/core';
import type { RunEvent } from '@troupe/protocol';
import { unreadable } from './endings.ts';
import { openTranslation, type StreamOptions } from './translation.ts';

/** How a stream is kept open, and what becomes of its run when it is not. */
export type ConnectionOptions = {
  /** Milliseconds between comments that keep the connection open where nothing else is sent. Default 15,000; 0 sends none. */
  heartbeatMs?: number;
  /** `interrupt`: a client that leaves before the end interrupts the run. Default `continue`: it changes nothing. */
  onDisconnect?: 'continue' | 'interrupt';
};

/** A run as a stream reads it: a handle of `@troupe/core` is one. */
export type StreamedRun = AsyncIterable<RunEvent> & { interrupt(reason?: string): Promise<unknown> };

const encoder = new TextEncoder();
const frame = (event: AGUIEvent): Uint8Array => encoder.encode(`data: ${JSON.stringify(event)}\n\n`);
const heartbeat = encoder.encode(': still here\n\n');

/** The run as server-sent events, read as fast as the client takes them. A run is never slowed by its readers. */
const sseOf = (
  run: StreamedRun,
  options: StreamOptions,
  { heartbeatMs = 15_000, onDisconnect = 'continue' }: ConnectionOptions,
): ReadableStream<Uint8Array> => {
  const translation = openTranslation(options);
  const events = run[Symbol.asyncIterator]();
  let timer: NodeJS.Timeout | undefined;

  const heard = async (): Promise<AGUIEvent[]> => {
    const told: AGUIEvent[] = [];
    try {
      const step = await events.next();
      for (const event of step.done ? translation.finish() : translation.hear(step.value)) told.push(event);
    } catch (error) {
      // What was told until then is behind the translation.
      told.push(...translation.finish(unreadable(error)));
    }
    return told;
  };
  const leave = async (): Promise<void> => {
    clearInterval(timer);
    await events.return?.();
  };

  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (heartbeatMs > 0)
        timer = setInterval(() => {
          if ((controller.desiredSize ?? 0) > 0) controller.enqueue(heartbeat);
        }, heartbeatMs).unref();
    },
    async pull(controller) {
      let told: AGUIEvent[] = [];
      while (told.length === 0 && !translation.isOver) told = await heard();
      for (const event of told) controller.enqueue(frame(event));
      timer?.refresh();
      if (!translation.isOver) return;
      controller.close();
      await leave();
    },
    async cancel() {
      await leave();
      if (onDisconnect === 'interrupt') await run.interrupt('The client went away.');
    },
  });
};

/**
 * Streams a run that is there, live or ended, as an answer to a request: from its start, or with `answering` from an answer on. It ends
 * when the run does, or waits for a person.
 */
export const agUiResponse = (run: StreamedRun, options: StreamOptions & ConnectionOptions = {}): Response =>
  new Response(sseOf(run, options, options), { headers: sseHeaders });

const sseHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};
