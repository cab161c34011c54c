import { consoleLogger, systemClock } from '@troupe/core';
import { FaultError, faultOf, type Logger } from '@troupe/protocol';
import { type RawData, WebSocket } from 'ws';
import type { InspectionEvent } from 'xstate';
import { shorten } from './runs/text.ts';
import { openOutbox } from './stately/outbox.ts';
import { openStatelyMessages } from './stately/stately-messages.ts';

export type StatelyInspectorOptions = {
  /**
   * Where somebody listens for Stately's inspection messages. Default `ws://localhost:8080`: where `createInspectorServer` of
   * `@statelyai/inspect/server` does, which shows Stately's own inspector. The `inspectUrl` of {@link inspect} is another one.
   */
  url?: string;
  /** What is sent of a context. Default: all of it without secrets, long texts and lists cut. */
  sanitizeContext?: (context: unknown) => unknown;
  /** What is sent of an event. Default: the same. */
  sanitizeEvent?: (event: { type: string }) => unknown;
  /** Is told, once, that nobody listens there. */
  logger?: Logger;
};

/** XState's inspection observer, for `createRuntime({ inspect })` and for `createActor(machine, { inspect })`. */
export type StatelyInspector = {
  next(event: InspectionEvent): void;
  /** Sends what is on its way, and nothing more. */
  close(): Promise<void>;
};

/** Milliseconds until it is tried again to reach whoever listens: twice as long each time, up to the second. */
const tries = { first: 500, last: 10_000 };
/** Messages that a slow listener has not read: beyond it gets no events, and every actor again when it has. */
const maxBufferedBytes = 16_000_000;

const checkUrl = (url: string): void => {
  const { protocol } = URL.parse(url) ?? {};
  if (protocol === 'ws:' || protocol === 'wss:') return;
  throw new FaultError(
    'inspector.url',
    `statelyInspector was given the url "${url}". Expected the address of a WebSocket, such as ws://localhost:8080.`,
  );
};

/**
 * Sends everything that happens to the actors of a program as Stately's inspection messages: definitions, parents, states, events. For
 * runs, their models, calls and children, and for machines that they were composed into. It never throws, does not keep the process
 * alive, and slows nobody down who does not read: a listener that comes late, or back, is told of every actor that is there.
 *
 * @throws FaultError `inspector.url`
 */
export const statelyInspector = ({
  url = 'ws://localhost:8080',
  sanitizeContext = shorten,
  sanitizeEvent = shorten,
  logger = consoleLogger,
}: StatelyInspectorOptions = {}): StatelyInspector => {
  checkUrl(url);
  const messages = openStatelyMessages(systemClock, { context: sanitizeContext, event: sanitizeEvent });
  const outbox = openOutbox();
  let socket: WebSocket | undefined;
  let waitMs = tries.first;
  let retry: unknown;
  let hasFailed = false;
  let isClosed = false;

  const failed = (error: unknown): void => {
    if (hasFailed) return;
    hasFailed = true;
    const says = `Nobody listens for inspection messages at ${new URL(url).host}: the program goes on, and it is tried again.`;
    try {
      logger.warn(says, faultOf(error, 'inspector.unheard'));
    } catch {
      // A logger may be broken, too: nobody is left to be told of that.
    }
  };
  /** Whoever had too much to read, and has read it, is told of everybody again. */
  const greet = (opened: WebSocket): void => {
    if (opened.readyState !== opened.OPEN || opened.bufferedAmount > 0) return;
    for (const text of outbox.greet()) opened.send(text);
  };
  const connect = (): void => {
    const opened = new WebSocket(url);
    socket = opened;
    opened.on('upgrade', ({ socket: raw }) => raw.unref());
    opened.on('open', () => {
      waitMs = tries.first;
      hasFailed = false;
      greet(opened);
    });
    // What is said is for pages; a relay passes on what other programs say.
    opened.on('message', (_data: RawData) => {});
    opened.on('error', failed);
    opened.on('close', () => {
      outbox.hold();
      if (isClosed) return;
      retry = systemClock.setTimeout(connect, waitMs);
      (retry as { unref?(): void }).unref?.();
      waitMs = Math.min(2 * waitMs, tries.last);
    });
  };
  connect();

  return {
    // An observer that throws would wedge the actor that it looks at for good.
    next(event) {
      if (isClosed) return;
      try {
        const message = messages.of(event);
        if (!message) return;
        outbox.add(message);
        const listener = socket;
        if (outbox.isHeld || !listener) return;
        if (listener.bufferedAmount > maxBufferedBytes) outbox.hold();
        else listener.send(message.text, () => outbox.isHeld && greet(listener));
      } catch (error) {
        failed(error);
      }
    },
    async close() {
      isClosed = true;
      systemClock.clearTimeout(retry);
      const leaving = socket;
      if (!leaving || leaving.readyState === leaving.CLOSED) return;
      const closed = new Promise((resolve) => leaving.once('close', resolve));
      if (leaving.readyState === leaving.OPEN) leaving.close();
      else leaving.terminate();
      await closed;
    },
  };
};
