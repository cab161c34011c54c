import type { IncomingMessage, ServerResponse } from 'node:http';
import { FaultError } from '@troupe/protocol';

/** A request of `node:http`, by what is needed of it: a project without the types of Node reads this, too. */
export type NodeRequest = {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: { readonly host?: string | undefined };
  readonly rawHeaders: readonly string[];
  [Symbol.asyncIterator](): AsyncIterator<unknown>;
};

/** What answers a request of `node:http`, by what is needed of it. */
export type NodeResponse = {
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  getHeaderNames(): string[];
  removeHeader(name: string): void;
  setHeaders(headers: Headers): unknown;
  writeHead(status: number): unknown;
  flushHeaders(): void;
  write(chunk: Uint8Array): boolean;
  end(): unknown;
  destroy(): unknown;
};

/** Found, not imported: this package loads where there is no Node. */
const streams = () => {
  const found = globalThis.process?.getBuiltinModule?.('stream');
  if (found) return found;
  throw new FaultError('agui.invalid', 'nodeHandler needs Node: there are no servers here. Call the handler itself.');
};

/**
 * Serves what handles a web `Request` to a server of `node:http`: `createServer(nodeHandler(handler))`. A client that leaves cancels the
 * body of the answer. A request that is none for the web is answered with 400; one whose handler throws, or whose answer is none for HTTP, with 500.
 *
 * @throws FaultError `agui.invalid` where there is no Node.
 */
export const nodeHandler = (
  handle: (request: Request) => Promise<Response>,
): ((incoming: NodeRequest, outgoing: NodeResponse) => void) => {
  const node = streams();
  const serve = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const request = requestOf(incoming, node);
    if (!request) return void outgoing.writeHead(400).end();
    const answer = async (): Promise<void> => send(await handle(request), outgoing, node);
    answer().catch(() => {
      if (outgoing.headersSent) return outgoing.destroy();
      for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name);
      return outgoing.writeHead(500).end();
    });
  };
  return serve as (incoming: NodeRequest, outgoing: NodeResponse) => void;
};

type Streams = ReturnType<typeof streams>;

const send = ({ status, headers, body }: Response, outgoing: ServerResponse, { Readable, promises }: Streams): void => {
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
  promises.pipeline(body ? Readable.fromWeb(body) : Readable.from([]), outgoing).catch(() => {});
};

/** Nothing where no web request can be: of a host that is no name of one or holds a password, or of a method such as TRACE. */
const requestOf = (incoming: IncomingMessage, { Readable }: Streams): Request | undefined => {
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
