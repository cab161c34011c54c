/** What servers send that stand between OpenAI's protocol and others: over HTTP, by the real client. */
import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { openai } from '../src/index.ts';
import { listen, type Received, sendError, sendEvents } from './tools/server.ts';
import { everythingIn, faultIn, stoppedClock, turnOf } from './tools/turn.ts';

const servers: { close: () => Promise<unknown> }[] = [];
const serve = async (answer: (response: ServerResponse, received: Received) => unknown) => {
  const server = await listen(answer);
  servers.push(server);
  return server;
};
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const hello = { messages: [{ role: 'user' as const, content: 'hello' }] };
const says = (delta: object, more: object = {}) => ({ choices: [{ index: 0, delta, ...more }] });
const end = [says({}, { finish_reason: 'stop' }), 'data: [DONE]\n\n'];
const at = (url: string, more = {}) => openai({ baseURL: url, apiKey: 'unusual+key/of_a_vendor==', ...more });

describe('an answer of 200 that is no stream', () => {
  const whole = (body: unknown, type = 'application/json') =>
    serve((response) => {
      response.writeHead(200, { 'content-type': type });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });

  test.each([
    // LM Studio, asked without /v1
    [{ error: 'Unexpected endpoint or method. (POST /chat/completions)' }, 'model.bad_request', 'Unexpected endpoint'],
    [{ error: { message: 'Incorrect API key', code: 'invalid_api_key' } }, 'model.unauthorized', 'Incorrect API key'],
    [{ error: { message: 'Slow down', type: 'rate_limit_error' } }, 'model.rate_limited', 'Slow down'],
    [{ error: { message: 'Provider returned error', code: 502 } }, 'model.unavailable', 'Provider returned error'],
    [{ status: 'ok' }, 'model.misconfigured', '{"status":"ok"}'],
  ])('and tells of an error says what it is: %j', async (body, code, said) => {
    const server = await whole(body);
    const fault = await faultIn(turnOf(at(server.url), hello));
    expect(fault).toMatchObject({ code, message: expect.stringContaining(said) });
    expect(fault.details?.status).toBeUndefined();
  });

  test('but a page is of no model', async () => {
    const server = await whole('<!doctype html><title>Open WebUI</title>', 'text/html; charset=utf-8');
    expect(await faultIn(turnOf(at(server.url), hello))).toMatchObject({
      code: 'model.misconfigured',
      retryable: false,
      message: expect.stringContaining('"<!doctype html>'),
    });
  });

  test('but whole counts, on either wire', async () => {
    const chat = await whole({
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: 'All of it.' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1, completion_tokens: 5 },
    });
    expect(await turnOf(at(chat.url), hello)).toMatchObject({
      text: 'All of it.',
      finish: ['stop'],
      usage: { outputTokens: 5 },
    });
    const output = [{ type: 'message', content: [{ type: 'output_text', text: 'All of it.' }] }];
    const responses = await whole({ object: 'response', status: 'completed', output, usage: null });
    expect(await turnOf(at(responses.url, { wire: 'responses' }), hello)).toMatchObject({
      text: 'All of it.',
      finish: ['stop'],
    });
  });

  test('but is one under a wrong name, and is heard as it comes', async () => {
    const heard = Promise.withResolvers<void>();
    const server = await serve(async (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('\nda');
      await new Promise((resolve) => setImmediate(resolve));
      response.write(`ta: ${JSON.stringify(says({ content: 'Forty' }))}\n\n`);
      await heard.promise;
      sendEvents(response, [says({ content: '-two.' }), ...end]).end();
    });
    const turn = await turnOf(at(server.url), hello, { onPart: () => heard.resolve() });
    expect(turn).toMatchObject({ text: 'Forty-two.', finish: ['stop'], deltas: 2 });
  });

  test('and has no body the client has to say', async () => {
    const fetch = () => Promise.resolve(new Response(null, { headers: { 'content-type': 'application/json' } }));
    expect(await faultIn(turnOf(at('http://this.test/v1', { fetch }), hello))).toHaveProperty('code');
  });
});

test('a fetch whose bodies are no streams of the web is read as it is', async () => {
  async function* body() {
    for (const event of [says({ content: 'Forty-two.' }), ...end])
      yield Buffer.from(typeof event === 'string' ? event : `data: ${JSON.stringify(event)}\n\n`);
  }
  const answer = { ok: true, status: 200, headers: new Headers({ 'content-type': 'text/event-stream' }), body: body() };
  const fetch = (() => Promise.resolve(answer)) as never;
  expect(await turnOf(at('http://this.test/v1', { fetch }), hello)).toMatchObject({ text: 'Forty-two.' });
});

