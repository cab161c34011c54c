import { memoryStore, withFallback } from '@troupe/core';
import type { Message } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { openRuntime } from '../../../test/support/open-runtime.ts';
import { call, leadOf, only, toolOf } from './lead.ts';

const tooLong: Turn = { fault: { code: 'model.context_length', message: 'Too long.' } };
const earlier: Message[] = Array.from({ length: 6 }, (_, i) => ({
  role: i % 2 ? 'assistant' : 'user',
  content: `m${i}`,
}));
const job = { input: 'Go.', messages: earlier };

/** A model that is asked for summaries and turns; `turns` are what it says to the latter. */
const open = (
  turns: Turn[],
  summary: Turn = { text: 'So far: m.', usage: { inputTokens: 3, outputTokens: 1 } },
  options: Partial<Parameters<typeof openRuntime>[0]> = {},
) => {
  const left = [...turns];
  const provider = scriptedProvider((_request, { key }) =>
    key.endsWith('/summary') ? summary : (left.shift() ?? 'Done.'),
  );
  const opened = openRuntime({ provider, ...options });
  return {
    ...opened,
    provider,
    /** What the model was asked for, turn by turn, summaries left out. */
    asked: () =>
      provider.requests
        .filter(({ context }) => !context.key.endsWith('/summary'))
        .map(({ request }) => request.messages.map(({ content }) => String(content))),
    summaries: () => provider.requests.filter(({ context }) => context.key.endsWith('/summary')),
  };
};

describe('[BG-087] when the conversation is too long', () => {
  test('everything but the last messages is summarised by the model, and the turn is tried again', async () => {
    const { runtime, asked, summaries, events, types } = open([tooLong, 'Done.']);
    const report = await runtime.run(leadOf(), job);
    expect(report).toMatchObject({ status: 'completed', text: 'Done.' });
    expect(asked()).toEqual([
      ['Lead.', 'm0', 'm1', 'm2', 'm3', 'm4', 'm5', 'Go.'],
      ['Lead.', 'Summary of the conversation so far:\nSo far: m.', 'm3', 'm4', 'm5', 'Go.'],
    ]);
    expect(summaries()).toHaveLength(1);
    expect(summaries()[0]?.request).toMatchObject({
      tools: [],
      messages: [{ role: 'system' }, { role: 'user', content: 'user: m0\nassistant: m1\nuser: m2' }],
    });
    expect(only(events, 'context.compacted')).toMatchObject([
      { summarized: 3, kept: 4, proactive: false, summary: 'So far: m.', usage: { inputTokens: 3, outputTokens: 1 } },
    ]);
    expect(types()).toEqual([
      'run.started',
      'turn.started',
      'context.compacted',
      'turn.started',
      'turn.completed',
      'run.completed',
    ]);
    expect(report.usage.total).toEqual({ inputTokens: 13, outputTokens: 6 });
  });

  test('a call is kept with its answers', async () => {
    const { runtime, asked } = open([{ calls: [call('a'), call('b'), call('c')] }, tooLong, 'Done.']);
    await runtime.run(leadOf({ tools: [toolOf()] }), job);
    expect(asked().at(-1)).toEqual(['Lead.', 'Summary of the conversation so far:\nSo far: m.', '', 'a', 'b', 'c']);
  });

  test('it is summarised twice at most', async () => {
    const { runtime, asked, summaries } = open([tooLong, tooLong, tooLong]);
    expect(await runtime.run(leadOf(), job)).toMatchObject({
      status: 'failed',
      exitReason: 'context_length',
      fault: { code: 'model.context_length' },
    });
    expect([asked().length, summaries().length]).toEqual([3, 2]);
  });

  test('and that is switched off, the run fails at once', async () => {
    const { runtime, summaries } = open([tooLong]);
    expect((await runtime.run(leadOf({ compaction: { onContextError: false } }), job)).exitReason).toBe(
      'context_length',
    );
    expect(summaries()).toEqual([]);
  });

  test('and nothing of it can be left out, the run fails, saying so', async () => {
    const { runtime, summaries } = open([tooLong]);
    expect(await runtime.run(leadOf(), 'Go.')).toMatchObject({
      exitReason: 'context_length',
      fault: { message: expect.stringMatching(/"lead".*nothing of it can be summarised/) },
    });
    expect(summaries()).toEqual([]);
  });

  test('and the summary fails, the run fails with what went wrong', async () => {
    const { runtime } = open([tooLong], {
      text: 'So',
      usage: { inputTokens: 3, outputTokens: 1 },
      fault: { code: 'model.unavailable' },
    });
    const report = await runtime.run(leadOf(), job);
    expect(report).toMatchObject({ exitReason: 'model_error', fault: { code: 'model.unavailable' } });
    expect(report.usage.total).toEqual({ inputTokens: 3, outputTokens: 1 });
  });
});

