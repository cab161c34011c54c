/** Who is let in: this machine only, by a name that is this machine's, from a page that is ours, with the token. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Why somebody is not let in: the status of HTTP, and what to do. */
export type Refusal = { status: number; reason: string };

export type Gate = {
  /** Whether a request asks for this server by one of its own names: a page of elsewhere that had its name point here does not. */
  host(request: IncomingMessage): Refusal | null;
  /** Whether it brings the token. */
  token(request: IncomingMessage): Refusal | null;
  /** Whether it is from our own page, or from no page at all. */
  ownOrigin(request: IncomingMessage): Refusal | null;
  /** Whether it is from a page of this machine, or from no page at all. */
  localOrigin(request: IncomingMessage): Refusal | null;
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
const localNames = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** The address that was asked for. What follows the host cannot be wrong: read as relative, `//` would be a host without a name. */
export const urlOf = ({ url = '/' }: IncomingMessage): URL =>
  new URL(`http://127.0.0.1${url.startsWith('/') ? url : `/${url}`}`);

const isLocal = (origin: string): boolean => {
  const url = URL.parse(origin);
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && localNames.has(url.hostname);
};

/** @param port That it listens to: known once it does. */
export const openGate = (token: string, port: () => number): Gate => {
  const expected = digest(token);
  const ownHosts = () => {
    const names = [...localNames];
    // Browsers leave the port of HTTP out.
    return [...names.map((name) => `${name}:${port()}`), ...(port() === 80 ? names : [])];
  };
  const origin = (isOurs: (from: string) => boolean) => (request: IncomingMessage) => {
    const from = request.headers.origin;
    if (from === undefined || isOurs(from)) return null;
    return { status: 403, reason: `Origin "${from}" may not talk to the inspector: it serves its own page only.` };
  };
  return {
    host(request) {
      const { host = '' } = request.headers;
      if (ownHosts().includes(host)) return null;
      return { status: 421, reason: `There is no "${host}" here. Open http://127.0.0.1:${port()}/ with its token.` };
    },
    token(request) {
      const given = urlOf(request).searchParams.get('token') ?? '';
      // Digests are of one length, and compared in constant time.
      if (timingSafeEqual(digest(given), expected)) return null;
      return {
        status: 401,
        reason: 'The token is missing or wrong. Open the whole address that the program told you.',
      };
    },
    ownOrigin: origin((from) => ownHosts().some((host) => from === `http://${host}`)),
    localOrigin: origin(isLocal),
  };
};
