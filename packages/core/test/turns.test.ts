import { defineTool, textOf } from '@troupe/core';
import type { ModelProvider, RunEvent } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { openRuntime, settle } from '../../../test/support/open-runtime.ts';
import { call, leadOf, only, toolOf } from './lead.ts';

const open = (script: Parameters<typeof scriptedProvider>[0]) => {
  const provider = scriptedProvider(script);
  return { provider, ...openRuntime({ provider, clock: new SimulatedClock() }) };
};
const loop: Turn = { text: 'Looking.', calls: [call()] };

describe('[BG-074] a run takes at most as many turns as it may', () => {
  test('and then fails, with what it said kept apart', async () => {
    const { runtime, provider, events } = open(() => loop);
    const report = await runtime.run(leadOf({ tools: [toolOf()], budget: { turns: 3 } }), 'Go.');
    expect(report).toMatchObject({
      status: 'failed',
      exitReason: 'max_turns',
      text: null,
      partialText: 'Looking.',
      fault: { code: 'budget.turns', details: { kind: 'turns', spent: 3, limit: 3 } },
    });
    expect(provider.requests).toHaveLength(3);
    expect(only(events, 'budget.exhausted')).toMatchObject([{ kind: 'turns', spent: 3, limit: 3 }]);
  });

  test('be they 10, which nobody set', async () => {
    const { runtime, provider } = open(() => loop);
    expect((await runtime.run(leadOf({ tools: [toolOf()] }), 'Go.')).exitReason).toBe('max_turns');
    expect(provider.requests).toHaveLength(10);
  });

  test('pauses included', async () => {
    const { runtime, provider } = open(() => ({ calls: [{ name: 'ask', arguments: { text: 'a' } }] }));
    const run = runtime.start(leadOf({ tools: [toolOf({ name: 'ask', confirm: true })], budget: { turns: 2 } }), 'Go.');
    expect((await run.report).status).toBe('paused');
    expect((await runtime.resume(run.id, 'yes')).status).toBe('paused');
    expect((await runtime.resume(run.id, 'yes')).exitReason).toBe('max_turns');
    expect(provider.requests).toHaveLength(2);
  });

  test('an aborted turn does not count', async () => {
    const { runtime, provider } = open([{ hang: true }, { hang: true }, 'Done.']);
    const run = runtime.start(leadOf({ budget: { turns: 1 } }), 'Go.');
    for (let i = 0; i < 2; i++) {
      await settle();
      await run.pause();
      await run.resume();
    }
    expect((await run.report).text).toBe('Done.');
    expect(provider.requests.map(({ aborted, context }) => [aborted, context.turn])).toEqual([
      [true, 1],
      [true, 1],
      [false, 1],
    ]);
  });

  test('and is told before its last one, once', async () => {
    const { runtime, provider } = open([loop, loop, 'Done.']);
    await runtime.run(leadOf({ tools: [toolOf()], budget: { turns: 3 } }), 'Go.');
    const told = provider.requests.map(
      ({ request }) =>
        request.messages.filter(({ content }) => String(content).startsWith('This is your last turn')).length,
    );
    expect(told).toEqual([0, 0, 1]);
  });
});

