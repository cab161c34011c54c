/** The inspector's server: the page, its socket, and one for programs. On loopback only. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { FaultError, messageOf } from '@troupe/protocol';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Hub } from '../hub/hub.ts';
import { openGate, type Refusal, urlOf } from './gate.ts';
import { pageFiles } from './page-files.ts';
import { openRelay } from './relay.ts';

export type ServeOptions = {
  /** 0: any that is free. */
  port: number;
  token: string;
  /** The folder of the built page. */
  folder: string;
  keepAlive: boolean;
};

export type Served = {
  port: number;
  /** From now on pages are told of what this hub knows. */
  open(hub: Hub): void;
  close(): Promise<void>;
};

/** Longest messages: of a page, and of a program, whose snapshots hold contexts. */
const maxBytes = { page: 1_000_000, program: 64_000_000 };

/** Milliseconds that a page has to answer that it is to go. `ws` knows it, its types do not yet. */
const patience = { closeTimeout: 5_000 };

const refuse = (socket: Duplex, { status, reason }: Refusal): void => {
  const body = `${reason}\n`;
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    // Whoever keeps its end open would keep the server from closing.
    () => socket.destroy(),
  );
};

const listen = (server: Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new FaultError(
          'inspector.port',
          `The inspector cannot listen on 127.0.0.1:${port}: ${messageOf(error)}. Give another port, or 0 for any that is free.`,
          { cause: error },
        ),
      ),
    );
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });

/** @throws FaultError `inspector.port` when it cannot listen there */
export const serve = async ({ port, token, folder, keepAlive }: ServeOptions): Promise<Served> => {
  let bound = port;
  let hub: Hub | undefined;
  const gate = openGate(token, () => bound);
  const answer = pageFiles(folder, gate);
  const server = createServer((request, response) => void answer(request, response));
  const pages = new WebSocketServer({ noServer: true, maxPayload: maxBytes.page, ...patience });
  const programs = new WebSocketServer({ noServer: true, maxPayload: maxBytes.program });
  const relay = openRelay({
    hear: (program, message) => hub?.hear(program, message),
    left: (program) => hub?.left(program),
  });

  const attend = (socket: WebSocket): void => {
    const viewer = hub?.connect({
      send: (text) => socket.readyState === socket.OPEN && socket.send(text),
      buffered: () => socket.bufferedAmount,
      // Try again later. Whoever does not even read this is cut off.
      drop: (reason) => socket.close(1013, reason),
    });
    socket.on('message', (data) => viewer?.receive(String(data)));
    socket.on('close', () => viewer?.leave());
  };
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const { pathname } = urlOf(request);
    const isPage = pathname === '/page';
    if (!isPage && pathname !== '/inspect')
      return refuse(socket, { status: 404, reason: `There is no socket ${pathname} here: /page and /inspect are.` });
    const origin = isPage ? gate.ownOrigin(request) : gate.localOrigin(request);
    const refusal = gate.host(request) ?? origin ?? gate.token(request);
    if (refusal) return refuse(socket, refusal);
    const sockets = isPage ? pages : programs;
    sockets.handleUpgrade(request, socket, head, (opened) => {
      // A socket that breaks has closed; nobody else needs to know.
      opened.on('error', () => {});
      if (isPage) attend(opened);
      else relay.join(opened);
    });
  };

  server.on('upgrade', (request, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    upgrade(request, socket, head);
  });
  if (!keepAlive) server.on('connection', (socket) => socket.unref());
  bound = await listen(server, port);
  if (!keepAlive) server.unref();
  return {
    port: bound,
    open(opened) {
      hub = opened;
    },
    async close() {
      for (const socket of [...pages.clients, ...programs.clients]) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
