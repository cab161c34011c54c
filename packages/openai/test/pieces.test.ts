import { describe, expect, test } from 'vitest';
import { CallAssembly, type CallPiece } from '../src/call-assembly.ts';
import { withReadableAnswers } from '../src/readable-answers.ts';
import { effortOf } from '../src/reasoning-effort.ts';
import { usageOf } from '../src/usage.ts';

describe('calls', () => {
  const assembled = (...pieces: CallPiece[]) => {
    const calls = new CallAssembly();
    for (const piece of pieces) calls.add(piece);
    return calls.parts(2, false).map((part) => (part.type === 'call' ? [part.id, part.name, part.arguments] : []));
  };
  const piece = (id: string | null, name: string | null, json: unknown, index?: number | null): CallPiece => ({
    id,
    function: { name, arguments: json },
    ...(index !== undefined && { index }),
  });

  test('go on without an index until another id begins', () => {
    expect(assembled(piece('a', 'one', '{"x'), piece(null, null, '":1}'), piece('b', 'two', '{}'))).toEqual([
      ['a', 'one', '{"x":1}'],
      ['b', 'two', '{}'],
    ]);
  });

  test.each([[0], [null]])('are two without any id where the first is whole, at the index %j', (index) => {
    const pieces = [
      piece('', 'one', '{"x":1}', index),
      piece('', 'one', '{"x"', index),
      piece(null, null, ':2}', index),
    ];
    expect(assembled(...pieces)).toEqual([
      ['call_2_0', 'one', '{"x":1}'],
      ['call_2_1', 'one', '{"x":2}'],
    ]);
    expect(assembled(piece('', 'one', '{}', index), piece('', 'two', '', index))).toHaveLength(2);
  });

  test.each([
    ['its id and name', 'a', 'one'],
    ['its id', 'a', null],
    ['its name', null, 'one'],
  ])('are one where a server repeats %s with each piece', (_, id, name) => {
    const pieces = [piece('a', 'one', ''), piece(id, name, '{"x"'), piece(id, name, ':1}'), piece(id, name, '')];
    expect(assembled(...pieces)).toEqual([['a', 'one', '{"x":1}']]);
  });

  test('are two when a server gives both the index 0', () => {
    expect(assembled(piece('a', 'one', '{}', 0), piece('b', 'two', '{"y"', 0), piece(null, null, ':2}', 0))).toEqual([
      ['a', 'one', '{}'],
      ['b', 'two', '{"y":2}'],
    ]);
  });

  test('are one when the server repeats id and name with every piece', () => {
    expect(assembled(piece('a', 'one', '{', 0), piece('a', 'one', '}', 0))).toEqual([['a', 'one', '{}']]);
  });

  test('get ids that no other call of the turn has', () => {
    expect(
      assembled(
        piece(null, 'one', '{}', 0),
        piece('call_2_0', 'two', '{}', 1),
        piece('x', 'three', '{}', 2),
        piece('x', 'four', '{}', 3),
      ),
    ).toEqual([
      ['call_2_0_', 'one', '{}'],
      ['call_2_0', 'two', '{}'],
      ['x', 'three', '{}'],
      ['call_2_3', 'four', '{}'],
    ]);
  });

  test('keep malformed arguments, and have {} for none', () => {
    expect(assembled(piece('a', 'one', '{"x": ', 0), piece('b', 'two', ' ', 1), piece('c', 'three', null, 2))).toEqual([
      ['a', 'one', '{"x": '],
      ['b', 'two', '{}'],
      ['c', 'three', '{}'],
    ]);
  });

  test('take arguments that were sent as an object, and pieces without any', () => {
    expect(
      assembled(
        piece('a', 'one', { x: 1 }, null),
        { index: 1, id: 'b', function: null },
        { index: 1, function: { name: 'two' } },
      ),
    ).toEqual([
      ['a', 'one', '{"x":1}'],
      ['b', 'two', '{}'],
    ]);
  });
});

