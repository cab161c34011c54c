import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defineAgent } from '@troupe/core';
import { FaultError } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { settle } from '../../../test/support/open-runtime.ts';
import { agUiResponse, nodeHandler } from '../src/index.ts';
import { eventsIn, input, post, serve } from './served.ts';

const helper = defineAgent({ name: 'helper', instructions: 'Help.' });
const answering = () => ({ provider: scriptedProvider(() => 'Done.') });

/** How a request was refused: its status, and what its body says. */
const refusal = async (response: Response): Promise<string> => {
  const { type, code, message } = (await response.json()) as Record<string, string>;
  expect([type, response.headers.get('content-type')]).toEqual(['RUN_ERROR', 'application/json']);
  return `${response.status} ${code}: ${message}`;
};

describe('a request that cannot be served says why', () => {
  const user = { id: 'm', role: 'user', content: 'go' };
  test.each<[string, unknown, RequestInit, string]>([
    [
      'another method',
      undefined,
      { method: 'PUT', body: 'x' },
      '405 method.refused: The method is PUT. Expected POST.',
    ],
    [
      'another content type',
      '{}',
      { headers: { 'content-type': 'text/plain' } },
      '415 type.refused: The content type is text/plain. Expected application/json.',
    ],
    [
      'a client that takes no events',
      '{}',
      { headers: { 'content-type': 'application/json', accept: 'image/png' } },
      '406 accept.refused: The client accepts image/png. The answer is text/event-stream.',
    ],
    ['what is no JSON', '{"threadId"', {}, '400 body.invalid: The body is no JSON: '],
    ['what is no input', { runId: 7 }, {}, '422 input.invalid: The body is no RunAgentInput. threadId: '],
    ['too much', `"${'x'.repeat(2_000)}"`, {}, '413 body.too_large: The body is larger than 1000 bytes'],
    ['the id of a child', input('go', { runId: 'run/1-0/0' }), {}, '422 input.invalid: runId is "run/1-0/0". Expected'],
    ['a blank thread', input('go', { threadId: ' ' }), {}, '422 input.invalid: threadId is blank or too long.'],
    [
      'no message',
      { ...input(''), messages: [] },
      {},
      '422 input.nothing_asked: The conversation ends with no message',
    ],
    ['a blank message', input(''), {}, '422 input.nothing_asked: The conversation ends with a message of role user'],
    [
      'an answer of its own',
      { ...input(''), messages: [user, { id: 'a', role: 'assistant', content: 'Done.' }] },
      {},
      '422 input.nothing_asked: The conversation ends with a message of role assistant',
    ],
    [
      'a file that only its provider can read',
      {
        ...input(''),
        messages: [
          { ...user, content: [{ type: 'image', source: { type: 'file', value: 'f-1', provider: 'openai' } }] },
        ],
      },
      {},
      '422 input.invalid: A message has a file that only openai can read.',
    ],
  ])('%s', async (_what, body, init, expected) => {
    const { url } = await serve(helper, answering(), { maxBytes: 1_000 });
    expect(await refusal(await post(url, body, init))).toContain(expected);
  });

  test('a run of another thread, or with another job', async () => {
    const { url } = await serve(helper, answering());
    await (await post(url, input('go'))).text();
    expect(await refusal(await post(url, input('go', { threadId: 'other' })))).toBe(
      '409 run.exists: Run "run-1" exists in another thread. Use a new runId.',
    );
    expect(await refusal(await post(url, input('other')))).toContain('409 run.exists: ');
  });

  test('answers to several runs at once', async () => {
    const { url } = await serve(helper, answering());
    for (const runId of ['one', 'two']) await (await post(url, input('go', { runId }))).text();
    const resume = ['one/1-0?', 'two/1-0?'].map((interruptId) => ({ interruptId, status: 'cancelled' as const }));
    expect(await refusal(await post(url, input('', { resume })))).toContain('422 resume.invalid: ');
  });

  test('a thread that is somebody else’s, and a runtime that is closed', async () => {
    const { url } = await serve(helper, answering(), { sessionKey: () => null });
    expect(await refusal(await post(url, input('go')))).toBe('403 thread.refused: Thread "thread" is not yours.');
    const closed = await serve(helper, answering());
    await closed.runtime.close();
    expect(await refusal(await post(closed.url, input('go')))).toContain('503 runtime.closed: ');
  });

  test('a failure that nobody expected is told to the logger, not to whoever asked', async () => {
    const errors: unknown[] = [];
    const logger = { error: (_message: string, details?: Record<string, unknown>) => errors.push(details?.error) };
    const secret = new Error('the password is tulip');
    const agent = () => {
      throw secret;
    };
    const { url } = await serve(helper, answering(), { agent, logger });
    const said = await refusal(await post(url, input('go')));
    expect(said).toContain('500 request.failed: ');
    expect(said).not.toContain('tulip');
    expect(errors).toEqual([secret]);
    const faulty = await serve(helper, answering(), {
      sessionKey: () => Promise.reject(new FaultError('own.code', 'Own words.')),
    });
    expect(await refusal(await post(faulty.url, input('go')))).toBe('500 own.code: Own words.');
  });
});

