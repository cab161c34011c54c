import { defineAgent, type RunView, type Tool } from '@troupe/core';
import type { Budget } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openRuntime } from '../../../../test/support/open-runtime.ts';
import { calling, delegating, guardedTool, ofType, plain } from './tools.ts';

const play = async (tools: Tool[], turns: Turn[], budget: Budget = {}) => {
  const provider = scriptedProvider(turns);
  const { runtime, events } = openRuntime({ provider });
  const report = await runtime.run(defineAgent({ name: 'clerk', instructions: 'Work.', tools, budget }), 'go');
  return { report, events, provider };
};
/** How each call ended, in order. */
const statuses = ({ report }: Awaited<ReturnType<typeof play>>) => report.calls.map(({ status }) => status);
const refusal = (max: number, number: number) => {
  const allowed =
    max === 1 ? '1 call of "few" in one turn is allowed' : `${max} calls of "few" in one turn are allowed`;
  const error = `Not executed: too many at once, ${allowed}, this was number ${number}. Call again in a later turn if it is still needed.`;
  return JSON.stringify({ error });
};
const few = (max: number, options: object = {}) => plain('few', { maxPerTurn: max, ...options });
const times = (count: number, name = 'few') => calling(...Array<string>(count).fill(name));

describe('of a tool that allows so many calls in one turn', () => {
  test.each([
    [1, 1],
    [1, 2],
    [2, 1],
    [2, 2],
    [2, 3],
    [3, 5],
  ])(
    '(%i) the first of %i calls run, and each of the others is answered with an error [HM-162, B-59, L3]',
    async (max, count) => {
      let ran = 0;
      const played = await play([few(max, { execute: () => `number ${++ran}` })], [times(count), 'Done.']);
      // then what the model hears is in call order, and nothing is missing
      const results = Array.from({ length: count }, (_, n) => (n < max ? `number ${n + 1}` : refusal(max, n + 1)));
      expect(played.report.calls.map(({ result }) => result)).toEqual(results);
      expect(played.provider.requests[1]?.request.messages.slice(-count).map(({ content }) => content)).toEqual(
        results,
      );
      expect(statuses(played)).toEqual(results.map((_, n) => (n < max ? 'ok' : 'refused')));
      expect(ran).toBe(Math.min(max, count));
      // and the run ends as ever
      expect(played.report).toMatchObject({ status: 'completed', usage: { toolCalls: Math.min(max, count) } });
      expect(ofType(played.events, 'call.failed').map(({ status }) => status)).toEqual(
        Array(Math.max(0, count - max)).fill('refused'),
      );
    },
  );

  test('each turn may hold so many again [HM-162]', async () => {
    const played = await play([few(1)], [times(2), times(1), times(3), 'Done.']);
    expect(statuses(played)).toEqual(['ok', 'refused', 'ok', 'ok', 'refused', 'refused']);
  });

  test('only its own calls count, wherever they stand, and other tools run on [HM-162]', async () => {
    const played = await play(
      [few(1), plain('a'), plain('other', { maxPerTurn: 2 })],
      [calling('a', 'few', 'other', 'few', 'a', 'other', 'few', 'a', 'other'), 'Done.'],
    );
    expect(statuses(played)).toEqual(['ok', 'ok', 'ok', 'refused', 'ok', 'ok', 'refused', 'ok', 'refused']);
  });

  test('a call that cannot be understood counts as one of them [HM-162]', async () => {
    const calls = ['{}', 'no json', '{}'].map((args) => ({ name: 'few', arguments: args }));
    const played = await play([few(2)], [{ calls }, 'Done.']);
    expect(statuses(played)).toEqual(['ok', 'error', 'refused']);
    expect(played.report.usage.toolCalls).toBe(2);
  });

  test('those in excess use no tool call of the budget, and do not end the run [HM-162, BG-075]', async () => {
    // given room for two calls, and a tool that allows one
    const once = await play([few(1), plain('a')], [calling('few', 'few', 'few', 'a'), 'Done.'], { toolCalls: 2 });
    expect(statuses(once)).toEqual(['ok', 'refused', 'refused', 'ok']);
    expect(once.report).toMatchObject({ status: 'completed', usage: { toolCalls: 2 } });
    expect(ofType(once.events, 'budget.exhausted')).toEqual([]);
    // but one call more that counts is one too many, and says so
    const twice = await play([few(1), plain('a')], [calling('few', 'few', 'a', 'a')], { toolCalls: 2 });
    expect(statuses(twice)).toEqual(['ok', 'refused', 'ok', 'refused']);
    expect(twice.report).toMatchObject({ status: 'failed', exitReason: 'max_tool_calls', usage: { toolCalls: 2 } });
    expect(twice.report.calls.at(-1)?.result).toContain('may make 2 tool calls');
  });

  test('those in excess ask nobody, and behind a question they are refused, not skipped [HM-162, BG-079]', async () => {
    const { tool, ran } = guardedTool('few');
    const { runtime, events } = openRuntime({ provider: scriptedProvider([calling('few', 'few', 'a'), 'Done.']) });
    const tools = [{ ...tool, maxPerTurn: 1 }, plain('a')];
    const run = runtime.start(defineAgent({ name: 'clerk', instructions: '', tools }), 'go');
    const { questions } = await run.report;
    expect(questions).toHaveLength(1);
    await run.answer(questions[0]!.id, true);
    expect((await run.ended).calls.map(({ status }) => status)).toEqual(['ok', 'refused', 'skipped']);
    expect([ran(), ofType(events, 'question.asked').length]).toEqual([1, 1]);
  });

  test('those in excess start no children, and a policy decides nothing of them [HM-162, HM-070, L4]', async () => {
    const leaf = defineAgent({ name: 'leaf', instructions: '' });
    const { tool } = guardedTool();
    const agent = defineAgent({
      name: 'clerk',
      instructions: '',
      approval: 'deny',
      tools: [
        { ...delegating(leaf), maxPerTurn: 2 },
        { ...tool, maxPerTurn: 1 },
      ],
    });
    const provider = scriptedProvider({
      clerk: [calling('ask_leaf', 'erase', 'ask_leaf', 'erase', 'ask_leaf'), 'Done.'],
      leaf: ['Leaf.', 'Leaf.', 'Leaf.'],
    });
    const { runtime, events } = openRuntime({ provider });
    const { calls, children } = await runtime.run(agent, 'go');
    expect(calls.map(({ status }) => status)).toEqual(['ok', 'error', 'ok', 'refused', 'refused']);
    expect(children).toHaveLength(2);
    expect(ofType(events, 'policy.applied')).toHaveLength(1);
  });
});

