import { describe, expect, test } from 'vitest';
import { createSubworkerTool } from '../src/index.ts';
import {
  asking,
  calling,
  dataOf,
  eventsOf,
  leadWith,
  open,
  requestsOf,
  runsOf,
  settle,
  shownTo,
  spawn,
  tool,
} from './delegating.ts';

const deploy = calling({ name: 'deploy', arguments: {} });

/** Two levels: lead, middle, helper, who asks before it deploys; and a sibling of the middle that does not. */
const twoLevels = () => {
  const asked = asking();
  const inner = createSubworkerTool({ availableTools: [asked.tool], onPaused: 'bubble' });
  const outer = createSubworkerTool({ availableTools: [inner], onPaused: 'bubble' });
  const troupe = open({
    lead: [calling(spawn({ name: 'middle', tools: ['spawn_subworker'] }), spawn({ name: 'sibling' })), 'Done.'],
    middle: [calling(spawn({ tools: ['deploy'] })), 'Middle.'],
    sibling: ['Sibling.'],
    helper: [deploy, 'Deployed.'],
  });
  return { troupe, asked, run: troupe.runtime.start(leadWith(outer), 'Go.', { runId: 'root' }) };
};

/** Two children of one call's making, who both ask. */
const twins = () => {
  const asked = asking();
  const troupe = open(({ messages }, { agent }) => {
    const turns = messages.filter(({ role }) => role === 'assistant').length;
    if (agent === 'helper') return turns === 0 ? deploy : `Deployed ${String(messages[1]?.content)}.`;
    return turns === 0
      ? calling(spawn({ task: 'left', tools: ['deploy'] }), spawn({ task: 'right', tools: ['deploy'] }))
      : 'Done.';
  });
  const lead = leadWith(createSubworkerTool({ availableTools: [asked.tool], onPaused: 'bubble' }));
  const run = troupe.runtime.start(lead, 'Go.', { runId: 'root' });
  return { troupe, run, asked, left: 'root/1-0/0/1-0?', right: 'root/1-1/0/1-0?' };
};

