import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * Serves what handles a web `Request` to a server of `node:http`: `createServer(nodeHandler(handler))`. A client that leaves cancels the
 * body of the answer. A request that is none for the web is answered with 400, a handler that rejects with 500.
 */
export const nodeHandler =
  (handle: (request: Request) => Promise<Response>) =>
  (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const request = requestOf(incoming);
    if (!request) outgoing.writeHead(400).end();
    else
      handle(request).then(
        (response) => send(response, outgoing),
        () => outgoing.writeHead(500).end(),
      );
  };

const send = ({ status, headers, body }: Response, outgoing: ServerResponse): void => {
  outgoing.writeHead(status, Object.fromEntries(headers));
  outgoing.flushHeaders();
  // That a client has left is told to the body alone.
  pipeline(body ? Readable.fromWeb(body) : Readable.from([]), outgoing).catch(() => {});
};

/** Nothing where no web request can be: of a host that is no name of one or holds a password, or of a method such as TRACE. */
const requestOf = (incoming: IncomingMessage): Request | undefined => {
  const { method = 'GET', url = '/', headers } = incoming;
  const hasBody = method !== 'GET' && method !== 'HEAD';
  try {
    return new Request(new URL(url, `http://${headers.host ?? 'localhost'}`), {
      method,
      headers: headersOf(incoming),
      ...(hasBody && { body: Readable.toWeb(incoming), duplex: 'half' as const }),
    });
  } catch {
    return undefined;
  }
};

const headersOf = ({ rawHeaders }: IncomingMessage): Headers => {
  const headers = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    headers.append(rawHeaders[i] as string, rawHeaders[i + 1] as string);
  return headers;
};
