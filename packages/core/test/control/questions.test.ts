import { defineAgent, defineTool, type Tool } from '@troupe/core';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { createActor } from 'xstate';
import { z } from 'zod';
import { openRuntime } from '../../../../test/support/open-runtime.ts';
import { callActor } from '../../src/actors/call-actor.ts';
import { calling, guardedTool, ofType, plain } from './tools.ts';

const asking = (tools: Tool[], ...turns: Turn[]) => {
  const agent = defineAgent({ name: 'clerk', instructions: 'Work.', tools });
  const provider = scriptedProvider(turns);
  return { agent, provider, ...openRuntime({ provider }) };
};

/** What the model was told by the tools of its last turn. */
const answersOf = (provider: ReturnType<typeof scriptedProvider>) =>
  provider.requests
    .at(-1)
    ?.request.messages.filter(({ role }) => role === 'tool')
    .map(({ content }) => content);

describe('a confirmation', () => {
  test.each([true, 'yes', ' YES ', 'y', 'Approve', 'confirm', 'ok', 'true', { value: true }])(
    'is approved by %j, and the tool runs once [BG-081]',
    async (answer) => {
      // given a run that waits for an approval
      const { tool, ran } = guardedTool();
      const { agent, runtime, types, provider } = asking([tool], calling('erase'), 'Erased.');
      const run = runtime.start(agent, 'erase it');
      const { questions } = await run.report;
      // when it is approved
      expect(await run.answer(questions[0]!.id, answer)).toEqual({ status: 'accepted' });
      // then the tool runs, and the run goes on
      expect(await run.ended).toMatchObject({ status: 'completed', text: 'Erased.', questions: [] });
      expect(ran()).toBe(1);
      expect(answersOf(provider)).toEqual(['erase done']);
      expect(types()).toEqual([
        'run.started',
        'turn.started',
        'turn.completed',
        'call.started',
        'question.asked',
        'run.paused',
        'question.answered',
        'run.resumed',
        'call.completed',
        'turn.started',
        'turn.completed',
        'run.completed',
      ]);
    },
  );

  test.each([false, 'no', 'N', ' decline', 'deny', 'Cancel', 'false', '', '  ', { value: null }])(
    'is declined by %j, the tool never runs, and the run goes on [BG-081, L3]',
    async (answer) => {
      const { tool, ran } = guardedTool();
      const { agent, runtime, provider, events } = asking([tool], calling('erase'), 'Left as it is.');
      const run = runtime.start(agent, 'erase it');
      const { questions } = await run.report;
      expect(await run.answer(questions[0]!.id, answer)).toEqual({ status: 'accepted' });
      expect(await run.ended).toMatchObject({ status: 'completed', calls: [{ status: 'error' }] });
      expect(ran()).toBe(0);
      expect(answersOf(provider)).toEqual([JSON.stringify({ error: 'Tool execution declined' })]);
      expect(ofType(events, 'call.failed')).toMatchObject([{ tool: 'erase', error: 'Tool execution declined' }]);
    },
  );

  test('that is declined with a reason tells the model the reason [BG-081]', async () => {
    const { tool } = guardedTool();
    const { agent, runtime, provider } = asking([tool], calling('erase'), 'Fine.');
    const run = runtime.start(agent, 'erase it');
    const { questions } = await run.report;
    await run.answer(questions[0]!.id, { decline: 'not on a Friday' });
    await run.ended;
    expect(answersOf(provider)).toEqual([JSON.stringify({ error: 'Tool execution declined: not on a Friday' })]);
  });

  test.each(['maybe', 'yess', { value: 3 }, 'sure'])(
    'stays open when the answer is %j; the receipt lists what is expected [BG-081]',
    async (answer) => {
      // given an open question
      const { tool, ran } = guardedTool();
      const { agent, runtime, types } = asking([tool], calling('erase'), 'Erased.');
      const run = runtime.start(agent, 'erase it');
      const { questions } = await run.report;
      const before = types();
      // when the answer is neither yes nor no
      const receipt = await run.answer(questions[0]!.id, answer);
      // then nothing has happened
      expect(receipt).toMatchObject({
        status: 'rejected',
        reason: expect.stringMatching(/true, yes, y, approve, confirm, ok.*false, no, n, decline, deny, cancel/),
      });
      expect(run.questions).toEqual(questions);
      expect([run.status, ran(), types()]).toEqual(['paused', 0, before]);
      // and a clear answer still counts
      await run.answer(questions[0]!.id, 'ok');
      expect(await run.ended).toMatchObject({ status: 'completed' });
    },
  );

  test('may depend on the arguments', async () => {
    const pay = defineTool({
      name: 'pay',
      description: 'Pays',
      inputSchema: z.object({ amount: z.number() }),
      confirm: ({ amount }) => amount > 100,
      execute: ({ amount }) => `paid ${amount}`,
    });
    const { agent, runtime } = asking(
      [pay],
      { calls: [{ name: 'pay', arguments: { amount: 5 } }] },
      { calls: [{ name: 'pay', arguments: { amount: 500 } }] },
      'Paid.',
    );
    const run = runtime.start(agent, 'pay');
    const report = await run.report;
    expect(report.calls[0]).toMatchObject({ status: 'ok', result: 'paid 5' });
    expect(report.questions).toMatchObject([{ tool: 'pay', arguments: { amount: 500 } }]);
  });

  test('is asked for when the tool cannot say whether it is needed, and not when its arguments are wrong', async () => {
    const pay = defineTool({
      name: 'pay',
      description: '',
      inputSchema: z.object({ amount: z.number() }),
      confirm: () => {
        throw new Error('no idea');
      },
      execute: ({ amount }) => `paid ${amount}`,
    });
    const { agent, runtime } = asking(
      [pay],
      { calls: [{ name: 'pay', arguments: { amount: 'much' } }] },
      { calls: [{ name: 'pay', arguments: { amount: 5 } }] },
    );
    const report = await runtime.start(agent, 'pay').report;
    expect(report.calls[0]).toMatchObject({ status: 'error', result: expect.stringContaining('amount') });
    expect(report.questions).toMatchObject([{ tool: 'pay', prompt: 'Confirm pay' }]);
  });
});

