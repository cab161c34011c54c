import { LLMock } from '@copilotkit/aimock';
import type { JSONSchema, Message, ModelRequest } from '@troupe/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openai } from '../src/index.ts';
import { inFrontOf } from './tools/server.ts';
import { turnOf } from './tools/turn.ts';

// The real client over HTTP against an independent mock of OpenAI's server, and a server in front that keeps what came.
const mock = new LLMock({ port: 0, logLevel: 'silent', chunkSize: 8 });
let front: Awaited<ReturnType<typeof inFrontOf>>;

beforeAll(async () => {
  await mock.start();
  front = await inFrontOf(mock.url);
});
afterEach(() => void mock.reset());
afterAll(async () => {
  await front.close();
  await mock.stop();
});

const user = (content: Message['content']): Message => ({ role: 'user', content });
const weather = {
  name: 'get_weather',
  description: 'The weather in a city.',
  inputSchema: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
};
const png = 'data:image/png;base64,iVBORw0KGgo=';
const pdf = 'data:application/pdf;base64,JVBERi0xLjQK';

describe.each(['chat', 'responses'] as const)('a conversation on the %s wire', (wire) => {
  const provider = () => openai({ baseURL: front.url, apiKey: 'sk-test-conversation', wire });
  const take = (request: Partial<ModelRequest>) => turnOf(provider(), request);
  /** Content parts of the n-th item that the server received. */
  const received = () => (wire === 'chat' ? front.last().body.messages : front.last().body.input);

  test('streams text as it comes, then says that it has finished', async () => {
    mock.onMessage('hello', { content: 'Good morning to everyone.' });
    const turn = await take({ messages: [{ role: 'system', content: 'Be kind.' }, user('hello')] });
    expect(turn.text).toBe('Good morning to everyone.');
    expect(turn.deltas).toBeGreaterThan(2);
    expect(turn.finish).toEqual(['stop']);
    expect(turn.parts.at(-1)).toEqual({ type: 'finish', reason: 'stop' });
    expect(front.last().path).toBe(wire === 'chat' ? '/v1/chat/completions' : '/v1/responses');
    expect(front.last().headers.authorization).toBe('Bearer sk-test-conversation');
    expect(front.last().body).toMatchObject({ model: 'gpt-5-mini', stream: true });
    expect(received()).toMatchObject([
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'hello' },
    ]);
  });

  test('makes several calls in one turn, and answers when their results are told', async () => {
    mock.on(
      { predicate: (request) => !request.messages.some(({ role }) => role === 'tool') },
      {
        toolCalls: [
          { id: 'call_oslo', name: 'get_weather', arguments: JSON.stringify({ city: 'Oslo', note: 'x'.repeat(40) }) },
          { id: 'call_rome', name: 'get_weather', arguments: JSON.stringify({ city: 'Rome' }) },
        ],
      },
    );
    mock.on({ predicate: (request) => request.messages.at(-1)?.role === 'tool' }, (request) => ({
      content: `It is ${request.messages.flatMap((message) => (message.role === 'tool' ? [message.content] : [])).join(' and ')}.`,
    }));
    // given a turn that asks for two cities
    const first = await take({ messages: [user('weather in Oslo and Rome?')], tools: [weather] });
    expect(first.finish).toEqual(['calls']);
    expect(first.calls.map(({ id, name }) => [id, name])).toEqual([
      ['call_oslo', 'get_weather'],
      ['call_rome', 'get_weather'],
    ]);
    expect(first.calls.map((call) => JSON.parse(call.arguments).city)).toEqual(['Oslo', 'Rome']);
    // when both are answered
    const second = await take({
      messages: [
        user('weather in Oslo and Rome?'),
        { role: 'assistant', content: '', calls: first.calls },
        { role: 'tool', callId: 'call_oslo', content: '4 °C' },
        { role: 'tool', callId: 'call_rome', content: '19 °C' },
      ],
      tools: [weather],
    });
    // then the model has seen both
    expect(second.text).toBe('It is 4 °C and 19 °C.');
    expect(second.finish).toEqual(['stop']);
    expect(front.last().body.tools).toHaveLength(1);
  });

  test('offers tools of any name, also after a call that no vendor would take back', async () => {
    const named = (name: string) => ({ ...weather, name });
    const tools = [named('weather.get'), named('weather_get'), named('wetter/ä')];
    mock.on(
      { predicate: (request) => !request.messages.some(({ role }) => role === 'tool') },
      { toolCalls: ['weather_get_2', 'weather_get', 'wetter__'].map((name) => ({ name, arguments: '{}' })) },
    );
    mock.on({ predicate: (request) => request.messages.at(-1)?.role === 'tool' }, { content: 'Fine.' });
    // given a model that calls each by the name it was told
    const first = await take({ messages: [user('weather?')], tools });
    expect(first.calls.map(({ name }) => name)).toEqual(tools.map(({ name }) => name));
    // when the next turn tells of those calls, and of one that is no tool
    const calls = [...first.calls, { id: 'call_lost', name: 'get weather!', arguments: '{}' }];
    const second = await take({
      messages: [
        user('weather?'),
        { role: 'assistant', content: '', calls },
        ...calls.map(({ id }): Message => ({ role: 'tool', callId: id, content: '4 °C' })),
      ],
      tools,
    });
    // then the vendor reads the same names as before
    expect(second.text).toBe('Fine.');
    const { body } = front.last();
    const told = wire === 'chat' ? received()[1].tool_calls : received().filter((item: object) => 'name' in item);
    const nameIn = (one: { name?: string; function?: { name: string } }) => one.function?.name ?? one.name;
    expect(body.tools.map(nameIn)).toEqual(['weather_get_2', 'weather_get', 'wetter__']);
    expect(told.map(nameIn)).toEqual(['weather_get_2', 'weather_get', 'wetter__', 'get_weather_']);
  });

  test('tells the reasoning apart from the answer', async () => {
    mock.onMessage('think', { content: 'Forty-two.', reasoning: 'Six times seven, let me see.' });
    const turn = await take({ messages: [user('think')], settings: { reasoning: 'high' } });
    expect(turn.reasoning).toBe('Six times seven, let me see.');
    expect(turn.text).toBe('Forty-two.');
    if (wire === 'chat') expect(front.last().body.reasoning_effort).toBe('high');
    else expect(front.last().body.reasoning).toEqual({ effort: 'high' });
  });

  test('asks for structured output by its schema, strictly where the schema allows it', async () => {
    mock.onMessage('person', { content: '{"name":"Ada"}' });
    const strict = {
      type: 'object',
      properties: { name: { type: 'string' } },
      required: ['name'],
      additionalProperties: false,
    };
    const loose = { type: 'object', properties: { name: { type: 'string' } } };
    const formatOf = async (schema: JSONSchema) => {
      const turn = await take({ messages: [user('person')], output: { name: 'a person', schema } });
      expect(JSON.parse(turn.text)).toEqual({ name: 'Ada' });
      const { body } = front.last();
      return wire === 'chat' ? body.response_format : body.text.format;
    };
    const wanted = (schema: object, isStrict: boolean) => {
      const format = { name: 'a_person', schema, strict: isStrict };
      return wire === 'chat' ? { type: 'json_schema', json_schema: format } : { type: 'json_schema', ...format };
    };
    expect(await formatOf(strict)).toEqual(wanted(strict, true));
    expect(await formatOf(loose)).toEqual(wanted(loose, false));
  });

  test('reports what was used', async () => {
    mock.onMessage('count', { content: 'one', usage: { prompt_tokens: 120, completion_tokens: 30 } });
    const turn = await take({ messages: [user('count')] });
    expect(turn.usage).toMatchObject({ inputTokens: 120, outputTokens: 30 });
  });

  test('says when an answer was cut off by its limit', async () => {
    mock.onMessage('long', { content: 'Once upon', finishReason: 'length' });
    const turn = await take({ messages: [user('long')], settings: { maxOutputTokens: 2 } });
    expect(turn.finish).toEqual(['length']);
    expect(front.last().body[wire === 'chat' ? 'max_completion_tokens' : 'max_output_tokens']).toBe(2);
  });

  test('sends settings of the vendor unchanged', async () => {
    mock.onMessage('set', { content: 'ok' });
    await take({ messages: [user('set')], settings: { temperature: 0.2, top_p: 0.5, metadata: { a: 'b' } } });
    expect(front.last().body).toMatchObject({ temperature: 0.2, top_p: 0.5, metadata: { a: 'b' } });
  });

  const attachments: Message = user([
    { type: 'text', text: 'look at these' },
    { type: 'image', url: png },
    { type: 'image', url: 'https://example.test/cat.jpg' },
    { type: 'file', url: pdf, name: 'paper.pdf' },
  ]);
  const attachmentsOnWire =
    wire === 'chat'
      ? [
          { type: 'text', text: 'look at these' },
          { type: 'image_url', image_url: { url: png } },
          { type: 'image_url', image_url: { url: 'https://example.test/cat.jpg' } },
          { type: 'file', file: { filename: 'paper.pdf', file_data: pdf } },
        ]
      : [
          { type: 'input_text', text: 'look at these' },
          { type: 'input_image', image_url: png, detail: 'auto' },
          { type: 'input_image', image_url: 'https://example.test/cat.jpg', detail: 'auto' },
          { type: 'input_file', filename: 'paper.pdf', file_data: pdf },
        ];

  test('[B-03] [B-05] [B-13] shows images and files to the model, streaming', async () => {
    mock.onMessage('look', { content: 'A cat.' });
    const turn = await take({ messages: [attachments] });
    expect(turn.text).toBe('A cat.');
    expect(front.last().body.stream).toBe(true);
    expect(received()[0]).toEqual({ role: 'user', content: attachmentsOnWire });
  });

  test('[B-03] shows a file that comes with no text at all', async () => {
    mock.on({ predicate: () => true }, { content: 'Read.' });
    await take({ messages: [user([{ type: 'file', url: pdf, name: 'paper.pdf' }])] });
    expect(received()[0].content).toEqual([attachmentsOnWire[3]]);
  });

  test('[B-08] [B-12] shows the same to a model that reasons, that has tools and that answers in a schema', async () => {
    mock.onMessage('look', { content: '{}', reasoning: 'Hm.' });
    await take({
      messages: [attachments],
      tools: [weather],
      settings: { reasoning: 'high' },
      output: { name: 'answer', schema: { type: 'object' } },
    });
    expect(received()[0]).toEqual({ role: 'user', content: attachmentsOnWire });
  });

  test('[B-09] shows what came with earlier turns on later ones', async () => {
    mock.onMessage('which one', { content: 'The first.' });
    const history: Message[] = [
      attachments,
      { role: 'assistant', content: [{ type: 'text', text: 'A cat.' }] },
      user('which one?'),
    ];
    // a stored history is JSON
    await take({ messages: JSON.parse(JSON.stringify(history)) });
    expect(received()).toEqual([
      { role: 'user', content: attachmentsOnWire },
      { role: 'assistant', content: 'A cat.' },
      { role: 'user', content: 'which one?' },
    ]);
  });

  test('[B-03] shows images that come with the result of a tool', async () => {
    mock.on({ predicate: () => true }, { content: 'A chart.' });
    await take({
      messages: [
        user('draw'),
        {
          role: 'assistant',
          content: 'Drawing.',
          calls: [
            { id: 'c1', name: 'draw', arguments: '' },
            { id: 'c2', name: 'draw', arguments: '{}' },
          ],
        },
        {
          role: 'tool',
          callId: 'c1',
          content: [
            { type: 'text', text: 'done' },
            { type: 'image', url: png },
          ],
        },
        { role: 'tool', callId: 'c2', content: 'nothing' },
      ],
    });
    const [, assistant, ...rest] = received();
    if (wire === 'chat') {
      expect(assistant).toEqual({
        role: 'assistant',
        content: 'Drawing.',
        tool_calls: [
          { id: 'c1', type: 'function', function: { name: 'draw', arguments: '{}' } },
          { id: 'c2', type: 'function', function: { name: 'draw', arguments: '{}' } },
        ],
      });
      // this wire takes only text from tools: what they show follows the last result
      expect(rest).toEqual([
        { role: 'tool', tool_call_id: 'c1', content: 'done' },
        { role: 'tool', tool_call_id: 'c2', content: 'nothing' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Attached to the result of call c1:' },
            { type: 'image_url', image_url: { url: png } },
          ],
        },
      ]);
    } else {
      expect(assistant).toEqual({ role: 'assistant', content: 'Drawing.' });
      expect(rest).toEqual([
        { type: 'function_call', call_id: 'c1', name: 'draw', arguments: '{}' },
        { type: 'function_call', call_id: 'c2', name: 'draw', arguments: '{}' },
        {
          type: 'function_call_output',
          call_id: 'c1',
          output: [
            { type: 'input_text', text: 'done' },
            { type: 'input_image', image_url: png, detail: 'auto' },
          ],
        },
        { type: 'function_call_output', call_id: 'c2', output: 'nothing' },
      ]);
    }
  });
});
