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
    await expect(read(says({ content: 'a' }), ends('error'))).rejects.toMatchObject({ code: 'model.unavailable' });
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
])('the reason %s with calls: %s is %s', (reason, hasCalls, finish) => {
  expect(finishOf(reason, hasCalls)).toBe(finish);
});
