import { defineAgent, type Tool } from '@troupe/core';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { calling, gatedTool, guardedTool, ofType, plain } from './tools.ts';

const clerk = (tools: Tool[], toolCalls?: number) =>
  defineAgent({
    name: 'clerk',
    instructions: 'Work.',
    tools,
    ...(toolCalls !== undefined && { budget: { toolCalls } }),
  });

describe('calls over the limit', () => {
  test('are not executed, each is answered with an error, and the run fails with max_tool_calls [BG-075, F-09, L3]', async () => {
    // given room for two calls
    let ran = 0;
    const count = plain('count', { execute: () => `number ${++ran}` });
    const { runtime, events } = openRuntime({
      provider: scriptedProvider([{ text: 'Counting.', ...calling('count', 'count', 'count', 'count') }]),
    });
    // when the model makes four at once
    const report = await runtime.run(clerk([count], 2), 'go');
    // then two ran, and four are answered in call order
    expect(ran).toBe(2);
    expect(report).toMatchObject({
      status: 'failed',
      exitReason: 'max_tool_calls',
      text: null,
      partialText: 'Counting.',
      fault: { code: 'budget.tool_calls', details: { kind: 'toolCalls', spent: 2, limit: 2 } },
      usage: { toolCalls: 2, turns: 1 },
    });
    expect(report.calls.map(({ status }) => status)).toEqual(['ok', 'ok', 'refused', 'refused']);
    expect(report.messages.filter(({ role }) => role === 'tool')).toHaveLength(4);
    expect(ofType(events, 'budget.exhausted')).toMatchObject([{ kind: 'toolCalls', spent: 2, limit: 2 }]);
  });

  test('are refused over several turns, too, and in loops of errors [F-09]', async () => {
    let ran = 0;
    const broken = plain('broken', {
      execute: () => {
        ran += 1;
        throw new Error('always');
      },
    });
    const { runtime } = openRuntime({ provider: scriptedProvider(() => calling('broken')) });
    const report = await runtime.run(clerk([broken], 3), 'go');
    expect(report).toMatchObject({ status: 'failed', exitReason: 'max_tool_calls', usage: { toolCalls: 3, turns: 4 } });
    expect(ran).toBe(3);
  });

  test('are counted for unknown tools and wrong arguments alike, so a confused model comes to an end [F-09, BG-076]', async () => {
    const { runtime } = openRuntime({
      provider: scriptedProvider(() => ({ calls: [{ name: 'nothing_there', arguments: 'no json' }] })),
    });
    const report = await runtime.run(clerk([plain('a')], 2), 'go');
    expect(report).toMatchObject({ status: 'failed', exitReason: 'max_tool_calls', usage: { toolCalls: 2 } });
  });

  test('ask nobody: a call that would ask a person is refused when its turn has too many [BG-075]', async () => {
    const { tool, ran } = guardedTool();
    const { runtime, events } = openRuntime({ provider: scriptedProvider([calling('a', 'erase', 'a')]) });
    const report = await runtime.run(clerk([plain('a'), tool], 2), 'go');
    expect(report).toMatchObject({ status: 'failed', exitReason: 'max_tool_calls', questions: [] });
    expect(report.calls.map(({ status }) => status)).toEqual(['ok', 'refused', 'refused']);
    expect([ran(), ofType(events, 'question.asked')]).toEqual([0, []]);
  });

  test('are all of them when none is allowed [F-09]', async () => {
    const { runtime } = openRuntime({ provider: scriptedProvider([calling('a')]) });
    expect(await runtime.run(clerk([plain('a')], 0), 'go')).toMatchObject({
      status: 'failed',
      exitReason: 'max_tool_calls',
      usage: { toolCalls: 0 },
    });
  });
});

test('exactly as many calls as are allowed do not end a run [BG-075]', async () => {
  const { runtime } = openRuntime({ provider: scriptedProvider([calling('a', 'a'), 'Done.']) });
  expect(await runtime.run(clerk([plain('a')], 2), 'go')).toMatchObject({
    status: 'completed',
    usage: { toolCalls: 2 },
  });
});

test('calls of one turn run side by side; all are told as started first, and are answered in call order [BG-077, L3]', async () => {
  // given three calls that end in the order c, a, b
  const [a, b, c] = [gatedTool('a'), gatedTool('b'), gatedTool('c')] as const;
  const provider = scriptedProvider([
    { calls: ['a', 'b', 'c'].map((name) => ({ name, arguments: {}, id: 'same' })) },
    'Done.',
  ]);
  const { runtime, events, types } = openRuntime({ provider });
  const run = runtime.start(clerk([a.tool, b.tool, c.tool]), 'go');
  await settle();
  expect([a, b, c].map(({ open }) => open.length)).toEqual([1, 1, 1]);
  expect(types().slice(-3)).toEqual(['call.started', 'call.started', 'call.started']);
  c.open[0]!.finish();
  await settle();
  expect(ofType(events, 'call.completed')).toEqual([]);
  a.open[0]!.finish();
  await settle();
  expect(ofType(events, 'call.completed').map(({ tool }) => tool)).toEqual(['a']);
  b.open[0]!.finish();
  await run.ended;
  // then what the model sees is in the order it asked, though all calls share one id
  expect(provider.requests[1]?.request.messages.slice(-3).map(({ content }) => content)).toEqual([
    'a done',
    'b done',
    'c done',
  ]);
  expect(ofType(events, 'call.completed').map(({ tool }) => tool)).toEqual(['a', 'b', 'c']);
});