describe('a question that bubbles', () => {
  test('two levels down is seen and answered at the root; nobody runs again [F-01, BG-032]', async () => {
    // given a helper below a helper that asks
    const { troupe, run, asked } = twoLevels();
    // when nothing can go on without a person
    const waiting = await run.report;
    // then the root waits, and knows the question
    const helper = 'root/1-0/0/1-0/0';
    expect(waiting).toMatchObject({
      status: 'paused',
      exitReason: 'question',
      questions: [{ runId: helper, tool: 'deploy' }],
    });
    expect(run.questions).toHaveLength(1);
    expect((await troupe.runtime.runs.list({ status: 'paused' })).map(({ runId }) => runId).toSorted()).toEqual([
      'root',
      'root/1-0/0',
      helper,
    ]);
    // when it is answered there
    expect(await run.answer(waiting.questions[0]?.id ?? '', true)).toEqual({ status: 'accepted' });
    const report = await run.report;
    // then everything goes on to its end, and each turn was asked for once
    expect(report).toMatchObject({ status: 'completed', text: 'Done.', questions: [] });
    expect(shownTo(troupe)[0]).toMatch(/^Middle\./);
    expect(asked.runs).toBe(1);
    expect(requestsOf(troupe, 'sibling')).toHaveLength(1);
    for (const agent of ['lead', 'middle', 'helper']) expect(requestsOf(troupe, agent)).toHaveLength(2);
    expect(runsOf(troupe, 'helper')).toEqual([helper]);
    expect(troupe.types()).not.toContain('run.detached');
  });

  test('leaves a sibling that works alone, which does not wait for it [F-01]', async () => {
    const asked = asking();
    const troupe = open({
      lead: [calling(spawn({ tools: ['deploy'] }), spawn({ name: 'slow' })), 'Done.'],
      helper: [deploy, 'Deployed.'],
      slow: [{ text: 'Slow.', delayMs: 1_000 }],
    });
    const lead = leadWith(createSubworkerTool({ availableTools: [asked.tool], onPaused: 'bubble' }));
    const run = troupe.runtime.start(lead, 'Go.');
    await settle();
    // given a root that still has a child at work: it is not paused, and the question is known all the same
    expect([run.status, run.questions.length]).toEqual(['running', 1]);
    troupe.clock.increment(1_000);
    expect(await run.report).toMatchObject({ status: 'paused' });
    await run.answer(run.questions[0]?.id ?? '', true);
    const report = await run.report;
    expect(report.calls.map((_, n) => dataOf(troupe, report, n))).toMatchObject([
      { status: 'completed' },
      { status: 'completed' },
    ]);
    expect(requestsOf(troupe, 'slow')).toHaveLength(1);
  });

  const orders: [string, (ids: { left: string; right: string }) => string[]][] = [
    ['first to last', ({ left, right }) => [left, right]],
    ['last to first', ({ left, right }) => [right, left]],
  ];
  test.each(orders)(
    'beside another of the same agent is answered by its own id, %s [F-02]',
    async (_order, inOrder) => {
      // given two children of one name that both ask
      const { troupe, run, asked, ...ids } = twins();
      expect((await run.report).questions.map(({ id }) => id)).toEqual([ids.left, ids.right]);
      // when they are answered one by one
      const [first = '', second = ''] = inOrder(ids);
      await run.answer(first, true);
      const between = await run.report;
      expect(between.questions.map(({ id }) => id)).toEqual([second]);
      expect(asked.runs).toBe(1);
      await run.answer(second, 'no');
      const report = await run.report;
      // then each call has its own child's answer, in call order
      expect(asked.runs).toBe(1);
      expect(shownTo(troupe).map((text) => text.split('\n')[0])).toEqual(['Deployed left.', 'Deployed right.']);
      const declined = requestsOf(troupe, 'helper').filter(({ request }) =>
        JSON.stringify(request.messages).includes('declined'),
      );
      expect(declined.map(({ context }) => `${context.runId}/1-0?`)).toEqual([second]);
      expect(report.status).toBe('completed');
    },
  );

  test('is ambiguous when only the root is named and several are open [F-02]', async () => {
    const { troupe, run, left, right } = twins();
    await run.report;
    await expect(troupe.runtime.resume('root', true)).rejects.toMatchObject({ code: 'question.ambiguous' });
    // but not by the id of a child
    expect(await troupe.runtime.resume('root/1-1/0', true)).toMatchObject({ status: 'completed' });
    await run.answer(left, true);
    expect(await run.answer(right, true)).toEqual({ status: 'accepted' });
    expect(await run.answer(right, false)).toMatchObject({ status: 'rejected', reason: 'already answered' });
    expect(await run.report).toMatchObject({ status: 'completed' });
  });

  test('is withdrawn when its child is interrupted, and the parent is told [F-04]', async () => {
    const { troupe, run, right } = twins();
    await run.report;
    await run.child('root/1-0/0').interrupt();
    await run.answer(right, true);
    const report = await run.report;
    expect(dataOf(troupe, report, 0)).toMatchObject({ status: 'interrupted', exit_reason: 'interrupted' });
    expect(dataOf(troupe, report, 1)).toMatchObject({ status: 'completed' });
  });

  test('does not hold a steered child: the text is deferred, told, and heard after the answer [F-04]', async () => {
    const { troupe, run, left, right } = twins();
    await run.report;
    const child = run.child('root/1-0/0');
    // when a child that waits is steered
    expect(await child.steer('Mind the date.')).toEqual({ status: 'deferred', until: 'question.answered' });
    expect(eventsOf(troupe, 'run.steered')).toMatchObject([{ runId: child.id, text: 'Mind the date.' }]);
    // then nothing is stuck: both are answered, and its model hears it
    await run.answer(left, true);
    await run.answer(right, true);
    expect(await run.report).toMatchObject({ status: 'completed' });
    const heard = requestsOf(troupe, 'helper').filter(
      ({ request }) => request.messages.at(-1)?.content === 'Mind the date.',
    );
    expect(heard.map(({ context }) => context.runId)).toEqual([child.id]);
  });

  test('keeps the place of its child, whose call is still open [BG-013]', async () => {
    const asked = asking();
    const spawnTool = createSubworkerTool({
      availableTools: [asked.tool, tool('grep')],
      onPaused: 'bubble',
      maxSubworkers: 1,
    });
    const troupe = open({
      lead: [calling(spawn({ tools: ['deploy'] }), spawn()), 'Done.'],
      helper: [deploy, 'Deployed.'],
    });
    const run = troupe.runtime.start(leadWith(spawnTool), 'Go.');
    await run.report;
    await run.answer(run.questions[0]?.id ?? '', true);
    expect((await run.report).calls.map(({ status }) => status)).toEqual(['ok', 'error']);
  });
});
