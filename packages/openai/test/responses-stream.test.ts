import { describe, expect, test } from 'vitest';
import { responsesParts } from '../src/responses-stream.ts';
import { readAll } from './tools/read-all.ts';

const read = (...events: unknown[]) => readAll((stream) => responsesParts(stream, 3), events);
const text = (delta: string) => ({ type: 'response.output_text.delta', output_index: 0, delta });
const ends = (response: object = {}, type = 'completed') => ({
  type: `response.${type}`,
  response: { status: type, output: [], ...response },
});
const call = (call_id: string, name: string, json: string) => ({
  type: 'function_call',
  id: `fc_${call_id}`,
  call_id,
  name,
  arguments: json,
});

describe('a Responses stream', () => {
  test('tells reasoning and its summaries, a paragraph each', async () => {
    const turn = await read(
      { type: 'response.reasoning_summary_part.added', summary_index: 0 },
      { type: 'response.reasoning_summary_text.delta', delta: 'First.' },
      { type: 'response.reasoning_summary_part.added', summary_index: 1 },
      { type: 'response.reasoning_summary_text.delta', delta: 'Second.' },
      { type: 'response.reasoning_text.delta', delta: ' Raw.' },
      { type: 'response.reasoning_text.delta', delta: '' },
      text('answer'),
      text(''),
      ends(),
    );
    expect(turn).toMatchObject({ reasoning: 'First.\n\nSecond. Raw.', text: 'answer', deltas: 1, finish: ['stop'] });
  });

  test('tells a refusal as text and finishes with filter', async () => {
    const turn = await read({ type: 'response.refusal.delta', delta: 'No.' }, ends());
    expect(turn).toMatchObject({ text: 'No.', finish: ['filter'] });
  });

  test('tells usage, the details too', async () => {
    const usage = {
      input_tokens: 100,
      output_tokens: 50,
      input_tokens_details: { cached_tokens: 80 },
      output_tokens_details: { reasoning_tokens: 20 },
    };
    expect((await read(text('a'), ends({ usage }))).usage).toEqual({
      inputTokens: 100,
      outputTokens: 50,
      cachedTokens: 80,
      reasoningTokens: 20,
    });
  });

  test('puts calls together from their pieces, in the order of the output', async () => {
    const turn = await read(
      { type: 'response.output_item.added', output_index: 2, item: call('b', 'two', '') },
      { type: 'response.output_item.added', output_index: 1, item: call('a', 'one', '') },
      { type: 'response.output_item.added', output_index: 0, item: { type: 'message' } },
      { type: 'response.function_call_arguments.delta', output_index: 2, delta: '{"b"' },
      { type: 'response.function_call_arguments.delta', output_index: 2, delta: ':2}' },
      { type: 'response.function_call_arguments.delta', output_index: 1, delta: '{"a":' },
      { type: 'response.function_call_arguments.done', output_index: 1, arguments: '{"a":1}' },
      { type: 'response.output_item.done', output_index: 1, item: call('a', 'one', '{"a":1}') },
      ends(),
    );
    expect(turn.calls).toEqual([
      { id: 'a', name: 'one', arguments: '{"a":1}' },
      { id: 'b', name: 'two', arguments: '{"b":2}' },
    ]);
    expect(turn.finish).toEqual(['calls']);
  });

  test.each([
    ['llama.cpp leaves it out', undefined],
    ['some give every call the same', 0],
  ])('knows its calls where the index says nothing: %s', async (_, output_index) => {
    // llama.cpp gives its items no id of their own
    const told = (item: ReturnType<typeof call>) => ({ ...item, id: undefined });
    const [one, two] = [told(call('a', 'one', '{"a":1}')), told(call('b', 'two', '{"b":2}'))];
    const expected = [
      { id: 'a', name: 'one', arguments: '{"a":1}' },
      { id: 'b', name: 'two', arguments: '{"b":2}' },
    ];
    const events = (mixed: boolean) => {
      const [begin, rest] = [one, two].reduce<[object[], object[]]>(
        ([begin, rest], item) => [
          [...begin, { type: 'response.output_item.added', output_index, item: { ...item, arguments: '' } }],
          [
            ...rest,
            {
              type: 'response.function_call_arguments.delta',
              output_index,
              item_id: item.call_id,
              delta: item.arguments,
            },
            { type: 'response.output_item.done', output_index, item },
          ],
        ],
        [[], []],
      );
      return mixed ? [...begin, ...rest] : [begin[0], rest[0], rest[1], begin[1], rest[2], rest[3]];
    };
    for (const mixed of [false, true]) {
      expect((await read(...events(mixed), ends())).calls).toEqual(expected);
      expect((await read(...events(mixed), ends({ output: [one, two] }))).calls).toEqual(expected);
    }
    // only the end tells them all
    expect((await read(events(false)[0], ends({ output: [one, two] }))).calls).toEqual(expected);
  });

  test('gives out a call once whose ids are others each time', async () => {
    const item = (id: string, json: string) => ({ ...call('a', 'one', json), id });
    const turn = await read(
      { type: 'response.output_item.added', output_index: 0, item: { ...item('x', ''), call_id: 'c1' } },
      { type: 'response.function_call_arguments.delta', output_index: 0, item_id: 'y', delta: '{}' },
      { type: 'response.output_item.done', output_index: 0, item: { ...item('z', '{}'), call_id: 'c2' } },
      ends(),
    );
    expect(turn.calls).toMatchObject([{ name: 'one', arguments: '{}' }]);
  });

  describe('whose server has odd items', () => {
    const added = (item: object, index?: number) => ({ type: 'response.output_item.added', output_index: index, item });
    const done = (item: object, index?: number) => ({ type: 'response.output_item.done', output_index: index, item });
    const delta = (item_id: string, delta: string, index?: number) => ({
      type: 'response.function_call_arguments.delta',
      output_index: index,
      item_id,
      delta,
    });
    const one = { ...call('a', 'look', '{"n":1}'), id: 'fc' };
    const two = { ...call('b', 'look', '{"n":2}'), id: 'fc' };
    const begun = (item: typeof one) => ({ ...item, arguments: '' });
    const told = [
      { id: 'a', name: 'look', arguments: '{"n":1}' },
      { id: 'b', name: 'look', arguments: '{"n":2}' },
    ];

    test.each<[what: string, events: object[]]>([
      ['is added again before its arguments', [added(begun(one), 0), added(begun(one), 0), done(one, 0)]],
      [
        'is added again between them',
        [added(begun(one), 0), delta('fc', '{"n"', 0), added(begun(one), 0), delta('fc', ':1}', 0)],
      ],
      ['is done twice', [added(begun(one), 0), done(one, 0), done(one, 0)]],
      [
        'comes twice from beginning to end',
        [0, 1].flatMap(() => [added(begun(one), 0), delta('fc', '{"n":1}', 0), done(one, 0)]),
      ],
      ['is told of once it is done', [added(begun(one), 0), done(one, 0), delta('fc', '{"n":1}', 0)]],
      [
        'gets its arguments when it is done',
        [
          added(begun(one), 0),
          done(begun(one), 0),
          { type: 'response.function_call_arguments.done', output_index: 0, item_id: 'fc', arguments: one.arguments },
        ],
      ],
    ])('gives out once a call that %s', async (_, events) => {
      expect((await read(...events, ends())).calls).toEqual([told[0]]);
    });

    test.each([
      ['with an index', 0, 1],
      ['with one index for all', 0, 0],
      ['without an index', undefined, undefined],
    ])('keeps calls apart whose items share one id, %s', async (_, i, j) => {
      const orders: Record<string, object[]> = {
        'done only': [done(one, i), done(two, j)],
        'one after another': [
          ...[added(begun(one), i), delta('fc', '{"n":1}', i), done(one, i)],
          ...[added(begun(two), j), delta('fc', '{"n":2}', j), done(two, j)],
        ],
        'both begun': [added(begun(one), i), added(begun(two), j), done(one, i), done(two, j)],
        'the last one done first': [added(begun(one), i), added(begun(two), j), done(two, j), done(one, i)],
        'one of them begun': [added(begun(one), i), done(one, i), done(two, j)],
        'told twice': [added(begun(one), i), added(begun(two), j), done(one, i), done(one, i), done(two, j)],
      };
      for (const [order, events] of Object.entries(orders)) {
        expect([order, (await read(...events, ends())).calls]).toEqual([order, told]);
      }
    });

    test('keeps calls apart that are done only and have neither index nor call id', async () => {
      const [first, second] = [one, two].map((item) => ({ ...item, call_id: undefined }));
      expect((await read(done(first!), done(second!), ends())).calls.map((each) => each.arguments)).toEqual([
        '{"n":1}',
        '{"n":2}',
      ]);
    });

    test('keeps calls apart whose call id is the name of their tool', async () => {
      const named = [one, two].map((item, n) => ({ ...item, id: `fc_${n}`, call_id: 'look' }));
      const events = [...named.map((item, n) => added(begun(item), n)), ...named.map((item, n) => done(item, n))];
      const { calls } = await read(...events, ends());
      expect(calls.map((each) => each.arguments)).toEqual(['{"n":1}', '{"n":2}']);
      expect(new Set(calls.map(({ id }) => id)).size).toBe(2);
    });
  });

  test('leaves the arguments blank of a call that was cut off before them', async () => {
    const item = call('a', 'one', '');
    const turn = await read(
      { type: 'response.output_item.added', output_index: 0, item },
      ends({ incomplete_details: { reason: 'max_output_tokens' }, output: [item] }, 'incomplete'),
    );
    expect(turn).toMatchObject({ calls: [{ arguments: '' }], finish: ['length'] });
  });

  test('ends with its last word, whether the server hangs up or not', async () => {
    async function* stream() {
      yield text('a');
      yield ends();
      await new Promise(() => {});
    }
    const told: string[] = [];
    for await (const { type } of responsesParts(stream(), 3)) told.push(type);
    expect(told).toEqual(['text', 'finish']);
  });

  test('takes what was never streamed from the finished response', async () => {
    const output = [
      {
        type: 'message',
        content: [
          { type: 'output_text', text: 'whole ' },
          { type: 'output_text', text: 'answer' },
        ],
      },
      { type: 'function_call', name: 'one', arguments: '{}' },
    ];
    expect(await read(ends({ output }))).toMatchObject({
      text: 'whole answer',
      calls: [{ id: 'call_3_0', name: 'one', arguments: '{}' }],
      finish: ['calls'],
    });
    expect(await read(text('whole answer'), ends({ output }))).toMatchObject({ text: 'whole answer', deltas: 1 });
    const refusal = [{ type: 'message', content: [{ type: 'refusal', refusal: 'No.' }] }];
    expect(await read(ends({ output: refusal }))).toMatchObject({ text: 'No.', finish: ['filter'] });
    expect(await read(ends({ output: undefined }))).toMatchObject({ text: '', finish: ['stop'] });
  });

  test.each([
    [{ incomplete_details: { reason: 'max_output_tokens' } }, 'length'],
    [{ incomplete_details: { reason: 'content_filter' } }, 'filter'],
    [{}, 'length'],
  ])('finishes an incomplete response with its reason: %j', async (response, finish) => {
    expect(await read(text('a'), ends(response, 'incomplete'))).toMatchObject({ text: 'a', finish: [finish] });
  });

  test.each([
    [{ code: 'server_error', message: 'Sorry.' }, 'model.unavailable'],
    [{ code: 'rate_limit_exceeded', message: 'Slow down.' }, 'model.rate_limited'],
    [{ code: 'image_content_policy_violation', message: 'Not this.' }, 'model.refused'],
    [null, 'model.unavailable'],
  ])('fails when the response has failed: %j', async (error, code) => {
    await expect(read(text('a'), ends({ error }, 'failed'))).rejects.toMatchObject({ code });
  });

  test('tells what a failed response used before it fails', async () => {
    const seen: unknown[] = [];
    const failing = readAll(
      async function* (stream) {
        for await (const part of responsesParts(stream, 1)) {
          seen.push(part);
          yield part;
        }
      },
      [ends({ usage: { input_tokens: 7, output_tokens: 0 } }, 'failed')],
    );
    await expect(failing).rejects.toMatchObject({ code: 'model.unavailable' });
    expect(seen).toEqual([{ type: 'usage', usage: { inputTokens: 7, outputTokens: 0 } }]);
  });

  test('fails with an error event', async () => {
    const error = {
      type: 'error',
      code: 'context_length_exceeded',
      message: 'Your input exceeds the context window of this model.',
    };
    await expect(read(text('a'), error)).rejects.toMatchObject({
      code: 'model.context_length',
      message: error.message,
    });
  });

  test('fails when the response was cancelled', async () => {
    await expect(read(ends({ status: 'cancelled' }))).rejects.toMatchObject({ code: 'model.unavailable' });
  });

  test.each([[null], [42], [{ delta: 'no type' }]])('is malformed when an event is %j', async (event) => {
    await expect(read(event)).rejects.toMatchObject({ code: 'model.malformed' });
  });

  test('is cut when it ends without a completed response', async () => {
    await expect(read(text('a'))).rejects.toMatchObject({ code: 'model.stream_cut' });
  });

  test('keeps a complete turn when something goes wrong after its end', async () => {
    expect(await read(text('a'), ends(), new TypeError('terminated'))).toMatchObject({ text: 'a', finish: ['stop'] });
    await expect(read(text('a'), new TypeError('terminated'))).rejects.toThrow('terminated');
  });
});