describe('what is no whole summary does not take the place of what was said', () => {
  const usage = { inputTokens: 3, outputTokens: 1 };
  const broken: [string, Turn, string][] = [
    ['says nothing', { text: ' ', reasoning: 'I think', usage }, 'model.no_answer'],
    ['was cut off', { text: 'The user wants', finish: 'length', usage }, 'model.output_cut'],
    ['was refused', { text: "I can't help with that.", finish: 'filter', usage }, 'model.filtered'],
  ];

  test.each(broken)('one that %s: where the conversation is too long, the run fails', async (_, summary, code) => {
    const { runtime, asked } = open([tooLong], summary);
    const report = await runtime.run(leadOf(), job);
    expect(report).toMatchObject({
      exitReason: 'model_error',
      fault: { code, message: expect.stringContaining('summary') },
    });
    expect(report.usage.total).toEqual(usage);
    expect(asked()).toHaveLength(1);
  });

  test.each(broken)('one that %s: ahead of time, the run goes on with all of it', async (_, summary, code) => {
    const { runtime, asked, summaries, events } = open(
      Array.from({ length: 5 }, () => ({ calls: [call()] })),
      summary,
    );
    const lead = leadOf({ tools: [toolOf()], compaction: { maxMessages: 7 }, budget: { turns: 9 } });
    const report = await runtime.run(lead, job);
    expect(report).toMatchObject({ status: 'completed', text: 'Done.' });
    expect(asked().at(-1)?.slice(0, 8)).toEqual(['Lead.', 'm0', 'm1', 'm2', 'm3', 'm4', 'm5', 'Go.']);
    // it is paid for, so it is tried before the first turn, the second, and the fourth
    expect(summaries()).toHaveLength(3);
    expect(only(events, 'turn.attempted')).toMatchObject(summaries().map(() => ({ fault: { code }, usage })));
    expect(report.usage.total).toEqual({ inputTokens: 6 * 10 + 3 * 3, outputTokens: 6 * 5 + 3 });
  });

  test('a provider that ends without saying why has made none', async () => {
    const { provider } = open([tooLong]);
    const speechless = {
      async *takeTurn(...given: Parameters<typeof provider.takeTurn>) {
        for await (const part of provider.takeTurn(...given))
          if (part.type !== 'finish' || !given[1].context.key.endsWith('/summary')) yield part;
      },
    };
    const { runtime } = openRuntime({ provider: speechless });
    expect(await runtime.run(leadOf(), job)).toMatchObject({
      fault: { code: 'model.stream_cut', retryable: true },
    });
  });
});

test('a summary that another model made is booked under that model, at its price', async () => {
  const dear = scriptedProvider([
    tooLong,
    { text: 'So far.', usage: { inputTokens: 1_000, outputTokens: 0 } },
    { text: 'Done.', usage: { inputTokens: 1_000, outputTokens: 0 } },
  ]);
  const down = scriptedProvider(() => ({ fault: { code: 'model.unavailable', message: 'down', retryable: true } }));
  const { runtime, events } = openRuntime({
    provider: withFallback([{ provider: down }, { provider: dear, model: 'dear' }]),
    pricing: { price: (model, { inputTokens }) => inputTokens * (model === 'dear' ? 1 : 0.001) },
  });
  const report = await runtime.run(leadOf(), job);
  expect(report.usage.byModel).toMatchObject({ dear: { inputTokens: 2_000, costUsd: 2_000 } });
  expect(only(events, 'context.compacted')).toMatchObject([{ model: 'dear', costUsd: 1_000 }]);
});