test.each([
  ['high', 'gpt-5', 'high'],
  [undefined, 'gpt-5', undefined],
  ['off', 'gpt-5-mini', 'minimal'],
  ['off', 'openai/gpt-5', 'minimal'],
  ['off', 'gpt-5.1', 'none'],
  ['off', 'gpt-5-pro', undefined],
  ['off', 'gpt-5-codex', 'low'],
  ['off', 'gpt-5-chat-latest', undefined],
  ['off', 'o3-mini', 'low'],
  ['off', 'gpt-oss:20b', 'low'],
  ['off', 'gpt-4o-2024-08-06', undefined],
  ['off', 'qwen3:8b', 'none'],
] as const)('reasoning %s of %s is the effort %s', (reasoning, model, effort) => {
  expect(effortOf(reasoning, model)).toBe(effort);
});

test.each([
  [
    { prompt_tokens: 3, completion_tokens: 4 },
    { inputTokens: 3, outputTokens: 4 },
  ],
  [
    { input_tokens: 3, output_tokens: 4, input_tokens_details: null },
    { inputTokens: 3, outputTokens: 4 },
  ],
  [
    { prompt_tokens: 9, prompt_cache_hit_tokens: 5 },
    { inputTokens: 9, outputTokens: 0, cachedTokens: 5 },
  ],
  [
    { prompt_tokens: 1, completion_tokens: 1, cost: 0.25 },
    { inputTokens: 1, outputTokens: 1, costUsd: 0.25 },
  ],
  [
    { prompt_tokens: -1, completion_tokens: '4', prompt_tokens_details: { cached_tokens: null } },
    { inputTokens: 0, outputTokens: 0 },
  ],
])('usage %j', (reported, usage) => expect(usageOf(reported)).toEqual(usage));

describe('an error answer', () => {
  const readable = async (body: string | null, status = 400) => {
    const fetch = withReadableAnswers(() =>
      Promise.resolve(new Response(body, { status, headers: { 'retry-after': '3' } })),
    );
    return fetch('http://this.test');
  };

  test.each([
    ['{"error":{"message":"as it should be"}}', { message: 'as it should be' }],
    ['{"error":"only text"}', { message: 'only text' }],
    ['{"object":"error","message":"flat","code":400}', { object: 'error', message: 'flat', code: 400 }],
    ['{"detail":[{"msg":"field required"}]}', { message: '[{"msg":"field required"}]' }],
    ['{"odd":1}', { odd: 1, message: '{"odd":1}' }],
    ['<h1>Bad gateway</h1>', { message: '<h1>Bad gateway</h1>' }],
    ['"text"', { message: '"text"' }],
    ['', { message: 'no message' }],
    [null, { message: 'no message' }],
  ])('gets an envelope: %s', async (body, error) => {
    const response = await readable(body);
    expect(await response.json()).toEqual({ error });
    expect([response.status, response.headers.get('retry-after')]).toEqual([400, '3']);
  });

  test('that cannot be read is still one', async () => {
    const broken = new Response(new ReadableStream({ pull: (controller) => controller.error(new Error('cut')) }), {
      status: 502,
    });
    const response = await withReadableAnswers(() => Promise.resolve(broken))('http://this.test');
    expect(await response.json()).toEqual({ error: { message: 'no message' } });
  });

  test('is left alone when it is none', async () => {
    expect(await (await readable('fine', 200)).text()).toBe('fine');
  });
});

test.each([
  ['xAI', { prompt_tokens: 10_120, completion_tokens: 1_499, total_tokens: 14_428 }, 4_308],
  ['Gemini', { prompt_tokens: 5, completion_tokens: 10, total_tokens: 615 }, 610],
  [
    'what came from a cache is none of it',
    { prompt_tokens: 5, completion_tokens: 10, total_tokens: 115, prompt_tokens_details: { cached_tokens: 100 } },
    10,
  ],
  ['a total alone', { total_tokens: 100 }, 0],
  [
    'what was put into a cache is none of it',
    { prompt_tokens: 10, completion_tokens: 90, total_tokens: 1_600, cache_creation_input_tokens: 500 },
    90,
  ],
  ['a total that says less', { prompt_tokens: 5, completion_tokens: 10, total_tokens: 1 }, 10],
])('the reasoning that a server counts in the total alone was paid for: %s', (_, usage, outputTokens) => {
  expect(usageOf(usage)).toMatchObject({ outputTokens });
});
