import type { Message, ModelRequest } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { chatMessages } from '../src/chat-messages.ts';
import { chatBody } from '../src/chat-wire.ts';
import { responsesInput } from '../src/responses-input.ts';
import { responsesBody } from '../src/responses-wire.ts';
import type { WireOptions } from '../src/wire.ts';

const usual: WireOptions = { tokenLimit: 'max_completion_tokens', includeUsage: true };
const ask = (more: Partial<ModelRequest> = {}): ModelRequest => ({
  model: 'gpt-5.1',
  messages: [{ role: 'user', content: 'hi' }],
  tools: [],
  ...more,
});
const tool = { name: 'look', description: 'Looks.', inputSchema: {} };
const chat = (more?: Partial<ModelRequest>, options: Partial<WireOptions> = {}) =>
  chatBody(ask(more), { ...usual, ...options });
const responses = (more?: Partial<ModelRequest>, options: Partial<WireOptions> = {}) =>
  responsesBody(ask(more), { ...usual, ...options });

describe('a Chat Completions request', () => {
  test('holds nothing that was not asked for', () => {
    expect(chat()).toEqual({
      model: 'gpt-5.1',
      messages: [{ role: 'user', content: 'hi' }],
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(chat({}, { includeUsage: false })).not.toHaveProperty('stream_options');
  });

  test('says settings in the words of the wire', () => {
    const settings = { temperature: 0, maxOutputTokens: 9, reasoning: 'off' as const, seed: 7 };
    expect(chat({ settings })).toMatchObject({
      temperature: 0,
      max_completion_tokens: 9,
      reasoning_effort: 'none',
      seed: 7,
    });
    expect(chat({ settings }, { tokenLimit: 'max_tokens' })).toMatchObject({ max_tokens: 9 });
    expect(chat({ settings }, { tokenLimit: 'max_tokens' })).not.toHaveProperty('max_completion_tokens');
  });

  test('lets the words of the vendor win over its own settings, never over the request', () => {
    const settings = {
      reasoning: 'low' as const,
      reasoning_effort: 'xhigh',
      stream: false,
      model: 'other',
      messages: [],
    };
    expect(chat({ settings })).toMatchObject({
      reasoning_effort: 'xhigh',
      stream: true,
      model: 'gpt-5.1',
      messages: [{}],
    });
  });

  test('offers tools, the vendor own ones too, and makes them strict only when told', () => {
    const told = {
      type: 'function',
      function: { name: 'look', description: 'Looks.', parameters: { type: 'object', properties: {} } },
    };
    expect(chat({ tools: [tool] }).tools).toEqual([told]);
    expect(chat({ tools: [tool], settings: { tools: [{ type: 'web_search' }] } }).tools).toEqual([
      told,
      { type: 'web_search' },
    ]);
    expect(chat({ tools: [tool] }, { strictSchemas: true }).tools).toMatchObject([{ function: { strict: true } }]);
  });

  test('makes the schema of the answer strict when told, and never when told', () => {
    const output = { name: '', schema: { type: 'object', properties: {}, additionalProperties: false } };
    const strictness = (strictSchemas?: boolean) =>
      (chat({ output }, strictSchemas === undefined ? {} : { strictSchemas }).response_format as any).json_schema;
    expect(strictness()).toMatchObject({ name: 'answer', strict: true });
    expect(strictness(false)).toMatchObject({ strict: false });
    expect(strictness(true)).toMatchObject({ strict: true });
  });
});

describe('a Responses request', () => {
  test('holds nothing that was not asked for, and lets the vendor keep nothing', () => {
    expect(responses()).toEqual({
      model: 'gpt-5.1',
      input: [{ role: 'user', content: 'hi' }],
      stream: true,
      store: false,
    });
    expect(responses({ settings: { store: true } })).toMatchObject({ store: true });
  });

  test('says settings in the words of the wire', () => {
    const settings = { temperature: 0, maxOutputTokens: 9, reasoning: 'off' as const, truncation: 'auto' };
    expect(responses({ settings }, { reasoningSummary: 'auto' })).toMatchObject({
      temperature: 0,
      max_output_tokens: 9,
      reasoning: { effort: 'none', summary: 'auto' },
      truncation: 'auto',
    });
  });

  test('offers tools, and says either way whether they are strict', () => {
    const told = {
      type: 'function',
      name: 'look',
      description: 'Looks.',
      parameters: { type: 'object', properties: {} },
    };
    expect(responses({ tools: [tool] }).tools).toEqual([{ ...told, strict: false }]);
    expect(
      responses({ tools: [tool], settings: { tools: [{ type: 'web_search' }] } }, { strictSchemas: true }).tools,
    ).toEqual([{ ...told, strict: true }, { type: 'web_search' }]);
  });

  test('puts the schema of the answer beside other wishes for its text', () => {
    const output = { name: 'answer', schema: { type: 'object' } };
    const format = { type: 'json_schema', name: 'answer', schema: { type: 'object' }, strict: false };
    expect(responses({ output, settings: { text: { verbosity: 'low' } } }).text).toEqual({ verbosity: 'low', format });
    expect(responses({ settings: { text: { verbosity: 'low' } } }).text).toEqual({ verbosity: 'low' });
  });
});

describe('messages', () => {
  const png = 'data:image/png;base64,AA==';
  const parts = (...content: Exclude<Message['content'], string>): Message => ({ role: 'user', content });

  test('[B-03] show an image that was sent as a file as an image', () => {
    const message = parts(
      { type: 'file', url: png },
      { type: 'file', url: 'https://a.test/b', mediaType: 'image/webp' },
    );
    expect(chatMessages([message])[0]?.content).toEqual([
      { type: 'image_url', image_url: { url: png } },
      { type: 'image_url', image_url: { url: 'https://a.test/b' } },
    ]);
    expect(responsesInput([message])[0]).toMatchObject({ content: [{ type: 'input_image' }, { type: 'input_image' }] });
  });

  test('[B-03] tell where a file is when the wire takes no file by its address', () => {
    const message = parts({ type: 'file', url: 'https://a.test/b.pdf', name: 'b.pdf' });
    expect(chatMessages([message])[0]?.content).toEqual([{ type: 'text', text: 'File "b.pdf": https://a.test/b.pdf' }]);
    expect(responsesInput([message])[0]).toMatchObject({
      content: [{ type: 'input_file', file_url: 'https://a.test/b.pdf' }],
    });
  });

  test.each([
    ['data:application/pdf;base64,AA==', undefined, 'attachment.pdf'],
    ['data:text/plain,hello', undefined, 'attachment.plain'],
    ['data:application/x-tar;base64,AA==', undefined, 'attachment.tar'],
    ['data:application/vnd.openxmlformats;base64,AA==', undefined, 'attachment'],
    ['data:,hello', 'text/csv', 'attachment.csv'],
    ['data:,hello', undefined, 'attachment'],
  ])('give a file without a name one: %s', (url, mediaType, filename) => {
    const message = parts({ type: 'file', url, ...(mediaType && { mediaType }) });
    expect(chatMessages([message])[0]?.content).toEqual([{ type: 'file', file: { filename, file_data: url } }]);
    expect(responsesInput([message])[0]).toMatchObject({ content: [{ type: 'input_file', filename, file_data: url }] });
  });

  test('[B-03] carry images of roles that cannot show them to the user message after them', () => {
    const messages: Message[] = [
      {
        role: 'system',
        content: [
          { type: 'text', text: 'Our logo.' },
          { type: 'image', url: png },
        ],
      },
      {
        role: 'assistant',
        content: [{ type: 'image', url: png }],
        calls: [{ id: 'c', name: 'look', arguments: '{}' }],
      },
      { role: 'tool', callId: 'c', content: [{ type: 'text', text: 'seen' }] },
      { role: 'tool', content: [{ type: 'image', url: png }] },
    ];
    const image = { type: 'image_url', image_url: { url: png } };
    expect(chatMessages(messages)).toEqual([
      { role: 'system', content: 'Our logo.' },
      { role: 'user', content: [{ type: 'text', text: 'Attached to the system message above:' }, image] },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'c', type: 'function', function: { name: 'look', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'c', content: 'seen' },
      { role: 'tool', tool_call_id: '', content: '' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Attached to the assistant message above:' },
          image,
          { type: 'text', text: 'Attached to the result of call :' },
          image,
        ],
      },
    ]);
    const input = responsesInput(messages);
    expect(input.map((item) => ('role' in item ? item.role : item.type))).toEqual([
      'system',
      'user',
      'function_call',
      'function_call_output',
      'function_call_output',
      'user',
    ]);
    expect(input[4]).toMatchObject({ call_id: '', output: [{ type: 'input_image', image_url: png }] });
  });

  test('say nothing of calls when there are none', () => {
    const silent: Message = { role: 'assistant', content: '', calls: [] };
    expect(chatMessages([silent])).toEqual([{ role: 'assistant', content: '' }]);
    expect(responsesInput([silent])).toEqual([{ role: 'assistant', content: '' }]);
  });

  test.each([
    ['{"a": 1}', '{"a": 1}'],
    [' ', '{}'],
    ['{"a":', '{"malformed":"{\\"a\\":"}'],
    ['[1]', '{"malformed":"[1]"}'],
  ])('have arguments that every server can read: %j', (json, sent) => {
    const message: Message = {
      role: 'assistant',
      content: 'Well',
      calls: [{ id: 'c', name: 'look', arguments: json }],
    };
    expect(chatMessages([message])).toMatchObject([
      { content: 'Well', tool_calls: [{ function: { arguments: sent } }] },
    ]);
    expect(responsesInput([message])).toMatchObject([{ content: 'Well' }, { call_id: 'c', arguments: sent }]);
  });
});