describe('[BG-076] a call that cannot be executed is answered, and the run goes on', () => {
  test.each<[string, { name: string; arguments: unknown }, RegExp]>([
    ['of an unknown tool', { name: 'gone', arguments: {} }, /Tool not found: gone. Available: echo/],
    [
      'with arguments that are no JSON',
      { name: 'echo', arguments: '{"text":' },
      /arguments of \\"echo\\" are not a JSON object/,
    ],
    ['with arguments that are no object', { name: 'echo', arguments: '[1]' }, /not a JSON object/],
    [
      'with arguments that do not fit',
      { name: 'echo', arguments: { text: 1 } },
      /arguments of \\"echo\\" do not fit: text: /,
    ],
    ['without arguments', { name: 'echo', arguments: '' }, /do not fit: text: /],
  ])('%s', async (_what, asked, result) => {
    let executed = 0;
    const { runtime, provider, types } = open([{ calls: [asked] }, 'Done.']);
    const report = await runtime.run(leadOf({ tools: [toolOf({ execute: () => `${++executed}` })] }), 'Go.');
    expect(report).toMatchObject({
      status: 'completed',
      text: 'Done.',
      calls: [{ status: 'error', result: expect.stringMatching(result) }],
    });
    expect(provider.requests[1]?.request.messages.at(-1)).toMatchObject({
      role: 'tool',
      callId: 'call_1',
      content: expect.stringMatching(result),
    });
    expect([executed, types().filter((type) => type.startsWith('call.'))]).toEqual([
      0,
      ['call.started', 'call.failed'],
    ]);
  });

  test('also when the tool is not offered just now', async () => {
    const { runtime, provider } = open([{ calls: [call()] }, 'Done.']);
    const report = await runtime.run(leadOf({ tools: [toolOf({ offered: ({ depth }) => depth > 0 })] }), 'Go.');
    expect(provider.requests[0]?.request.tools).toEqual([]);
    expect(report.calls[0]).toMatchObject({ status: 'error', result: expect.stringContaining('not available') });
  });
});

test('[BG-084] a run for which no model is set anywhere fails, saying so', async () => {
  const provider = scriptedProvider(['Done.']);
  const { runtime } = openRuntime({ provider, model: null });
  expect(await runtime.run(leadOf(), 'Go.')).toMatchObject({
    status: 'failed',
    exitReason: 'model_error',
    fault: { code: 'model.not_set', message: expect.stringMatching(/No model is set for agent "lead"/) },
  });
  expect(provider.requests).toHaveLength(0);
  expect((await runtime.run(leadOf({ name: 'other', model: 'mine' }), 'Go.')).status).toBe('completed');
});

describe('[BG-089] a turn', () => {
  test('that succeeds is told with its message before anything that follows from it', async () => {
    const { runtime, events, types } = open([{ text: 'Let me see.', calls: [call()] }, 'Done.']);
    await runtime.run(leadOf({ tools: [toolOf()] }), 'Go.');
    expect(types().slice(1)).toEqual([
      'turn.started',
      'turn.completed',
      'call.started',
      'call.completed',
      'turn.started',
      'turn.completed',
      'run.completed',
    ]);
    expect(only(events, 'turn.completed').map(({ message }) => message)).toEqual([
      { role: 'assistant', content: 'Let me see.', calls: [{ id: 'call_1', name: 'echo', arguments: '{"text":"a"}' }] },
      { role: 'assistant', content: 'Done.' },
    ]);
  });

  const silent: ModelProvider = {
    async *takeTurn() {
      yield { type: 'text', delta: 'Half an ans' };
    },
  };
  test.each<[string, ModelProvider, string, string]>([
    ['ends with a fault', scriptedProvider([{ fault: { code: 'model.refused' } }]), 'model_error', 'model.refused'],
    ['ends with any error', scriptedProvider([{ throws: new TypeError('no body') }]), 'model_error', 'model.failed'],
    [
      'is cut off by its length',
      scriptedProvider([{ text: 'Half', finish: 'length' }]),
      'model_error',
      'model.output_cut',
    ],
    ['is filtered', scriptedProvider([{ text: 'Half', finish: 'filter' }]), 'model_error', 'model.filtered'],
    ['never says that it is over', silent, 'model_error', 'model.stream_cut'],
    ['says nothing, twice', scriptedProvider(() => ' \n'), 'no_answer', 'model.no_answer'],
  ])('that %s ends the run as failed', async (_how, provider, exitReason, code) => {
    const { runtime, types } = openRuntime({ provider });
    expect(await runtime.run(leadOf(), 'Go.')).toMatchObject({
      status: 'failed',
      exitReason,
      fault: { code },
      text: null,
    });
    expect(types().at(-1)).toBe('run.failed');
  });

  test('that says nothing is followed by one that asks for an answer', async () => {
    const { runtime, provider } = open(['', 'Done.']);
    expect((await runtime.run(leadOf(), 'Go.')).text).toBe('Done.');
    expect(provider.requests[1]?.request.messages.at(-1)).toMatchObject({
      role: 'user',
      content: expect.stringContaining('You gave no answer'),
    });
  });
});

