/**
 * Who may come in. A page of any site can send requests to a server on this machine, so a request is refused unless the host that it
 * asks for is one of ours (a foreign name that leads here is not), and, where a browser says from which page it comes, unless that
 * page is of the same host or listed.
 */
import { Refusal } from './refusal.ts';

export type DoorOptions = {
  /** Names that this server is reached by, without ports. Default: those of this machine, `localhost`, `127.0.0.1`, `[::1]`. */
  hosts?: readonly string[];
  /** Origins whose pages may send requests, such as `https://app.example`. Default: none but this server's own. */
  origins?: readonly string[];
};

const loopback = ['localhost', '127.0.0.1', '[::1]'];

/** Checks a request, and gives the headers that let a listed page read the answer. @throws Refusal 403 */
export const enter = (request: Request, { hosts = loopback, origins = [] }: DoorOptions): Record<string, string> => {
  const { host, hostname } = new URL(request.url);
  if (!hosts.includes(hostname))
    throw new Refusal(
      403,
      'host.refused',
      `The request was sent to host "${hostname}". Expected one of ${hosts.join(', ')}: add it to the option hosts, if it is yours.`,
    );
  const origin = request.headers.get('origin');
  if (origin === null || hostOf(origin) === host) return {};
  if (!origins.includes(origin))
    throw new Refusal(
      403,
      'origin.refused',
      `The request comes from a page of ${origin}, which is not listed. Add it to the option origins, if it is yours.`,
    );
  return { 'access-control-allow-origin': origin, vary: 'origin' };
};

/** The answer to a browser that asks before it sends. */
export const preflight = (allowed: Record<string, string>): Response =>
  new Response(null, {
    status: 204,
    headers: {
      ...allowed,
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'content-type, accept, authorization',
      'access-control-max-age': '600',
    },
  });

const hostOf = (origin: string): string | undefined => (URL.canParse(origin) ? new URL(origin).host : undefined);
