import type { ServerResponse } from 'node:http';
import { LLMock } from '@copilotkit/aimock';
import type { ModelPart } from '@troupe/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { openai } from '../src/index.ts';
import { inFrontOf, listen, type Received, sendError, sendEvents } from './tools/server.ts';
import { everythingIn, faultIn, stoppedClock, turnOf } from './tools/turn.ts';

const mock = new LLMock({ port: 0, logLevel: 'silent', chunkSize: 4 });
const servers: { close: () => Promise<unknown> }[] = [];
const serve = async (answer: (response: ServerResponse, received: Received) => unknown) => {
  const server = await listen(answer);
  servers.push(server);
  return server;
};

beforeAll(() => mock.start());
afterEach(async () => {
  mock.reset();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});
afterAll(() => mock.stop());

const hello = { messages: [{ role: 'user' as const, content: 'hello' }] };
const key = 'unusual+key/of_a_vendor==';

/** The first words of a stream, and the end of a complete one. */
const stream = {
  chat: {
    begin: [{ choices: [{ index: 0, delta: { role: 'assistant', content: 'Once ' } }] }],
    end: [{ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }, 'data: [DONE]\n\n'],
  },
  responses: {
    begin: [
      { type: 'response.created', response: { status: 'in_progress' } },
      { type: 'response.output_text.delta', output_index: 0, delta: 'Once ' },
    ],
    end: [{ type: 'response.completed', response: { status: 'completed', output: [], usage: null } }],
  },
};