describe('[BG-086] text', () => {
  test('is told as it comes and not stored; the closed turn has all of it', async () => {
    const { runtime, events } = open([{ reasoning: 'Hm.', deltas: ['Do', 'ne', '.'] }]);
    const { runId } = await runtime.run(leadOf(), 'Go.');
    const live = events.filter((event) => 'live' in event);
    expect(live.map((event) => [event.type, event.seq, event.part])).toEqual([
      ['reasoning.streamed', 2, 1],
      ['text.streamed', 2, 2],
      ['text.streamed', 2, 3],
      ['text.streamed', 2, 4],
    ]);
    expect(only(events, 'turn.completed')).toMatchObject([{ message: { content: 'Done.' }, reasoning: 'Hm.' }]);
    const stored: RunEvent[] = [];
    for await (const event of runtime.events({ runId })) {
      stored.push(event);
      if (event.type === 'run.completed') break;
    }
    expect(stored.some((event) => 'live' in event)).toBe(false);
  });

  test('arrives while the model still speaks, before the turn is closed', async () => {
    const { runtime, events } = open([{ text: 'I begin', hang: true }]);
    const run = runtime.start(leadOf(), 'Go.');
    const heard: string[] = [];
    run.events$.pipe(textOf(run.id)).subscribe((text) => heard.push(text));
    await settle();
    expect([heard, only(events, 'turn.completed')]).toEqual([['I begin'], []]);
  });

  test('in one piece is one delta', async () => {
    const { runtime, events } = open(['Done.']);
    await runtime.run(leadOf(), 'Go.');
    expect(only(events, 'text.streamed').map(({ delta }) => delta)).toEqual(['Done.']);
  });
});

describe('a call of an answer that was cut off', () => {
  const wiping = () => {
    const wiped: unknown[] = [];
    const wipe = defineTool({
      name: 'wipe',
      description: 'Deletes files; all of them unless told which.',
      inputSchema: z.object({ only: z.string().optional() }),
      execute: (input) => {
        wiped.push(input);
        return 'wiped';
      },
    });
    return { wipe, wiped };
  };

  test.each([
    ['length', ''],
    ['length', ' '],
    ['length', '{"only":"a'],
    ['filter', ''],
  ] as const)('(%s) before its arguments, %j, is not executed, and the model hears so', async (finish, json) => {
    const { wipe, wiped } = wiping();
    const provider = scriptedProvider([{ calls: [{ name: 'wipe', arguments: json }], finish }, 'I see.']);
    const { runtime } = openRuntime({ provider });
    const report = await runtime.run(leadOf({ tools: [wipe] }), 'Go.');
    expect(wiped).toEqual([]);
    expect(report).toMatchObject({
      status: 'completed',
      calls: [{ tool: 'wipe', status: 'error', result: expect.stringContaining('was cut off before the arguments') }],
    });
  });

  test('behind its arguments is executed, and so is one without any where nothing was cut off', async () => {
    const { wipe, wiped } = wiping();
    const provider = scriptedProvider([
      { calls: [{ name: 'wipe', arguments: '{"only":"a"}' }], finish: 'length' },
      { calls: [{ name: 'wipe', arguments: '' }] },
      'Done.',
    ]);
    const { runtime } = openRuntime({ provider });
    await runtime.run(leadOf({ tools: [wipe] }), 'Go.');
    expect(wiped).toEqual([{ only: 'a' }, {}]);
  });
});