describe('an error in words of a vendor', () => {
  const perMinute = {
    error: {
      code: 429,
      status: 'RESOURCE_EXHAUSTED',
      message: 'You exceeded your current quota, please check your plan and billing details.\nPlease retry in 26.2s.',
    },
  };
  test.each([
    ['a list', [perMinute]],
    ['an object', perMinute],
  ])('of Gemini, that a limit per minute is reached, is passing: %s', async (_, body) => {
    const server = await serve((response) => sendError(response, 429, body));
    expect(await faultIn(turnOf(at(server.url), hello))).toMatchObject({
      code: 'model.rate_limited',
      retryable: true,
      details: { retryAfterMs: 26_200 },
    });
  });

  test('is that of whoever stands behind OpenRouter', async () => {
    const raw = JSON.stringify({ error: { message: "This model's maximum context length is 262144 tokens." } });
    const body = { error: { message: 'Provider returned error', code: 400, metadata: { provider_name: 'x', raw } } };
    const server = await serve((response) => sendError(response, 400, body));
    const fault = await faultIn(turnOf(at(server.url), hello));
    expect(fault).toMatchObject({ code: 'model.context_length', message: expect.stringContaining('262144') });
  });
});

test('comments of a stream are no silence', async () => {
  const clock = stoppedClock();
  const begun = vi.spyOn(clock, 'setTimeout');
  const server = await serve(async (response) => {
    for (let n = 0; n < 4; n++) {
      const before = begun.mock.calls.length;
      sendEvents(response, [': PROCESSING\n\n']);
      await vi.waitFor(() => expect(begun.mock.calls.length).toBeGreaterThan(before), { interval: 1 });
      clock.advance(4_000);
    }
    sendEvents(response, [says({ content: 'Forty-two.' }), ...end]).end();
  });
  const turn = await turnOf(at(server.url, { timeoutMs: 5_000 }), hello, { clock });
  expect(turn).toMatchObject({ text: 'Forty-two.', finish: ['stop'] });
  await vi.waitFor(() => expect(clock.waiting()).toBe(0), { interval: 1 });
});

test('the platform gives up no request that is waited for, before its answer and inside it', async () => {
  const shared = Symbol.for('undici.globalDispatcher.1');
  const before = Reflect.get(globalThis, shared) as { constructor: new (options: object) => object };
  // given connections that give up as soon as they can, which is after a second, as Node's do after five minutes
  Reflect.set(globalThis, shared, new before.constructor({ headersTimeout: 100, bodyTimeout: 100 }));
  onTestFinished(() => void Reflect.set(globalThis, shared, before));
  const server = await serve(async (response) => {
    await wait(1_300);
    sendEvents(response, [says({ content: 'Forty' })]);
    await wait(1_300);
    sendEvents(response, [says({ content: '-two.' }), ...end]).end();
  });
  const [impatient, turn] = await Promise.allSettled([
    fetch(server.url, { method: 'POST', body: '{}' }),
    turnOf(at(server.url), hello),
  ]);
  expect(impatient.status).toBe('rejected');
  expect(turn).toMatchObject({ value: { text: 'Forty-two.', finish: ['stop'] } });
});

describe('a secret shows in no fault', () => {
  const repeating = () =>
    serve((response, { headers }) =>
      sendError(response, 401, { error: { message: `No such key: ${headers.authorization?.replace(/^\S+ /, '')}` } }),
    );
  test.each([
    ['a key that was read with its line', { apiKey: 'c0ffee-of-a-vendor-4711\n' }],
    ['a header of another scheme', { headers: { Authorization: 'Api-Key c0ffee-of-a-vendor-4712' } }],
  ])('%s', async (_, options) => {
    const server = await repeating();
    const fault = await faultIn(turnOf(at(server.url, options), hello));
    expect(fault.message).toContain('No such key: [redacted]');
    expect(everythingIn(fault)).not.toContain('c0ffee');
  });

  test.each([
    'http://c0ffeetoken4713@127.0.0.1:1/v1',
    'http://:c0ffeetoken4714@127.0.0.1:1/v1',
    'http://me:c0ffee%404715@127.0.0.1:1/v1',
  ])('one in the baseURL, which is refused: %s', (url) => {
    let thrown: unknown;
    try {
      at(url);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'model.misconfigured', message: expect.stringContaining('Authorization') });
    expect(everythingIn(thrown)).not.toContain('c0ffee');
  });
});

test.each(['localhost:11434/v1', 'my-host:8000/v1', 'ftp://host/v1'])('the baseURL %s is none', (baseURL) => {
  expect(() => at(baseURL)).toThrow(/whole URL/);
});
