import { defineAgent } from '@troupe/core';
import type { Budget } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { calling, delegating, ofType, plain } from './tools.ts';

const clerk = (budget?: Budget, tools = [plain('look')]) =>
  defineAgent({ name: 'clerk', instructions: 'Work.', tools, ...(budget && { budget }) });
const costing = (costUsd: number, turn: Exclude<Turn, string>): Turn => ({
  ...turn,
  usage: { inputTokens: 60, outputTokens: 40, costUsd },
});

describe('a limit that is reached before the next turn ends the run as failed', () => {
  const cases: [string, Budget, string, object][] = [
    ['turns', { turns: 2 }, 'max_turns', { kind: 'turns', spent: 2, limit: 2 }],
    ['tokens', { tokens: 150 }, 'budget', { kind: 'tokens', spent: 200, limit: 150 }],
    ['costUsd', { costUsd: 0.15 }, 'budget', { kind: 'costUsd', spent: 0.2, limit: 0.15 }],
  ];
  test.each(cases)(
    '%s: with exit reason, what was spent, the limit and the partial text [BG-074, BG-088, L4]',
    async (_kind, budget, exitReason, details) => {
      // given a model that never comes to an answer
      const provider = scriptedProvider(() => costing(0.1, { text: 'Looking.', ...calling('look') }));
      const { runtime, events } = openRuntime({ provider });
      const report = await runtime.run(clerk(budget), 'go');
      // then two turns were paid, and nothing after
      expect(provider.requests).toHaveLength(2);
      expect(report).toMatchObject({
        status: 'failed',
        exitReason,
        text: null,
        partialText: 'Looking.',
        fault: { retryable: false, details },
        usage: { turns: 2, own: { costUsd: 0.2 } },
      });
      expect(report.fault?.message).toMatch(/"clerk".*Raise budget\./);
      expect(ofType(events, 'budget.exhausted')).toMatchObject([details]);
      // its last calls are answered all the same
      expect(report.calls.map(({ status }) => status)).toEqual(['ok', 'ok']);
    },
  );

  test('an answer that overshoots stands: it is there, and it is paid [BG-088, L4]', async () => {
    const { runtime, events } = openRuntime({ provider: scriptedProvider([costing(5, { text: 'Done.' })]) });
    expect(await runtime.run(clerk({ costUsd: 1, tokens: 10 }), 'go')).toMatchObject({
      status: 'completed',
      text: 'Done.',
      usage: { total: { costUsd: 5 } },
    });
    expect(ofType(events, 'budget.warned').map(({ kind }) => kind)).toEqual(['tokens', 'costUsd']);
  });

  test('a budget of nothing asks no model at all [BG-088]', async () => {
    const provider = scriptedProvider([]);
    const agent = clerk();
    const { runtime } = openRuntime({ provider });
    expect(await runtime.run(agent, { input: 'go', budget: { turns: 0 } })).toMatchObject({
      status: 'failed',
      exitReason: 'max_turns',
    });
    expect(await runtime.run(agent, { input: 'go', budget: { costUsd: 0 } })).toMatchObject({
      status: 'failed',
      exitReason: 'budget',
    });
    expect(provider.requests).toEqual([]);
  });

  test('a price that is not known counts nothing, and says so once [BG-088]', async () => {
    const { runtime, events } = openRuntime({
      provider: scriptedProvider([calling('look'), calling('look'), 'Done.']),
    });
    expect(await runtime.run(clerk({ costUsd: 0.01 }), 'go')).toMatchObject({ status: 'completed' });
    expect(ofType(events, 'warning.raised')).toMatchObject([{ code: 'price.unknown' }]);
  });

  test('what a model costs comes from the price list, and adds up by model [BG-088]', async () => {
    const pricing = { price: (_model: string, usage: { inputTokens: number }) => usage.inputTokens / 100 };
    const { runtime } = openRuntime({ provider: scriptedProvider([calling('look'), 'Done.']), pricing });
    const { usage } = await runtime.run(clerk(), 'go');
    expect(usage).toMatchObject({
      total: { costUsd: 0.2 },
      byModel: { 'test-model': { inputTokens: 20, costUsd: 0.2 } },
    });
  });
});

