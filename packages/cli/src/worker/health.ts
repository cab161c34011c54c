/** How a worker is, over HTTP: for whoever starts it again, or sends it no more work. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FaultError, messageOf } from '@troupe/protocol';
import { misuse } from '../commands/problem.ts';
import type { WorkerStatus } from './worker-machine.ts';

/** What `GET /health` says. Times are epoch milliseconds. */
export type Health = {
  status: WorkerStatus;
  name: string;
  queues: readonly string[];
  concurrency: number;
  /** The agents of its file. */
  agents: readonly string[];
  /** Runs that are executed now; the agent is null until a run has told something here. */
  runs: readonly { runId: string; agent: string | null; since: number }[];
  /** When it began to serve. */
  since: number;
  versions: { troupe: string; node: string };
};

export type HealthAddress = { host: string; port: number };

const usual: HealthAddress = { host: '127.0.0.1', port: 0 };

/** `127.0.0.1:8080`, `8080`, `off`; nothing said is a free port of this machine. @throws FaultError `cli.usage` */
export const healthAddressOf = (said: string | undefined): HealthAddress | null => {
  if (said === undefined) return usual;
  if (said === 'off') return null;
  const [, host = usual.host, digits = ''] = /^(?:([\w.-]+|\[[\da-f:.]+\]):)?(\d{1,5})$/i.exec(said) ?? [];
  const port = Number(digits);
  if (digits === '' || port > 65_535)
    throw misuse(`--health is "${said}". Expected an address such as 127.0.0.1:8080, a port of this machine, or off.`);
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port };
};

/**
 * Serves it: 200 while the worker serves, 503 while it drains or its store does not answer.
 *
 * @throws FaultError `worker.health` when nobody can listen there
 */
export const serveHealth = async (
  { host, port }: HealthAddress,
  health: () => Health,
): Promise<{ url: string; close(): Promise<void> }> => {
  const server = createServer(({ method, url = '' }, response) => {
    const isKnown = /^\/health(?:\?|$)/.test(url);
    const isAsked = method === 'GET' || method === 'HEAD';
    if (!isKnown || !isAsked) return void response.writeHead(isKnown ? 405 : 404).end();
    const said = health();
    response.writeHead(said.status === 'serving' ? 200 : 503, {
      'content-type': 'application/json',
      'cache-control': 'no-store',
    });
    response.end(method === 'HEAD' ? undefined : `${JSON.stringify(said)}\n`);
  });
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (cause) {
    throw new FaultError(
      'worker.health',
      `The worker's health cannot be served at ${host}:${port}: ${messageOf(cause)}. Name another address with --health, or --health off.`,
      { cause },
    );
  }
  // Whoever asks for it keeps no process alive.
  server.unref();
  const { address, family, port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}/health`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};
