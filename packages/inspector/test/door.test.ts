import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { inspect } from '../src/index.ts';
import { openGate } from '../src/server/gate.ts';
import { serve } from '../src/server/serve.ts';
import { clerk } from './clerk.ts';
import { openPage } from './page.ts';
import { inspected, openProgram } from './program.ts';

/** What is answered to a request, by the headers that are sent. */
const get = (
  url: string,
  { headers = {}, method = 'GET' }: { headers?: Record<string, string>; method?: string } = {},
) =>
  new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
    const sent = request(url, { method, headers }, (response) => {
      let body = '';
      response.on('data', (part) => (body += String(part)));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on('error', reject).end();
  });
/** How an upgrade is answered. */
const knock = (url: string, headers: Record<string, string> = {}) =>
  new Promise<{ status: number; body?: string }>((resolve) => {
    const socket = new WebSocket(url, { headers });
    onTestFinished(() => socket.terminate());
    socket.on('open', () => resolve({ status: 101 }));
    socket.on('error', () => {});
    socket.on('unexpected-response', (_request, response) => {
      let body = '';
      response.on('data', (part) => (body += String(part)));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: body.trim() }));
    });
  });

/** A server with a page of its own, and no hub. */
const served = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-page-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>here</title>');
  writeFileSync(join(folder, 'page.js'), 'export {};');
  writeFileSync(join(folder, 'data.bin'), 'x');
  const server = await serve({ port: 0, token: 'secret', folder, keepAlive: false });
  onTestFinished(() => server.close());
  return { folder, server, at: `http://127.0.0.1:${server.port}` };
};

describe('the page', () => {
  test('is given to who has the token, by a name of this machine, with headers that let nothing else in', async () => {
    const { at, server } = await served();
    const page = await get(`${at}/?token=secret`);
    expect(page).toMatchObject({ status: 200, body: expect.stringContaining('here') });
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': expect.stringContaining("default-src 'self'"),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    });
    expect(await get(`${at}/?token=secret`, { headers: { host: `localhost:${server.port}` } })).toMatchObject({
      status: 200,
    });
    expect(await get(`${at}/page.js`)).toMatchObject({
      status: 200,
      headers: { 'content-type': expect.stringContaining('javascript') },
    });
    expect(await get(`${at}/data.bin`)).toMatchObject({ headers: { 'content-type': 'application/octet-stream' } });
    expect(await get(`${at}/?token=secret`, { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  });

  test.each([
    ['without the token', '/', {}, 401, 'The token is missing or wrong'],
    ['with another', '/index.html?token=secres', {}, 401, 'The token is missing or wrong'],
    [
      'under another name, as after DNS was rebound',
      '/?token=secret',
      { headers: { host: 'evil.example' } },
      421,
      'evil.example',
    ],
    ['for a file that is not there', '/none.js', {}, 404, '/none.js'],
    ['for a file outside its folder', '/..%2f..%2fetc%2fpasswd', {}, 404, 'There is no'],
    ['for an address that is none', '/%', {}, 404, 'There is no'],
    ['for one that names no host', '//', {}, 404, 'There is no'],
    ['otherwise than by reading', '/?token=secret', { method: 'POST' }, 405, 'GET'],
  ] as const)('is not given %s', async (_how, path, how, status, says) => {
    const { at } = await served();
    expect(await get(`${at}${path}`, how)).toMatchObject({ status, body: expect.stringContaining(says) });
  });

  test('that is not built is missed clearly', async () => {
    const { at, folder } = await served();
    rmSync(join(folder, 'index.html'));
    expect(await get(`${at}/?token=secret`)).toMatchObject({ status: 503, body: expect.stringContaining(folder) });
  });
});

describe('the socket', () => {
  test('lets its own page in, and programs without a page', async () => {
    const { server, at } = await served();
    const page = `ws://127.0.0.1:${server.port}/page?token=secret`;
    expect(await knock(page)).toEqual({ status: 101 });
    expect(await knock(page, { origin: at })).toEqual({ status: 101 });
    expect(await knock(page, { origin: `http://localhost:${server.port}` })).toEqual({ status: 101 });
  });

  test.each([
    ['without the token', '/page', {}, 401],
    ['with another token', '/page?token=x', {}, 401],
    ['from a page of elsewhere', '/page?token=secret', { origin: 'https://evil.example' }, 403],
    ['from another page of this machine', '/page?token=secret', { origin: 'http://127.0.0.1:1' }, 403],
    ['from a file', '/page?token=secret', { origin: 'null' }, 403],
    ['under another name', '/page?token=secret', { host: 'evil.example' }, 421],
    ['elsewhere', '/other?token=secret', {}, 404],
    ['where no host is named', '//?token=secret', {}, 404],
    ['for programs, from a page of elsewhere', '/inspect?token=secret', { origin: 'https://evil.example' }, 403],
    ['for programs, without the token', '/inspect', {}, 401],
  ])('lets nobody in %s', async (_how, path, headers, status) => {
    const { server } = await served();
    const { status: found, body } = await knock(`ws://127.0.0.1:${server.port}${path}`, headers);
    expect(found).toBe(status);
    expect(body).toMatch(/\w+/);
    expect(body).not.toContain('secret');
  });

  test('for programs lets a page of this machine in', async () => {
    const { server } = await served();
    const url = `ws://127.0.0.1:${server.port}/inspect?token=secret`;
    expect(await knock(url, { origin: 'http://localhost:5173' })).toEqual({ status: 101 });
  });
});

test('the port of HTTP is asked for without its number, and no other is', () => {
  const headers = { host: 'localhost', origin: 'http://localhost' };
  const asked = { url: '/?token=secret', headers } as unknown as IncomingMessage;
  const [http, other] = [openGate('secret', () => 80), openGate('secret', () => 8080)];
  expect([http.host(asked), http.ownOrigin(asked)]).toEqual([null, null]);
  expect([other.host(asked), other.ownOrigin(asked)]).toMatchObject([{ status: 421 }, { status: 403 }]);
});

describe('the server', () => {
  test('listens on loopback alone', async () => {
    const { runtime } = openProgram();
    const { url } = await inspected(runtime);
    const { port } = new URL(url);
    const refused = await new Promise((resolve) =>
      connect({ host: '127.0.0.2', port: Number(port) })
        .on('connect', () => resolve(false))
        .on('error', () => resolve(true)),
    );
    expect(refused).toBe(true);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{32}$/);
  });

  test('has a token of its own each time', async () => {
    const { runtime } = openProgram();
    const [one, two] = [await inspected(runtime), await inspected(runtime)];
    expect(new URL(one.url).search).not.toBe(new URL(two.url).search);
  });

  test('says which port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const { runtime } = openProgram();
    await expect(inspect(runtime, { port })).rejects.toMatchObject({
      code: 'inspector.port',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
  });

  test('closes though somebody who was not let in keeps the connection', async () => {
    const { server } = await served();
    const socket = connect({ host: '127.0.0.1', port: server.port, allowHalfOpen: true });
    onTestFinished(() => void socket.destroy());
    socket.write(
      `GET /page HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    );
    expect(await new Promise((resolve) => socket.once('data', (part) => resolve(String(part))))).toContain('401');
    await server.close();
  });

  test('closes with its pages, and the runs go on', async () => {
    const { runtime, say } = openProgram();

    const inspector = await inspect(runtime);
    const page = await openPage(inspector.url);
    const closed = new Promise((resolve) => page.socket.once('close', resolve));
    const run = runtime.start(clerk, 'go');
    await inspector.close();
    await closed;
    await say('Done.');
    expect(await run.ended).toMatchObject({ status: 'completed' });
  });
});