test('a hand-off is answered by a person instead of the tool [BG-078]', async () => {
  const tool = plain('expert', {
    handoff: true,
    execute: () => {
      throw new Error('must not run');
    },
  });
  const { agent, runtime, provider } = asking([tool], calling('expert'), 'Good.');
  const run = runtime.start(agent, 'go');
  const { questions } = await run.report;
  expect(questions).toMatchObject([{ kind: 'handoff', options: [] }]);
  await run.answer(questions[0]!.id, { value: { decision: 'ship it' } });
  expect(await run.ended).toMatchObject({
    status: 'completed',
    calls: [{ status: 'ok', data: { decision: 'ship it' } }],
  });
  expect(answersOf(provider)).toEqual(['{"decision":"ship it"}']);
});

test('when a call asks, earlier calls run, later ones are answered as skipped, and the pause is told after the question [BG-079, L3]', async () => {
  // given a turn of five calls whose second and fourth ask
  const { tool, ran } = guardedTool();
  const { agent, runtime, provider, types } = asking(
    [plain('a'), tool, plain('b')],
    calling('a', 'erase', 'b', 'erase', 'a'),
    'Done.',
  );
  const run = runtime.start(agent, 'go');
  const report = await run.report;
  // then one question is open; the earlier call has run
  expect(report.questions).toHaveLength(1);
  expect(report.calls.map(({ tool, result }) => [tool, result])[0]).toEqual(['a', 'a done']);
  expect(types().indexOf('question.asked')).toBeLessThan(types().indexOf('run.paused'));
  // and after the answer each call has been answered once, in order
  await run.answer(report.questions[0]!.id, true);
  const { calls, usage } = await run.ended;
  expect(calls.map(({ tool, status }) => [tool, status])).toEqual([
    ['a', 'ok'],
    ['erase', 'ok'],
    ['b', 'skipped'],
    ['erase', 'skipped'],
    ['a', 'skipped'],
  ]);
  expect(answersOf(provider)).toEqual([
    'a done',
    'erase done',
    ...Array.from({ length: 3 }, () => expect.stringContaining('Skipped')),
  ]);
  expect([ran(), usage.toolCalls]).toEqual([1, 2]);
});

describe('a second answer', () => {
  test.each([
    ['of the same value is accepted without effect', true, { status: 'accepted' }],
    ['of another value is rejected', false, { status: 'rejected', reason: 'already answered' }],
  ] as const)('%s, before and after the run has ended [BG-081]', async (_what, again, receipt) => {
    const { tool, ran } = guardedTool();
    const { agent, runtime, events } = asking([tool], calling('erase'), 'Erased.');
    const run = runtime.start(agent, 'go');
    const { id } = (await run.report).questions[0]!;
    // both in one breath, then once more at the end, by both doors
    const [first, second] = await Promise.all([run.answer(id, true), run.answer(id, again)]);
    await run.ended;
    expect([first, second, await run.answer(id, again), await runtime.answer(id, again)]).toEqual([
      { status: 'accepted' },
      receipt,
      receipt,
      receipt,
    ]);
    expect(ran()).toBe(1);
    expect(ofType(events, 'question.answered')).toHaveLength(1);
  });
});

test('answering when no question is open is rejected, whoever is asked [BG-083]', async () => {
  const { tool } = guardedTool();
  const { agent, runtime } = asking([tool], calling('erase'));
  const run = runtime.start(agent, 'go');
  const { id } = (await run.report).questions[0]!;
  expect(await run.answer(`${run.id}/7-0?`, true)).toEqual({
    status: 'rejected',
    reason: expect.stringContaining('no open question'),
  });
  expect(await run.answer('nonsense', true)).toMatchObject({ status: 'rejected' });
  expect(await runtime.answer('other/1-0?', true)).toMatchObject({ status: 'rejected' });
  await run.interrupt();
  await run.ended;
  expect(await runtime.answer(id, true)).toEqual({
    status: 'rejected',
    reason: expect.stringContaining('no open question'),
  });
  expect(await run.answer(id, true)).toMatchObject({ status: 'rejected', reason: expect.stringContaining('ended') });
});

test('if the tool of an answered question is gone, its call is answered with an error [BG-083]', () => {
  // given a run that was brought back without the tool that asked
  const told: unknown[] = [];
  const run = { runId: 'r', tools: new Map(), actor: { send: (event: unknown) => void told.push(event) } };
  const world = { runs: new Map([['r', run]]) } as never;
  // when the answered call is to go on
  const input = { runId: 'r', index: 2, turn: 1, callId: 'c', tool: 'erase', arguments: {}, given: true } as const;
  createActor(callActor(world), { input }).start();
  // then the run hears that it failed, and can go on
  expect(told).toMatchObject([
    {
      type: 'call.settled',
      index: 2,
      outcome: { status: 'error', error: expect.stringContaining('Tool not found: erase') },
    },
  ]);
});
