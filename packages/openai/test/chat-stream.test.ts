import { describe, expect, test } from 'vitest';
import { chatParts, finishOf } from '../src/chat-stream.ts';
import { StreamError } from '../src/faults.ts';
import { readAll } from './tools/read-all.ts';

const read = (...chunks: unknown[]) => readAll((stream) => chatParts(stream, 3), chunks);
const says = (delta: object, more: object = {}) => ({ choices: [{ index: 0, delta, ...more }] });
const ends = (finish_reason = 'stop') => says({}, { finish_reason });

describe('a Chat Completions stream', () => {
  test('tells the reasoning of compatible servers, once', async () => {
    const turn = await read(
      says({ reasoning_content: 'first ', reasoning: 'first ' }),
      says({ reasoning: 'second', content: '' }),
      says({ content: 'answer' }),
      ends(),
    );
    expect(turn).toMatchObject({ reasoning: 'first second', text: 'answer', finish: ['stop'] });
  });

  test('tells a refusal as text and finishes with filter', async () => {
    const turn = await read(says({ refusal: 'I will ' }), says({ refusal: 'not.' }), ends());
    expect(turn).toMatchObject({ text: 'I will not.', finish: ['filter'] });
  });

  test('tells usage wherever it stands, the details too', async () => {
    const usage = {
      prompt_tokens: 100,
      completion_tokens: 50,
      prompt_tokens_details: { cached_tokens: 80 },
      completion_tokens_details: { reasoning_tokens: 20 },
    };
    const turn = await read(says({ content: 'a' }), ends(), { choices: [], usage });
    expect(turn.usage).toEqual({ inputTokens: 100, outputTokens: 50, cachedTokens: 80, reasoningTokens: 20 });
    expect(turn.parts.at(-1)).toEqual({ type: 'finish', reason: 'stop' });
  });

  test('puts calls together whose pieces come mixed, in the order of their index', async () => {
    const turn = await read(
      says({ tool_calls: [{ index: 1, id: 'b', function: { name: 'two', arguments: '{"b"' } }] }),
      says({ tool_calls: [{ index: 0, id: 'a', function: { name: 'one', arguments: '{"a"' } }] }),
      says({
        tool_calls: [
          { index: 1, function: { arguments: ':2}' } },
          { index: 0, function: { arguments: ':1}' } },
        ],
      }),
      ends('tool_calls'),
    );
    expect(turn.calls).toEqual([
      { id: 'a', name: 'one', arguments: '{"a":1}' },
      { id: 'b', name: 'two', arguments: '{"b":2}' },
    ]);
    expect(turn.finish).toEqual(['calls']);
  });

  test('finishes with calls when the server says stop although it made some', async () => {
    const turn = await read(
      says({ tool_calls: [{ index: 0, function: { name: 'one', arguments: '' } }] }),
      ends('stop'),
    );
    expect(turn.calls).toEqual([{ id: 'call_3_0', name: 'one', arguments: '{}' }]);
    expect(turn.finish).toEqual(['calls']);
  });

  test('takes a whole message instead of a delta, other choices and chunks that say nothing', async () => {
    const turn = await read(
      {},
      { choices: null },
      { choices: [{ index: 1, delta: { content: 'other' } }] },
      { choices: [{ delta: null, message: { content: 'whole' }, finish_reason: null }] },
      { choices: [{ finish_reason: 'stop' }], usage: null },
    );
    expect(turn).toMatchObject({ text: 'whole', usage: undefined, finish: ['stop'] });
  });

  test('does not say twice what a last frame repeats as a whole message', async () => {
    const call = { index: 0, id: 'a', function: { name: 'one', arguments: '{}' } };
    const whole = { message: { content: 'Once upon.', tool_calls: [call] }, finish_reason: 'stop' };
    const turn = await read(says({ content: 'Once ' }), says({ content: 'upon.', tool_calls: [call] }), {
      choices: [whole],
      usage: { prompt_tokens: 3, completion_tokens: 2 },
    });
    expect(turn).toMatchObject({ text: 'Once upon.', calls: [{ arguments: '{}' }], finish: ['calls'] });
    expect(turn.usage).toMatchObject({ outputTokens: 2 });
  });

  test('takes the calls that stand in the whole message of a last frame alone', async () => {
    const call = { index: 0, id: 'a', function: { name: 'one', arguments: '{}' } };
    const turn = await read(says({ content: 'Once' }), {
      choices: [{ message: { content: 'Once', tool_calls: [call] }, finish_reason: 'tool_calls' }],
    });
    expect(turn).toMatchObject({ text: 'Once', calls: [{ name: 'one' }], finish: ['calls'] });
  });

  test('takes the whole message of a last frame where the deltas before it say nothing', async () => {
    const turn = await read(says({ role: 'assistant', content: '' }), {
      choices: [{ message: { content: 'Once upon.' }, finish_reason: 'stop' }],
    });
    expect(turn).toMatchObject({ text: 'Once upon.', finish: ['stop'] });
  });

  test('tells text and thoughts of a content that is a list of parts', async () => {
    const turn = await read(
      says({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }, null] }),
      says({ content: [{ type: 'reasoning', reasoning: 'm' }] }),
      says({ content: [{ type: 'text', text: 'Forty' }, { type: 'image_url' }] }),
      says({ content: '-two.' }),
      ends(),
    );
    expect(turn).toMatchObject({ text: 'Forty-two.', reasoning: 'hmm', finish: ['stop'] });
  });

  test.each([
    ['length', ['{"a"', '']],
    ['content_filter', ['{"a"', '']],
    ['tool_calls', ['{"a"', '{}']],
  ])('that ends with %s has calls with the arguments %j', async (reason, expected) => {
    const begun = ['{"a"', ''].map((json, index) => ({
      index,
      id: `c${index}`,
      function: { name: 'one', arguments: json },
    }));
    const { calls } = await read(says({ tool_calls: begun }), ends(reason));
    expect(calls.map(({ arguments: json }) => json)).toEqual(expected);
  });

  test('fails with what a server says without an envelope', async () => {
    const failing = read(says({ content: 'a' }), {
      object: 'error',
      message: 'Out of memory',
      type: 'InternalServerError',
      code: 500,
    });
    await expect(failing).rejects.toMatchObject({
      code: 'model.unavailable',
      message: 'Out of memory',
      serverCode: 500,
    });
  });

  test.each([[null], ['text'], [[]], [{ choices: 'none' }]])('is malformed when a chunk is %j', async (chunk) => {
    await expect(read(chunk)).rejects.toMatchObject({ code: 'model.malformed' });
  });

  test('is cut when it ends without a reason', async () => {
    await expect(read(says({ content: 'a' }))).rejects.toThrow(StreamError);
    await expect(read()).rejects.toMatchObject({ code: 'model.stream_cut' });
  });

  test('is unavailable when the server gives the reason error', async () => {
    await expect(read(says({ content: 'a' }), ends('error'))).rejects.toMatchObject({
      code: 'model.unavailable',
      message: expect.stringContaining(': error'),
    });
  });

  test('keeps a complete turn when something goes wrong after its end', async () => {
    expect(await read(says({ content: 'a' }), ends(), new TypeError('terminated'))).toMatchObject({
      text: 'a',
      finish: ['stop'],
    });
    await expect(read(says({ content: 'a' }), new TypeError('terminated'))).rejects.toThrow('terminated');
  });
});

test.each([
  ['stop', false, 'stop'],
  ['stop', true, 'calls'],
  ['tool_calls', true, 'calls'],
  ['function_call', true, 'calls'],
  ['length', true, 'length'],
  ['max_tokens', false, 'length'],
  ['content_filter', false, 'filter'],
  ['refusal', true, 'filter'],
  ['eos', false, 'stop'],
  ['MAX_TOKENS', false, 'length'],
  ['model_length', false, 'length'],
  ['model_context_window_exceeded', true, 'length'],
  ['SAFETY', false, 'filter'],
  ['content_filter: PROHIBITED_CONTENT', false, 'filter'],
  ['sensitive', false, 'filter'],
  ['insufficient_system_resource', false, 'broken'],
  ['abort', true, 'broken'],
  ['network_error', false, 'broken'],
  ['function_call_filter: MALFORMED_FUNCTION_CALL', false, 'broken'],
])('the reason %s with calls: %s is %s', (reason, hasCalls, finish) => {
  expect(finishOf(reason, hasCalls)).toBe(finish);
});
