import { randomBytes } from 'node:crypto';
import { consoleLogger, type Runtime, storedRuns, systemClock } from '@troupe/core';
import type { Clock, Logger, RunStore } from '@troupe/protocol';
import { openHub } from './hub/hub.ts';
import { type RunSource, runtimeSource, storeSource } from './hub/run-source.ts';
import { openBrowser } from './server/open-browser.ts';
import { pageFolder } from './server/page-folder.ts';
import { serve } from './server/serve.ts';

/** How an inspector is opened. */
export type InspectOptions = {
  /** Default 0: any port that is free. */
  port?: number;
  /** Shows the page in the browser. Default: no. */
  open?: boolean;
  /** Stands on the page. Default: `agents`. */
  name?: string;
  /** The process does not end while the inspector is open. Default: no, it ends when nothing else is left to do. */
  keepAlive?: boolean;
  /** A page that has more unread bytes than this misses frames. Default 4,000,000. */
  maxBufferedBytes?: number;
  logger?: Logger;
};

/** An open inspector. */
export type Inspector = {
  /** The address of the page, with the token that lets somebody in. On this machine only. */
  url: string;
  /** Where other programs may send Stately's inspection messages: the `url` of `createWebSocketInspector`, or hear them as receivers. */
  inspectUrl: string;
  /** Closes the server and every page's connection. What was looked at goes on. */
  close(): Promise<void>;
};

const open = async (
  source: RunSource | undefined,
  { port = 0, open: shows = false, name = 'agents', keepAlive = false, ...options }: InspectOptions,
  clock: Clock = systemClock,
): Promise<Inspector> => {
  const { maxBufferedBytes = 4_000_000, logger = consoleLogger } = options;
  const token = randomBytes(24).toString('base64url');
  const server = await serve({ port, token, folder: await pageFolder(), keepAlive });
  const inspectUrl = `ws://127.0.0.1:${server.port}/inspect?token=${token}`;
  const hub = openHub({ ...(source && { source }), name, inspectUrl, clock, logger, maxBufferedBytes });
  server.open(hub);
  const url = `http://127.0.0.1:${server.port}/?token=${token}`;
  const forget = shows ? openBrowser(url) : () => {};
  return {
    url,
    inspectUrl,
    async close() {
      forget();
      hub.close();
      await server.close();
    },
  };
};

/**
 * Serves a page that shows the runs of a program live, and acts on them: `const { url } = await inspect(runtime)`. It listens on
 * loopback alone, lets in who has the token of `url`, and sends nothing anywhere else. It changes no run unless somebody asks for it
 * on the page, whatever happens to the page. Close it, or let the process end. @throws FaultError `inspector.port`
 */
export const inspect = (runtime: Runtime, options: InspectOptions = {}): Promise<Inspector> =>
  // Ages are in the time of the runs; frames come in the time of whoever looks.
  open(runtimeSource(runtime), options, { ...systemClock, now: () => runtime.environment.clock.now() });

/**
 * The same for stored runs, without their program: `inspectStore(sqliteStore('runs.db'))`. What other processes store is shown as they
 * store it, and commands reach those that execute a run. The store is left open by `close()`. @throws FaultError `inspector.port`
 */
export const inspectStore = (store: RunStore, options: InspectOptions = {}): Promise<Inspector> =>
  open(storeSource(storedRuns(store, options.logger ? { logger: options.logger } : {})), options);

/**
 * The same for actors of other programs alone, which send Stately's inspection messages to `inspectUrl`: with
 * `createWebSocketInspector({ url })` of `@statelyai/inspect`, or with `statelyInspector({ url })`. @throws FaultError `inspector.port`
 */
export const inspectActors = (options: InspectOptions = {}): Promise<Inspector> => open(undefined, options);