describe('[BG-087] compacting ahead of time', () => {
  test('happens before the turn that would have too many messages', async () => {
    const { runtime, asked, events } = open([]);
    await runtime.run(leadOf({ compaction: { maxMessages: 7 } }), job);
    expect(asked()).toEqual([['Lead.', 'Summary of the conversation so far:\nSo far: m.', 'm3', 'm4', 'm5', 'Go.']]);
    expect(only(events, 'context.compacted')).toMatchObject([{ proactive: true }]);
  });

  test('does not happen up to there', async () => {
    const { runtime, summaries } = open([]);
    await runtime.run(leadOf({ compaction: { maxMessages: 8 } }), job);
    expect(summaries()).toEqual([]);
  });

  test('counts every message that is sent, also behind a summary', async () => {
    const { runtime, summaries, asked } = open([{ calls: [call()] }]);
    await runtime.run(leadOf({ tools: [toolOf()], compaction: { maxMessages: 7 } }), job);
    expect([summaries().length, asked().map(({ length }) => length)]).toEqual([2, [6, 6]]);
  });

  test('stops counting what became a summary', async () => {
    const { runtime, summaries } = open([{ calls: [call()] }]);
    const messages = [...earlier, { role: 'user' as const, content: 'm6' }];
    await runtime.run(leadOf({ tools: [toolOf()], compaction: { maxMessages: 8 } }), { input: 'Go.', messages });
    expect(summaries()).toHaveLength(1);
  });

  test('counts what was remembered', async () => {
    const memory = memoryStore();
    await memory.write('mine', 'context', 'The sky is blue.');
    const { runtime, summaries } = open([], undefined, { memory });
    await runtime.run(leadOf({ memoryScope: 'mine', compaction: { maxMessages: 8 } }), job);
    expect(summaries()).toHaveLength(1);
  });

  test('happens when the last turn took too many tokens', async () => {
    const { runtime, asked, summaries } = open([
      { calls: [call()], usage: { inputTokens: 101 } },
      { calls: [call()], usage: { inputTokens: 100 } },
    ]);
    await runtime.run(leadOf({ tools: [toolOf()], compaction: { maxInputTokens: 100 } }), job);
    expect([asked().map(({ length }) => length), summaries().length]).toEqual([[8, 6, 8], 1]);
  });

  test('does not use up the attempts of a conversation that is too long', async () => {
    const { runtime, summaries, events } = open([{ calls: [call()] }, { calls: [call()] }, tooLong, tooLong, 'Done.']);
    expect((await runtime.run(leadOf({ tools: [toolOf()], compaction: { maxMessages: 7 } }), job)).text).toBe('Done.');
    expect(only(events, 'context.compacted').filter(({ proactive }) => !proactive)).toHaveLength(2);
    expect(summaries().length).toBeGreaterThan(3);
  });

  test.each([1, 2, 5])(
    'happens once a turn, also when what must be kept is more than %i messages',
    async (maxMessages) => {
      const { runtime, asked, summaries } = open([{ calls: [call('a'), call('b'), call('c'), call('d')] }]);
      expect((await runtime.run(leadOf({ tools: [toolOf()], compaction: { maxMessages } }), job)).text).toBe('Done.');
      expect(asked()).toHaveLength(2);
      expect(summaries().length).toBeLessThanOrEqual(2);
    },
  );

  test('fails nothing when there is nothing to leave out', async () => {
    const { runtime, summaries } = open([]);
    expect((await runtime.run(leadOf({ compaction: { maxMessages: 1 } }), 'Go.')).text).toBe('Done.');
    expect(summaries()).toEqual([]);
  });
});