describe('the soft limit', () => {
  test('warns once for each kind, at 80 per cent if nothing else is said', async () => {
    const provider = scriptedProvider([...Array.from({ length: 9 }, () => costing(0.1, calling('look'))), 'Done.']);
    const { runtime, events } = openRuntime({ provider });
    await runtime.run(clerk({ turns: 10, toolCalls: 20, costUsd: 1.1 }), 'go');
    expect(
      ofType(events, 'budget.warned').map(({ kind, spent, limit }) => [kind, Math.round(spent * 10) / 10, limit]),
    ).toEqual([
      ['turns', 8, 10],
      ['costUsd', 0.9, 1.1],
    ]);
  });

  test('is where warnAt says', async () => {
    const { runtime, events } = openRuntime({
      provider: scriptedProvider([calling('look'), calling('look'), 'Done.']),
    });
    await runtime.run(clerk({ toolCalls: 4, tokens: 1_000, warnAt: 0.25 }), 'go');
    expect(ofType(events, 'budget.warned')).toMatchObject([
      { kind: 'toolCalls', spent: 1, limit: 4 },
      { kind: 'turns', spent: 3, limit: 10 },
    ]);
  });

  test.each(['activeMs', 'deadlineMs'] as const)(
    'warns of %s while there is time, once, also over a pause',
    async (kind) => {
      const clock = new SimulatedClock();
      const { runtime, events } = openRuntime({ provider: scriptedProvider([{ hang: true }, { hang: true }]), clock });
      const run = runtime.start(clerk({ [kind]: 1_000 }), 'go');
      await settle();
      clock.increment(799);
      expect(ofType(events, 'budget.warned')).toEqual([]);
      clock.increment(1);
      await settle();
      await run.pause();
      await run.resume();
      clock.increment(100);
      await settle();
      expect(ofType(events, 'budget.warned')).toMatchObject([{ kind, spent: 800, limit: 1_000 }]);
      expect(run.status).toBe('running');
      clock.increment(100);
      expect(await run.ended).toMatchObject({ status: 'failed', exitReason: 'timeout' });
    },
  );

  test('counts children and descendants, too', async () => {
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.' });
    const provider = scriptedProvider((request, { agent }) =>
      agent === 'leaf' || request.messages.at(-1)?.role === 'tool' ? 'Done.' : calling('ask_leaf', 'ask_leaf'),
    );
    const { runtime, events } = openRuntime({ provider });
    await runtime.run(clerk({ children: 2, descendants: 2 }, [delegating(leaf)]), 'go');
    expect(ofType(events, 'budget.warned').filter(({ agent }) => agent === 'clerk')).toMatchObject([
      { kind: 'children', spent: 2, limit: 2 },
      { kind: 'descendants', spent: 2, limit: 2 },
    ]);
  });
});

describe('before its last turn', () => {
  const note = (provider: ReturnType<typeof scriptedProvider>) =>
    provider.requests.map(
      ({ request }) =>
        request.messages.filter(({ role, content }) => role === 'user' && String(content).includes('last turn')).length,
    );

  test('a run is told to wrap up, once [BG-074]', async () => {
    const provider = scriptedProvider([calling('look'), calling('look'), 'What I have.']);
    const { runtime } = openRuntime({ provider });
    expect(await runtime.run(clerk({ turns: 3 }), 'go')).toMatchObject({ status: 'completed', text: 'What I have.' });
    expect(note(provider)).toEqual([0, 0, 1]);
  });

  test('a run of one turn is told nothing: it has just begun [BG-074]', async () => {
    const provider = scriptedProvider(['Quick.']);
    const { runtime } = openRuntime({ provider });
    await runtime.run(clerk({ turns: 1 }), 'go');
    expect(note(provider)).toEqual([0]);
  });
});

test('a child that uses up its cost budget fails with exit reason budget; its parent is told a failure, goes on, and the stream completes [F-07, F-08, L5]', async () => {
  // given a child that may spend a tenth of a dollar
  const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: [plain('look')], budget: { costUsd: 0.1 } });
  const root = clerk({ costUsd: 1 }, [delegating(leaf)]);
  const provider = scriptedProvider({
    clerk: [costing(0.01, calling('ask_leaf')), costing(0.01, { text: 'Without it.' })],
    leaf: [costing(0.06, { text: 'Half of', ...calling('look') }), costing(0.06, calling('look'))],
  });
  const { runtime, events } = openRuntime({ provider });
  const run = runtime.start(root, 'go');
  let completed = false;
  run.events$.subscribe({ complete: () => (completed = true) });
  const report = await run.ended;
  // then the parent knows that it failed, and why
  expect(report).toMatchObject({
    status: 'completed',
    text: 'Without it.',
    children: [{ status: 'failed', exitReason: 'budget' }],
    calls: [{ status: 'error' }],
  });
  expect(provider.requests.at(-1)?.request.messages.at(-1)?.content).toContain('failed: budget');
  expect(ofType(events, 'run.failed')).toMatchObject([
    {
      agent: 'leaf',
      exitReason: 'budget',
      partialText: 'Half of',
      fault: { details: { kind: 'costUsd', limit: 0.1 } },
    },
  ]);
  // the overshoot is charged to the root, and the stream is over
  expect(report.usage.total.costUsd).toBeCloseTo(0.14);
  expect(report.usage.own.costUsd).toBeCloseTo(0.02);
  await Promise.resolve();
  expect(completed).toBe(true);
});

test('what is left can be read by a tool, and no limit is there that nobody set', async () => {
  const seen: unknown[] = [];
  const look = plain('look', { execute: (_input, { view }) => void seen.push(view.budget) });
  const { runtime } = openRuntime({ provider: scriptedProvider([calling('look'), 'Done.', calling('look'), 'Done.']) });
  await runtime.run(clerk({ tokens: 100, toolCalls: 3 }, [look]), 'go');
  await runtime.run(defineAgent({ name: 'free', instructions: 'Work.', tools: [look] }), 'go');
  expect(seen[0]).toMatchObject({
    granted: { tokens: 100, toolCalls: 3 },
    left: { tokens: 85, toolCalls: 2, turns: 9 },
  });
  expect(Object.keys((seen[1] as { granted: object }).granted).sort()).toEqual(['depth', 'toolCalls', 'turns']);
});