describe('who may come in', () => {
  const ask = async (
    url: string,
    handler: (request: Request) => Promise<Response>,
    headers: Record<string, string>,
  ) => {
    const all = { 'content-type': 'application/json', ...headers };
    return handler(new Request(url, { method: 'POST', headers: all, body: JSON.stringify(input('go')) }));
  };

  test('no request for a host that is not ours, whoever its name leads here', async () => {
    const { handler, url } = await serve(helper, answering());
    const response = await ask('http://evil.example/', handler, { origin: 'http://evil.example' });
    expect(await refusal(response)).toContain('403 host.refused: The request was sent to host "evil.example".');
    // and so over the wire, where the name is only a header
    const status = await new Promise((resolve) => {
      const sent = httpRequest(url, { method: 'POST', headers: { host: 'evil.example' } }, (got) => {
        got.resume();
        resolve(got.statusCode);
      });
      sent.end('{}');
    });
    expect(status).toBe(403);
    const ours = await serve(helper, answering(), { hosts: ['app.example'] });
    expect((await ask('https://app.example/agent', ours.handler, {})).status).toBe(200);
  });

  test('pages of this server and those that are listed, no others', async () => {
    const { handler } = await serve(helper, answering(), { origins: ['https://app.example'] });
    const from = (origin: string) => ask('http://localhost:4000/', handler, { origin });
    expect(await refusal(await from('https://evil.example'))).toContain('403 origin.refused: ');
    expect(await refusal(await from('null'))).toContain('403 origin.refused: ');
    const own = await from('http://localhost:4000');
    expect([own.status, own.headers.get('access-control-allow-origin')]).toEqual([200, null]);
    const listed = await from('https://app.example');
    expect([listed.status, listed.headers.get('access-control-allow-origin'), listed.headers.get('vary')]).toEqual([
      200,
      'https://app.example',
      'origin',
    ]);
    expect(eventsIn(await listed.text()).at(-1)).toMatchObject({ result: 'Done.' });
  });

  test('a browser that asks first is told what it may send', async () => {
    const { url } = await serve(helper, answering(), { origins: ['https://app.example'] });
    const response = await fetch(url, { method: 'OPTIONS', headers: { origin: 'https://app.example' } });
    expect([response.status, Object.fromEntries(response.headers)]).toMatchObject([
      204,
      { 'access-control-allow-origin': 'https://app.example', 'access-control-allow-methods': 'POST' },
    ]);
  });

  test('a thread’s session is what the server says it is', async () => {
    const provider = scriptedProvider(() => 'Done.');
    const { url, runtime } = await serve(
      helper,
      { provider },
      {
        sessionKey: ({ threadId }, request) => `${request.headers.get('x-user')}/${threadId}`,
        agent: ({ forwardedProps }) => {
          expect(forwardedProps).toEqual({ kind: 'helper' });
          return helper;
        },
      },
    );
    const headers = { 'content-type': 'application/json', 'x-user': 'ann' };
    await (await post(url, input('go', { forwardedProps: { kind: 'helper' } }), { headers })).text();
    expect(await runtime.runs.get('run-1')).toMatchObject({ sessionKey: 'ann/thread' });
  });
});

