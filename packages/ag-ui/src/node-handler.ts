import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * Serves what handles a web `Request` to a server of `node:http`: `createServer(nodeHandler(handler))`. A client that leaves cancels the
 * body of the answer. A request that is none for the web is answered with 400; one whose handler throws, or whose answer is none for HTTP, with 500.
 */
export const nodeHandler =
  (handle: (request: Request) => Promise<Response>) =>
  (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const request = requestOf(incoming);
    if (!request) return void outgoing.writeHead(400).end();
    const answer = async (): Promise<void> => send(await handle(request), outgoing);
    answer().catch(() => {
      if (outgoing.headersSent) return outgoing.destroy();
      for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name);
      return outgoing.writeHead(500).end();
    });
  };

const send = ({ status, headers, body }: Response, outgoing: ServerResponse): void => {
  const leave = (): void => void body?.cancel().catch(() => {});
  // Who has left before the answer began.
  if (outgoing.destroyed) return leave();
  try {
    outgoing.setHeaders(headers).writeHead(status).flushHeaders();
  } catch (error) {
    leave();
    throw error;
  }
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