describe.each(['chat', 'responses'] as const)('trouble on the %s wire', (wire) => {
  const at = (url: string, more = {}) => openai({ baseURL: url, apiKey: key, wire, ...more });
  const onMock = () => at(`${mock.url}/v1`);
  const { begin, end } = stream[wire];

  test('is rate_limited, with the time to wait, when the server answers 429', async () => {
    mock.onMessage('hello', { error: { message: 'slow down', type: 'rate_limit_error' }, status: 429, retryAfter: 7 });
    const fault = await faultIn(turnOf(onMock(), hello));
    expect(fault).toMatchObject({
      code: 'model.rate_limited',
      retryable: true,
      details: { status: 429, retryAfterMs: 7_000 },
    });
    expect(fault.message).toContain('slow down');
    // and the client did not ask again on its own
    expect(mock.getRequests()).toHaveLength(1);
  });

  test.each([
    ['retry-after-ms', '1500', 1_500],
    ['retry-after', 'Thu, 01 Jan 1970 00:01:00 GMT', 40_000],
  ])('reads the time to wait from %s: %s', async (header, value, retryAfterMs) => {
    const server = await serve((response) =>
      sendError(response, 429, { error: { message: 'slow down' } }, { [header]: value }),
    );
    const fault = await faultIn(turnOf(at(server.url), hello, { clock: stoppedClock(20_000) }));
    expect(fault).toMatchObject({ code: 'model.rate_limited', details: { retryAfterMs } });
  });

  test('is quota, not to be retried, when the account is empty', async () => {
    mock.nextRequestError(429, {
      message: 'You exceeded your current quota.',
      type: 'insufficient_quota',
      code: 'insufficient_quota',
    });
    const fault = await faultIn(turnOf(onMock(), hello));
    expect(fault).toMatchObject({
      code: 'model.quota',
      retryable: false,
      details: { status: 429, serverCode: 'insufficient_quota' },
    });
  });

  test.each([500, 502, 503, 529, 408, 409])(
    'is unavailable, to be retried, when the server answers %i',
    async (status) => {
      mock.nextRequestError(status, { message: 'try later' });
      const fault = await faultIn(turnOf(onMock(), hello));
      expect(fault).toMatchObject({ code: 'model.unavailable', retryable: true, details: { status } });
      expect(mock.getRequests()).toHaveLength(1);
    },
  );

  test.each([
    [400, 'model.bad_request'],
    [402, 'model.quota'],
    [403, 'model.unauthorized'],
    [404, 'model.not_found'],
    [422, 'model.bad_request'],
  ])('is not to be retried when the server answers %i', async (status, code) => {
    mock.nextRequestError(status, { message: 'no' });
    expect(await faultIn(turnOf(onMock(), hello))).toMatchObject({ code, retryable: false, details: { status } });
  });

  test.each([
    [
      'OpenAI',
      400,
      { error: { message: 'Too long.', type: 'invalid_request_error', code: 'context_length_exceeded' } },
    ],
    [
      'vLLM',
      400,
      {
        object: 'error',
        message: "This model's maximum context length is 4096 tokens.",
        type: 'BadRequestError',
        code: 400,
      },
    ],
    [
      'llama.cpp',
      500,
      {
        error: {
          code: 500,
          message: 'the request exceeds the available context size.',
          type: 'exceed_context_size_error',
        },
      },
    ],
    ['LM Studio', 400, { error: 'Trying to keep the first 9000 tokens when context the overflows. However, …' }],
    [
      'Ollama',
      400,
      { error: { message: 'the input length exceeds the context length', type: 'api_error', code: null } },
    ],
  ])('is context_length when the request is too long for a model of %s', async (_, status, body) => {
    const server = await serve((response) => sendError(response, status, body));
    const fault = await faultIn(turnOf(at(server.url), hello));
    expect(fault).toMatchObject({ code: 'model.context_length', retryable: false, details: { status } });
  });

  test('is unauthorized with a dead key, which shows nowhere', async () => {
    const server = await serve((response, { headers }) =>
      sendError(
        response,
        401,
        { error: { message: `Incorrect API key provided: ${headers.authorization}`, code: 'invalid_api_key' } },
        {
          'x-request-id': `req-${key}`,
        },
      ),
    );
    const fault = await faultIn(turnOf(at(server.url), hello));
    expect(server.last().headers.authorization).toBe(`Bearer ${key}`);
    expect(fault).toMatchObject({ code: 'model.unauthorized', retryable: false, details: { status: 401 } });
    expect(everythingIn(fault)).not.toContain(key);
    expect(everythingIn(fault)).toContain('[redacted]');
  });

  test('never shows the key, whatever goes wrong and wherever the server repeats it', async () => {
    const answers: ((response: ServerResponse) => void)[] = [
      ...[400, 403, 404, 429, 500].map(
        (status) => (response: ServerResponse) => sendError(response, status, `no: ${key}`, { 'retry-after': '1' }),
      ),
      (response) => sendEvents(response, [...begin, `data: {"broken ${key}\n\n`]),
      (response) =>
        sendEvents(response, [...begin, `event: error\ndata: {"error":{"message":"no ${key}","code":"${key}"}}\n\n`]),
      (response) => sendEvents(response, [`data: "${key}"\n\n`]),
    ];
    let answer = answers[0];
    const server = await serve((response) => {
      answer?.(response);
      response.end();
    });
    for (answer of answers) expect(everythingIn(await faultIn(turnOf(at(server.url), hello)))).not.toContain(key);
    const outside = await faultIn(
      turnOf(at('http://127.0.0.1:1/v1', { headers: { 'X-Api-Key': 'other-secret' } }), hello),
    );
    expect(everythingIn(outside)).not.toContain(key);
  });

  test('is unreachable, naming the address, when nobody listens there', async () => {
    const server = await listen(() => {});
    await server.close();
    const fault = await faultIn(turnOf(at(server.url, { name: 'local' }), hello));
    expect(fault).toMatchObject({ code: 'model.unreachable', retryable: true });
    expect(fault.message).toContain(server.url);
    expect(fault.message).toContain('"local"');
    expect(fault.message).toContain('ECONNREFUSED');
  });

  test('is unreachable when the name leads nowhere', async () => {
    const lookUp: typeof fetch = () =>
      Promise.reject(
        new TypeError('fetch failed', {
          cause: Object.assign(new Error('getaddrinfo ENOTFOUND nowhere.invalid'), { code: 'ENOTFOUND' }),
        }),
      );
    const fault = await faultIn(turnOf(at('http://nowhere.invalid/v1', { fetch: lookUp }), hello));
    expect(fault).toMatchObject({ code: 'model.unreachable', retryable: true });
    expect(fault.message).toContain('http://nowhere.invalid/v1');
  });

  test.each([
    ['sends less than it announced', { truncateAfterChunks: 4 }],
    ['hangs up', { disconnectAfterMs: 12, latency: 5 }],
  ])('is stream_cut when the server %s in the middle of its answer', async (_, how) => {
    mock.onMessage('hello', { content: 'this will be cut off somewhere in the middle of it all' }, how);
    const fault = await faultIn(turnOf(onMock(), hello));
    expect(fault).toMatchObject({ code: 'model.stream_cut', retryable: true });
  });

  test('is stream_cut when the stream ends in silence before the answer is complete', async () => {
    const server = await serve((response) => sendEvents(response, begin).end());
    const parts: ModelPart[] = [];
    const fault = await faultIn(turnOf(at(server.url), hello, { onPart: (part) => parts.push(part) }));
    expect(fault).toMatchObject({ code: 'model.stream_cut', retryable: true });
    expect(parts).toEqual([{ type: 'text', delta: 'Once ' }]);
  });

  test('is stream_cut when the server hangs up without an answer', async () => {
    const server = await serve((response) => response.destroy());
    expect(await faultIn(turnOf(at(server.url), hello))).toMatchObject({ code: 'model.stream_cut', retryable: true });
  });

  test.each([
    ['is not JSON', 'data: {"choices": [{"delta\n\n'],
    ['is not an object', 'data: 42\n\n'],
  ])('is malformed when a piece of the stream %s', async (_, piece) => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => {});
    const server = await serve((response) => sendEvents(response, [...begin, piece, ...end]).end());
    expect(await faultIn(turnOf(at(server.url), hello))).toMatchObject({ code: 'model.malformed', retryable: true });
    // the client has a log of its own, which nobody asked for
    expect(logged).not.toHaveBeenCalled();
    logged.mockRestore();
  });

  test.each([
    ['server_error', 'model.unavailable', true],
    ['rate_limit_exceeded', 'model.rate_limited', true],
    ['context_length_exceeded', 'model.context_length', false],
    ['insufficient_quota', 'model.quota', false],
    ['invalid_prompt', 'model.bad_request', false],
    [429, 'model.rate_limited', true],
  ])('is what the server says in the middle of its stream: %s', async (code, faultCode, retryable) => {
    const server = await serve((response) => {
      sendEvents(response, [
        ...begin,
        `event: error\ndata: ${JSON.stringify({ error: { message: 'told late', code } })}\n\n`,
      ]);
      response.end();
    });
    const fault = await faultIn(turnOf(at(server.url), hello));
    expect(fault).toMatchObject({ code: faultCode, retryable, details: { serverCode: code } });
    expect(fault.message).toContain('told late');
  });

  test('keeps a complete answer when the connection breaks after it', async () => {
    const server = await serve((response) => {
      sendEvents(response, [...begin, ...end.slice(0, 1)]);
      setImmediate(() => response.destroy());
    });
    const turn = await turnOf(at(server.url), hello);
    expect(turn).toMatchObject({ text: 'Once ', finish: ['stop'] });
  });

  describe('whose server ends its answer later than it says its last word', () => {
    const late = async () => {
      const responses: ServerResponse[] = [];
      const server = await serve((response) => responses.push(sendEvents(response, [...begin, ...end])));
      const endAll = (): void => {
        for (const response of responses.splice(0)) response.end();
      };
      return { server, endAll };
    };

    test('gives the answer at once, and has the connection for the next turn', async () => {
      const clock = stoppedClock();
      const { server, endAll } = await late();
      const provider = at(server.url);
      for (let turn = 1; turn <= 3; turn++) {
        expect(await turnOf(provider, hello, { clock })).toMatchObject({ text: 'Once ', finish: ['stop'] });
        expect(clock.waiting()).toBe(1);
        endAll();
        await vi.waitFor(() => expect(clock.waiting()).toBe(0), { interval: 1 });
      }
      expect(new Set(server.received.map(({ port }) => port)).size).toBe(1);
    });

    test('lets the server go that does not end it soon', async () => {
      const clock = stoppedClock();
      const { server } = await late();
      await turnOf(at(server.url), hello, { clock });
      clock.advance(250);
      await server.last().closed;
      expect(clock.waiting()).toBe(0);
    });

    test('lets it go by a fetch that hears no signal, too', async () => {
      const clock = stoppedClock();
      const { server } = await late();
      const deaf: typeof fetch = (url, init) => fetch(url, { ...init, signal: null });
      await turnOf(at(server.url, { fetch: deaf }), hello, { clock });
      clock.advance(250);
      await server.last().closed;
      expect(clock.waiting()).toBe(0);
    });

    test('lets it go at once when its signal is aborted', async () => {
      const [clock, abort] = [stoppedClock(), new AbortController()];
      const { server } = await late();
      await turnOf(at(server.url), hello, { clock, signal: abort.signal });
      abort.abort();
      await server.last().closed;
      await vi.waitFor(() => expect(clock.waiting()).toBe(0), { interval: 1 });
    });
  });

  test('ends soon when its signal is aborted, and the server sees the connection go', async () => {
    const server = await serve((response) => sendEvents(response, begin));
    const abort = new AbortController();
    const fault = await faultIn(
      turnOf(at(server.url), hello, { signal: abort.signal, onPart: () => abort.abort(new Error('enough')) }),
    );
    expect(fault).toMatchObject({ code: 'model.aborted', retryable: false });
    await server.last().closed;
  });

  test('ends soon when aborted before the server has answered', async () => {
    const abort = new AbortController();
    const server = await serve(() => abort.abort());
    expect(await faultIn(turnOf(at(server.url), hello, { signal: abort.signal }))).toMatchObject({
      code: 'model.aborted',
    });
    await server.last().closed;
  });

  test('asks nobody when its signal was aborted before', async () => {
    const server = await serve(() => {});
    expect(await faultIn(turnOf(at(server.url), hello, { signal: AbortSignal.abort() }))).toMatchObject({
      code: 'model.aborted',
    });
    expect(server.received).toEqual([]);
  });

  test('lets the server go when the reader stops reading', async () => {
    const server = await serve((response) => sendEvents(response, begin));
    const clock = stoppedClock();
    const context = { runId: 'r', rootId: 'r', agent: 'a', turn: 1, depth: 0, key: 'k' };
    const options = { signal: new AbortController().signal, clock, context };
    for await (const part of at(server.url).takeTurn({ model: 'm', tools: [], ...hello }, options)) {
      expect(part).toEqual({ type: 'text', delta: 'Once ' });
      break;
    }
    await server.last().closed;
    expect(clock.waiting()).toBe(0);
  });

  test('times out when the server says nothing at all', async () => {
    const clock = stoppedClock();
    const server = await serve(() => clock.advance(5_000));
    const fault = await faultIn(turnOf(at(server.url, { timeoutMs: 5_000 }), hello, { clock }));
    expect(fault).toMatchObject({ code: 'model.timeout', retryable: true });
    expect(fault.message).toContain('5000 ms');
    await server.last().closed;
  });

  test('waits for ever when told to', async () => {
    const server = await serve((response) => sendEvents(response, [...begin, ...end]).end());
    expect((await turnOf(at(server.url, { timeoutMs: Infinity }), hello)).finish).toEqual(['stop']);
  });

  test('times out when the server falls silent, not when the reader takes its time', async () => {
    const clock = stoppedClock();
    let response: ServerResponse | undefined;
    const server = await serve((begun) => {
      response = sendEvents(begun, begin);
    });
    const parts: ModelPart[] = [];
    const fault = await faultIn(
      turnOf(at(server.url, { timeoutMs: 5_000 }), hello, {
        clock,
        onPart: (part) => {
          // while a part is looked at, no time counts
          clock.advance(20_000);
          if (parts.push(part) === 1) sendEvents(response!, begin.slice(-1));
          // the next wait is one of the server's
          else setImmediate(() => clock.advance(5_000));
        },
      }),
    );
    expect(parts).toHaveLength(2);
    expect(fault).toMatchObject({ code: 'model.timeout', retryable: true });
    expect(clock.waiting()).toBe(0);
  });
});

test('a server in front of the mock passes aborts on', async () => {
  const front = await inFrontOf(mock.url);
  servers.push(front);
  mock.onMessage('hello', { content: 'word '.repeat(200) }, { latency: 2 });
  const abort = new AbortController();
  const provider = openai({ baseURL: front.url, apiKey: key });
  const fault = await faultIn(turnOf(provider, hello, { signal: abort.signal, onPart: () => abort.abort() }));
  expect(fault).toMatchObject({ code: 'model.aborted' });
  await front.last().closed;
});