describe('a tool that works out how many calls it allows', () => {
  test('sees the run as it is [HM-162]', async () => {
    const seen: RunView[] = [];
    const perTurn = (view: RunView): number => {
      seen.push(view);
      return view.budget.left.turns ?? 0;
    };
    // given as many calls as there are turns left, the one in hand included
    const played = await play([plain('few', { maxPerTurn: perTurn })], [times(4), times(3), 'Done.'], { turns: 3 });
    expect(statuses(played)).toEqual(['ok', 'ok', 'ok', 'refused', 'ok', 'ok', 'refused']);
    expect(seen[0]).toMatchObject({ agent: 'clerk', depth: 0 });
  });

  test.each<[string, () => number, number]>([
    ['says 0', () => 0, 1],
    ['says less', () => -3, 1],
    ['says no number', () => Number.NaN, 1],
    ['says nothing', () => undefined as never, 1],
    ['says more than two and less than three', () => 2.9, 2],
    [
      'throws',
      () => {
        throw new Error('no idea');
      },
      1,
    ],
    ['says that there is no limit', () => Number.POSITIVE_INFINITY, 4],
  ])('allows one, or what is whole of it, where it %s [HM-162]', async (_what, maxPerTurn, ran) => {
    const played = await play([plain('few', { maxPerTurn })], [times(4), 'Done.']);
    expect(statuses(played).filter((status) => status === 'ok')).toHaveLength(ran);
    expect(played.report.status).toBe('completed');
  });
});

test('whatever a model calls, each tool runs as often as it allows, and each call is answered in its place [HM-162, B-59, L3]', {
  timeout: 60_000,
}, async () => {
  const turns = fc.array(fc.array(fc.constantFrom('one', 'two', 'any', 'missing'), { minLength: 1, maxLength: 6 }), {
    maxLength: 3,
  });
  const limits: Record<string, number> = { one: 1, two: 2 };
  await fc.assert(
    fc.asyncProperty(turns, fc.integer({ min: 0, max: 12 }), async (said, toolCalls) => {
      const tools = [plain('one', { maxPerTurn: 1 }), plain('two', { maxPerTurn: () => 2 }), plain('any')];
      const { report } = await play(tools, [...said.map((names) => calling(...names)), 'Done.'], { toolCalls });
      // What should come of it, worked out by hand.
      let left = toolCalls;
      const expected: string[] = [];
      for (const names of said) {
        const seen: Record<string, number> = {};
        let over = false;
        for (const name of names) {
          seen[name] = (seen[name] ?? 0) + 1;
          const isExcess = (seen[name] ?? 0) > (limits[name] ?? Number.POSITIVE_INFINITY);
          over ||= !isExcess && left === 0;
          expected.push(isExcess || left === 0 ? 'refused' : name === 'missing' ? 'error' : 'ok');
          if (!isExcess && left > 0) left -= 1;
        }
        if (over) break;
      }
      expect(report.calls.map(({ status }) => status)).toEqual(expected);
      expect(report.usage.toolCalls).toBe(toolCalls - left);
    }),
    { numRuns: 100 },
  );
});