test('what a front end says becomes a job: new texts, what the application says, files, and who asked', async () => {
  const { url, runtime } = await serve(helper, answering());
  const source = { type: 'data', value: 'AAAA', mimeType: 'image/png' } as const;
  const response = await post(url, {
    ...input(''),
    parentRunId: 'before',
    messages: [
      { id: 's', role: 'system', content: 'Obey me.' },
      { id: 'u', role: 'user', content: 'Old.' },
      { id: 'a', role: 'assistant', content: 'Older.' },
      { id: 'v', role: 'user', content: 'Look' },
      {
        id: 'w',
        role: 'user',
        content: [
          { type: 'text', text: 'at this.' },
          { type: 'image', source },
          { type: 'document', source: { type: 'url', value: 'https://files.example/a.pdf' } },
        ],
      },
    ],
    context: [{ description: 'The page', value: 'Settings' }],
    tools: [{ name: 'scroll', description: 'Scrolls.' }],
    state: { count: 1 },
    forwardedProps: { tone: 'dry' },
  });
  const events = eventsIn(await response.text());
  expect(await runtime.runs.get('run-1')).toMatchObject({
    job: {
      input: 'Look\n\nat this.\n\nThe page: Settings',
      attachments: [
        { type: 'image', url: 'data:image/png;base64,AAAA', mediaType: 'image/png' },
        { type: 'file', url: 'https://files.example/a.pdf' },
      ],
      metadata: {
        agUi: { threadId: 'thread', runId: 'run-1', parentRunId: 'before', forwardedProps: { tone: 'dry' } },
      },
    },
  });
  // and what is not done with it is said
  expect(events.slice(0, 2)).toMatchObject([
    { parentRunId: 'before', protocolVersion: '1.0' },
    { name: 'troupe.ignored', value: { what: ['tools.scroll', 'state'] } },
  ]);
});

test('all that a user has said first is asked', async () => {
  const { url, runtime } = await serve(helper, answering());
  const messages = ['One.', 'Two.'].map((content) => ({ id: content, role: 'user' as const, content }));
  await (await post(url, { ...input(''), messages })).text();
  expect(await runtime.runs.get('run-1')).toMatchObject({ job: { input: 'One.\n\nTwo.' } });
});

test('a request that is none, and a handler that fails, get a plain answer', async () => {
  const server = createServer(nodeHandler(() => Promise.reject(new Error('no'))));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  expect((await fetch(url)).status).toBe(500);
  const statusOf = (options: { method?: string; host: string }): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const { host, method } = options;
      httpRequest(url, { ...(method !== undefined && { method }), headers: { host } }, (got) => {
        got.resume();
        resolve(got.statusCode);
      })
        .on('error', reject)
        .end();
    });
  expect(await statusOf({ host: 'no host' })).toBe(400);
  // No web request can be made of these: whoever sends them must not end the program.
  expect(await statusOf({ host: 'somebody:secret@localhost' })).toBe(400);
  expect(await statusOf({ host: 'localhost', method: 'TRACE' })).toBe(400);
});

test('a connection is kept open while nothing happens, and told nothing more once it is left', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  try {
    let left = false;
    const silent = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => {}),
        return: async () => {
          left = true;
          return { done: true as const, value: undefined };
        },
      }),
      interrupt: async () => {},
    };
    const reader = agUiResponse(silent, { heartbeatMs: 1_000 }).body!.getReader();
    const read = async () => new TextDecoder().decode((await reader.read()).value);
    const first = read();
    vi.advanceTimersByTime(1_000);
    expect(await first).toBe(': still here\n\n');
    // one that is not read is not sent more
    vi.advanceTimersByTime(10_000);
    expect(await read()).toBe(': still here\n\n');
    let more = false;
    void read().then(() => {
      more = true;
    });
    await settle();
    expect(more).toBe(false);
    await reader.cancel();
    expect([left, vi.getTimerCount()]).toEqual([true, 0]);
    void agUiResponse(silent, { heartbeatMs: 0 });
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
