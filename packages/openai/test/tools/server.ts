import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as it came over the wire, and from which port. `closed` resolves when its connection is gone, however that came. */
export type Received = {
  path: string;
  headers: IncomingHttpHeaders;
  body: any;
  port: number | undefined;
  closed: Promise<void>;
};

/** A server on loopback that keeps what it received, and answers with `answer`. */
export const listen = async (answer: (response: ServerResponse, received: Received) => unknown) => {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const closed = new Promise<void>((resolve) => response.once('close', resolve));
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (piece) => (text += piece));
    request.on('end', () => {
      const { url: path = '', headers, socket } = request;
      const entry = { path, headers, body: JSON.parse(text), port: socket.remotePort, closed };
      received.push(entry);
      void answer(response, entry);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    received,
    last: () => received.at(-1)!,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
};

/** A server that passes everything on to another, and keeps what it received. */
export const inFrontOf = (target: string) =>
  listen(async (response, { path, headers, body }) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      const answer = await fetch(target + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: headers.authorization ?? '' },
        body: JSON.stringify(body),
        signal: gone.signal,
      });
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      for await (const piece of answer.body!) response.write(piece);
      response.end();
    } catch {
      response.destroy();
    }
  });

/** Begins a stream of server-sent events and sends some. Text goes out as it is. */
export const sendEvents = (response: ServerResponse, events: readonly (object | string)[]): ServerResponse => {
  if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of events) response.write(typeof event === 'string' ? event : `data: ${JSON.stringify(event)}\n\n`);
  return response;
};

/** Answers with an error, as JSON. */
export const sendError = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
};
