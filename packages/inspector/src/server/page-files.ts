/** The built page: files of one folder, and nothing outside it. */
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { type Gate, urlOf } from './gate.ts';

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
};

/** The page asks nobody but this server, and is framed by pages of this machine alone: `@statelyai/inspect` opens it so. */
const policy = [
  "default-src 'self'",
  "connect-src 'self' ws://127.0.0.1:* ws://localhost:*",
  "img-src 'self' data:",
  "worker-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self' http://127.0.0.1:* http://localhost:*",
].join('; ');

const headers = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

const say = (response: ServerResponse, status: number, text: string): void => {
  response.writeHead(status, { ...headers, 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
};

const missing = (folder: string): string =>
  `The inspector's page is not built: there is no index.html in ${folder}. A published package brings it: install it again.`;

/** The file of the folder that an address names; `null` for what would lie outside. */
const fileIn = (folder: string, path: string): string | null => {
  try {
    const file = normalize(join(folder, decodeURIComponent(path === '/' ? '/index.html' : path)));
    return file.startsWith(folder.endsWith(sep) ? folder : folder + sep) ? file : null;
  } catch {
    return null;
  }
};

/** Answers requests with files of a folder. */
export const pageFiles =
  (folder: string, gate: Gate) =>
  async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return say(response, 405, `The inspector is read with GET, not ${request.method}.`);
    const { pathname } = urlOf(request);
    const isPage = pathname === '/' || pathname === '/index.html';
    // What the page is made of is no secret; its address is what lets somebody in.
    const refusal = gate.host(request) ?? (isPage ? gate.token(request) : null);
    if (refusal) return say(response, refusal.status, refusal.reason);
    const file = fileIn(normalize(folder), pathname);
    const body = file === null ? null : await readFile(file).catch(() => null);
    if (file === null || body === null)
      return isPage ? say(response, 503, missing(folder)) : say(response, 404, `There is no ${pathname} here.`);
    response.writeHead(200, { ...headers, 'content-type': types[extname(file)] ?? 'application/octet-stream' });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
