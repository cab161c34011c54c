import type { Report } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { createSubworkerTool } from '../src/index.ts';
import {
  asking,
  calling,
  dataOf,
  deploying,
  eventsOf,
  helperId,
  leadWith,
  open,
  questionId,
  requestsOf,
  settle,
  shownTo,
  spawn,
  startAsking,
} from './delegating.ts';

describe('a sub-worker that was let go', () => {
  const ways = {
    'runtime.resume with its run id': async ({ runtime }) => runtime.resume(helperId, 'yes'),
    'runtime.answer with its question': async ({ runtime }) => {
      expect(await runtime.answer(questionId, true)).toEqual({ status: 'accepted' });
      return (await runtime.attach(helperId)).report;
    },
    'runtime.attach with its run id': async ({ runtime }) => {
      const run = await runtime.attach(helperId);
      expect(run.questions.map(({ id }) => id)).toEqual([questionId]);
      await run.answer(questionId, 'approve');
      return run.report;
    },
  } satisfies Record<string, (troupe: ReturnType<typeof open>) => Promise<Report>>;
  test.each(Object.entries(ways))('goes on by %s, after its parent has ended [BG-028, B-71]', async (_way, answer) => {
    const { troupe, run, asked } = startAsking();
    await run.report;
    // when it is answered through the runtime of its parent
    const report = await answer(troupe);
    // then it completes under its own id
    expect(report).toMatchObject({ runId: helperId, status: 'completed', text: 'Deployed.' });
    expect(asked.runs).toBe(1);
    expect(await troupe.runtime.runs.get(helperId)).toMatchObject({ status: 'completed' });
    expect(troupe.types(helperId).slice(-1)).toEqual(['run.completed']);
  });

  test('goes on while its parent works, and tells it nothing [BG-028, BG-032]', async () => {
    // given a parent that is still busy
    const { troupe, run } = startAsking([{ text: 'Done.', delayMs: 1_000 }]);
    await settle();
    // when the child is answered
    expect(await troupe.runtime.resume(helperId, 'yes')).toMatchObject({ status: 'completed' });
    troupe.clock.increment(1_000);
    // then the parent ends with what it knew
    const report = await run.report;
    expect(report.children).toMatchObject([{ runId: helperId, status: 'paused' }]);
    expect(report.calls).toHaveLength(1);
    expect(eventsOf(troupe, 'child.settled')).toHaveLength(1);
  });

  test('may be declined, and goes on [BG-028]', async () => {
    const { troupe, run, asked } = startAsking(['Done.'], deploying('Not deployed.'));
    await run.report;
    expect(await troupe.runtime.resume(helperId, 'no')).toMatchObject({ status: 'completed', text: 'Not deployed.' });
    expect(asked.runs).toBe(0);
    expect(shownTo(troupe, 'helper')[0]).toContain('declined');
  });

  test('gives back what was set aside for it, and lives within what it was granted [BG-032, F-10]', async () => {
    // given a child that was granted 85 tokens, and whose first turn takes 15
    const asked = asking();
    const helper = [...deploying(), { ...calling({ name: 'deploy', arguments: {} }), usage: { inputTokens: 80 } }];
    const troupe = open({ lead: [calling(spawn({ tools: ['deploy'] })), 'Done.'], helper });
    const lead = leadWith(createSubworkerTool({ availableTools: [asked.tool] }), {
      budget: { tokens: 200, keep: 0.5 },
    });
    const report = await troupe.runtime.run(lead, 'Go.', { runId: 'root' });
    expect(eventsOf(troupe, 'child.settled')).toMatchObject([
      { grant: { tokens: 85 }, usage: { inputTokens: 10, outputTokens: 5 } },
    ]);
    expect(report.usage.total).toMatchObject({ inputTokens: 30, outputTokens: 15 });
    // when it goes on and uses more than its grant
    await troupe.runtime.resume(helperId, 'yes');
    // then its next question is its last: no turn follows the answer
    expect(await troupe.runtime.resume(helperId, 'yes')).toMatchObject({ status: 'failed', exitReason: 'budget' });
  });

  test('is interrupted with its root until it is answered [BG-032]', async () => {
    const { troupe, run } = startAsking([{ hang: true }]);
    await settle();
    await run.interrupt();
    await run.report;
    expect(await troupe.runtime.runs.get(helperId)).toMatchObject({
      status: 'interrupted',
      exitReason: 'parent_interrupted',
    });
    expect(await troupe.runtime.answer(questionId, true)).toMatchObject({ status: 'rejected' });
  });

  test('is on its own once it was answered, also when it asks again [BG-032]', async () => {
    // given a child that was answered, and asks a second time
    const { troupe, run } = startAsking([{ hang: true }], [...deploying(), ...deploying('Deployed twice.')]);
    await settle();
    expect(await troupe.runtime.resume(helperId, 'yes')).toMatchObject({ status: 'paused' });
    // when its root is interrupted
    await run.interrupt();
    expect(await run.report).toMatchObject({ status: 'interrupted' });
    // then it waits still, and completes
    expect(await troupe.runtime.resume(helperId, 'yes')).toMatchObject({
      status: 'completed',
      text: 'Deployed twice.',
    });
  });

  test('is interrupted with its root although the run between them has ended [BG-032]', async () => {
    // given a grandchild that waits, and a child that completed without it
    const asked = asking();
    const inner = createSubworkerTool({ availableTools: [asked.tool] });
    const troupe = open({
      lead: [calling(spawn({ name: 'middle', tools: ['spawn_subworker'] })), { hang: true }],
      middle: [calling(spawn({ tools: ['deploy'] })), 'Middle.'],
      helper: deploying(),
    });
    const run = troupe.runtime.start(leadWith(createSubworkerTool({ availableTools: [inner] })), 'Go.', {
      runId: 'root',
    });
    await settle();
    const grandchild = `${helperId}/1-0/0`;
    expect(await troupe.runtime.runs.get(helperId)).toMatchObject({ status: 'completed' });
    expect(await troupe.runtime.runs.get(grandchild)).toMatchObject({ status: 'paused' });
    // when the root is interrupted
    await run.interrupt();
    await run.report;
    // then so is the grandchild
    expect(await troupe.runtime.runs.get(grandchild)).toMatchObject({ status: 'interrupted' });
  });

  test('may wait for a question below it: answering that by either id lets both go on [BG-028, BG-032]', async () => {
    // given a child that waits with a child of its own, and a lead that lets it go
    const asked = asking();
    const inner = createSubworkerTool({ availableTools: [asked.tool], onPaused: 'bubble' });
    const middle = { name: 'middle', tools: ['spawn_subworker'] };
    const troupe = open({
      lead: [calling(spawn(middle), spawn(middle)), 'Done.'],
      middle: [calling(spawn({ tools: ['deploy'] })), calling(spawn({ tools: ['deploy'] })), 'Middle.', 'Middle.'],
      helper: [...deploying(), ...deploying(), 'Deployed.', 'Deployed.'],
    });
    const lead = leadWith(createSubworkerTool({ availableTools: [inner] }));
    const report = await troupe.runtime.run(lead, 'Go.', { runId: 'root' });
    // then the lead is told of the question below
    const ids = ['root/1-0/0/1-0/0/1-0?', 'root/1-1/0/1-0/0/1-0?'] as const;
    for (const [n, id] of ids.entries())
      expect(dataOf(troupe, report, n)).toMatchObject({ pending_action_type: 'confirmation', question_ids: [id] });
    // and the child completes when either it or the one that asked is answered
    expect(await troupe.runtime.resume('root/1-0/0', true)).toMatchObject({ status: 'completed', text: 'Middle.' });
    expect(await troupe.runtime.resume('root/1-1/0/1-0/0', true)).toMatchObject({
      status: 'completed',
      text: 'Deployed.',
    });
    expect(await (await troupe.runtime.attach('root/1-1/0')).ended).toMatchObject({
      status: 'completed',
      text: 'Middle.',
    });
    expect(asked.runs).toBe(2);
  });

  test('gives its turn to others, and needs none to go on [BG-032]', async () => {
    // given room for one working child at a time
    const asked = asking();
    const troupe = open({
      lead: [calling(spawn({ tools: ['deploy'] }), spawn({ name: 'other' })), { hang: true }],
      helper: deploying('Deployed.'),
      other: ['Other.'],
    });
    const lead = leadWith(createSubworkerTool({ availableTools: [asked.tool] }), { budget: { concurrency: 1 } });
    troupe.runtime.start(lead, 'Go.', { runId: 'root' });
    await settle();
    // then the one that waits let the other work, and goes on when it is answered
    expect(await troupe.runtime.runs.get('root/1-1/0')).toMatchObject({ status: 'completed' });
    expect(await troupe.runtime.resume(helperId, true)).toMatchObject({ status: 'completed' });
  });

  test('hears what it is told before it goes on [F-04]', async () => {
    const { troupe, run } = startAsking();
    await run.report;
    const waiting = await troupe.runtime.attach(helperId);
    // when it is steered while it waits
    expect(await waiting.steer('Mind the date.')).toEqual({ status: 'deferred', until: 'question.answered' });
    expect(waiting.status).toBe('paused');
    // then the text reaches its model in its next turn, after the answer
    expect(await troupe.runtime.resume(helperId, 'yes')).toMatchObject({ status: 'completed' });
    expect(requestsOf(troupe, 'helper').at(-1)?.request.messages.slice(-2)).toMatchObject([
      { role: 'tool', content: 'deploy done' },
      { role: 'user', content: 'Mind the date.' },
    ]);
  });
});
