/** Web handlers on a server of `node:http`, and clients that do as they please. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { createRuntime, defineAgent, defineTool } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { agUiHandler, nodeHandler } from '../src/index.ts';
import { expectOrdered } from './ordering.ts';
import { eventsIn, input, post, serve } from './served.ts';

const listen = async (handle: Parameters<typeof nodeHandler>[0]): Promise<{ server: Server; url: string }> => {
  const server = createServer(nodeHandler(handle));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
};

/** A client that sends a request, and leaves once the server works at it. */
const leaving = async ({ server }: { server: Server }, text: string, begun: Promise<void>): Promise<void> => {
  const { port } = server.address() as AddressInfo;
  const gone = new Promise((resolve) => server.once('connection', (socket) => socket.once('close', resolve)));
  const socket = connect(port, '127.0.0.1', () => socket.write(text));
  await begun;
  socket.destroy();
  await gone;
};

describe('a client that leaves before the answer begins', () => {
  const requestOf = (body: string): string =>
    `POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

  test('is told to the body of the answer', async () => {
    const [begun, ready] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const cancel = vi.fn<() => void>();
    const served = await listen(async () => {
      begun.resolve();
      await ready.promise;
      return new Response(new ReadableStream({ cancel }));
    });
    await leaving(served, requestOf('{}'), begun.promise);
    ready.resolve();
    await vi.waitFor(() => expect(cancel).toHaveBeenCalledOnce());
  });

  test('interrupts its run where that was asked for', async () => {
    const [begun, ready] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const runtime = createRuntime({ provider: scriptedProvider([{ hang: true }]), model: 'm' });
    onTestFinished(() => runtime.close({ graceMs: 0 }));
    const handle = agUiHandler({
      runtime,
      async agent() {
        begun.resolve();
        await ready.promise;
        return defineAgent({ name: 'clerk', instructions: '' });
      },
      onDisconnect: 'interrupt',
    });
    const served = await listen(handle);
    await leaving(served, requestOf(JSON.stringify(input('hi'))), begun.promise);
    ready.resolve();
    await vi.waitFor(async () => expect((await runtime.runs.get('run-1'))?.status).toBe('interrupted'));
  });
});

test('every cookie of an answer is sent', async () => {
  const headers = new Headers([
    ['set-cookie', 'a=1'],
    ['set-cookie', 'b=2'],
    ['x-other', 'c'],
  ]);
  const { url } = await listen(async () => new Response('ok', { status: 201, headers }));
  const { status, headers: got } = await fetch(url);
  expect([status, got.getSetCookie(), got.get('x-other')]).toEqual([201, ['a=1', 'b=2'], 'c']);
});

test.each([
  [
    'throws',
    () => {
      throw new Error('bug');
    },
  ],
  ['rejects', () => Promise.reject(new Error('bug'))],
  ['gives no answer for HTTP', () => Promise.resolve(Response.error())],
] as [string, () => Promise<Response>][])('a handler that %s is answered with 500', async (_, handle) => {
  const { url } = await listen(handle);
  expect((await fetch(url)).status).toBe(500);
});

test('a stream is in order, and ends, though "custom" throws; what AG-UI has a word for is nobody\'s choice', async () => {
  const look = defineTool({
    name: 'look',
    description: '',
    inputSchema: z.object({}),
    execute: () => 'seen',
  });
  const clerk = defineAgent({ name: 'clerk', instructions: '', tools: [look], budget: { tokens: 18 } });
  const asked: string[] = [];
  const custom = ({ type }: { type: string }): boolean => {
    asked.push(type);
    throw new Error('bug');
  };
  const provider = scriptedProvider([{ calls: [{ name: 'look', arguments: {} }] }, 'Hello.']);
  const { url } = await serve(clerk, { provider }, { custom });
  const events = eventsIn(await (await post(url, JSON.stringify(input('hi')))).text());
  expectOrdered(events);
  expect(events.at(-1)).toMatchObject({ type: 'RUN_ERROR' });
  expect(events.length).toBeGreaterThan(3);
  expect(asked).toEqual(['budget.warned']);
});

test('a place without Node has no servers to serve, and is told so', () => {
  vi.stubGlobal('process', undefined);
  onTestFinished(() => void vi.unstubAllGlobals());
  expect(() => nodeHandler(async () => new Response())).toThrow('nodeHandler needs Node');
});
