import { defineAgent, defineTool, dispatched } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Command, ExportFormat, RunLine } from '../src/index.ts';
import { clerk } from './clerk.ts';
import { openPage, until } from './page.ts';
import { asking, calling, inspected, openProgram } from './program.ts';

const opened = async () => {
  const program = openProgram();
  const { url } = await inspected(program.runtime);
  return { ...program, page: await openPage(url) };
};
const accepted = { receipt: { status: 'accepted' } };

describe('on the page a person', () => {
  test('steers, pauses, resumes and interrupts a run: the machine is asked first, and says the same after', async () => {
    const { runtime, page, say } = await opened();
    const run = runtime.start(clerk, 'go');
    await until(() => page.lines.has(run.id));
    const both = async (command: Command) => {
      const before = await page.can(command);
      expect(await page.command(command)).toEqual(before);
      return before;
    };
    expect(await both({ type: 'steer', runId: run.id, text: 'Faster.' })).toEqual({
      receipt: { status: 'deferred', until: 'turn.completed' },
    });
    expect(await both({ type: 'pause', runId: run.id })).toEqual(accepted);
    expect(await both({ type: 'pause', runId: run.id })).toEqual({
      receipt: { status: 'rejected', reason: 'the run is paused already' },
    });
    await until(() => (page.lines.get(run.id) as RunLine).pausedFor === 'paused');
    expect(await both({ type: 'resume', runId: run.id })).toEqual(accepted);
    expect(await both({ type: 'interrupt', runId: run.id, reason: 'Enough.' })).toEqual(accepted);
    expect(await run.ended).toMatchObject({ status: 'interrupted' });
    expect(await both({ type: 'resume', runId: run.id })).toEqual({
      receipt: { status: 'rejected', reason: 'the run has ended: interrupted' },
    });
    await say('late');
  });

  test('answers a question of any run, once, and clearly', async () => {
    const { runtime, page, say } = await opened();
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: clerk.tools });
    const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [asking(leaf)] });
    const run = runtime.start(lead, 'go');
    await say(calling('ask_leaf'));
    await say(calling('erase'), 'leaf');
    const [question] = await until(() => (page.questions().length === 1 ? page.questions() : undefined));
    const answer = (given: string | boolean) =>
      ({ type: 'answer', runId: question?.runId ?? '', questionId: question?.id ?? '', answer: given }) as const;
    expect(await page.can(answer('perhaps'))).toMatchObject({
      receipt: { reason: expect.stringContaining('not clear') },
    });
    expect(await page.command(answer(true))).toEqual(accepted);
    await until(() => page.questions().length === 0);
    expect(await page.command(answer(false))).toEqual({ receipt: { status: 'rejected', reason: 'already answered' } });
    await say('Leaf done.', 'leaf');
    await say('Done.');
    expect(await run.ended).toMatchObject({ status: 'completed' });
  });

  test('raises a budget, and pauses spawning: every page sees it', async () => {
    const { runtime, page, say } = await opened();
    const run = runtime.start(clerk, 'go');
    await until(() => page.lines.has(run.id));
    expect(await page.command({ type: 'raise', runId: run.id, budget: { turns: 1 } })).toMatchObject({
      receipt: { status: 'rejected', reason: expect.stringContaining('is 6 already') },
    });
    page.say({ type: 'command', id: 'x', command: { type: 'raise', runId: run.id, budget: { turns: -1 } } });
    expect(await page.find('error')).toMatchObject({ id: 'x', code: 'message.invalid' });
    expect(await page.command({ type: 'raise', runId: run.id, budget: { turns: 9 } })).toEqual(accepted);
    await until(() =>
      (page.lines.get(run.id) as RunLine).gauges.some(({ kind, limit }) => kind === 'turns' && limit === 9),
    );
    const [pause, resume] = (['pauseSpawning', 'resumeSpawning'] as const).map((type) => ({ type, runId: run.id }));
    const already = (reason: string) => ({ receipt: { status: 'rejected', reason } });
    const isHeld = () => (page.lines.get(run.id) as RunLine).spawningPaused === true;
    expect(await page.can(resume!)).toEqual(already('spawning is not paused'));
    expect(await page.can(pause!)).toEqual(accepted);
    expect(await page.command(pause!)).toEqual(accepted);
    await until(isHeld);
    expect(await page.command(pause!)).toEqual(already('spawning is paused already'));
    expect((await page.watch(run.id)).can).toMatchObject({
      pauseSpawning: { status: 'rejected' },
      resumeSpawning: { status: 'accepted' },
    });
    expect(await page.command(resume!)).toEqual(accepted);
    await until(() => !isHeld());
    await say('Done.');
  });

  test('sees that the program itself refuses every new child', async () => {
    const { runtime, page } = await opened();
    runtime.pauseSpawning();
    runtime.start(clerk, 'go');
    await page.find('frame', ({ spawningPaused }) => spawningPaused === true);
    runtime.resumeSpawning();
    runtime.start(clerk, 'go');
    await page.find('frame', ({ spawningPaused }) => spawningPaused === false);
  });

  test('forks a tree from an event, with a change', async () => {
    const { runtime, page, say } = await opened();
    const run = runtime.start(clerk, 'go');
    await say(calling('look'));
    await say('Done.');
    await run.ended;
    const at = `${run.id}:3`;
    expect(await page.can({ type: 'fork', runId: run.id, at })).toEqual(accepted);
    const forked = await page.command({ type: 'fork', runId: run.id, at, change: { turn: { text: 'Otherwise.' } } });
    expect(forked).toMatchObject({ receipt: { status: 'accepted' }, runId: expect.any(String) });
    await until(() => (page.lines.get(forked.runId ?? '') as RunLine | undefined)?.status === 'completed');
    expect(await (await runtime.attach(forked.runId ?? '')).report).toMatchObject({ text: 'Otherwise.' });
    expect(await page.command({ type: 'fork', runId: run.id, at: 'nowhere' })).toMatchObject({
      receipt: { status: 'rejected', reason: expect.stringContaining('There is no event "nowhere"') },
    });
  });

  test('is told when there is no such run', async () => {
    const { page } = await opened();
    expect(await page.command({ type: 'pause', runId: 'nobody' })).toMatchObject({
      receipt: { status: 'rejected', reason: expect.stringContaining('There is no run "nobody"') },
    });
    page.say({ type: 'travel', rootId: 'nobody', rootSeq: 3 });
    expect(await page.find('error')).toMatchObject({ code: 'run.unknown' });
  });
});

describe('in the past of a tree', () => {
  test('rows, questions, chart and conversation are those of the moment; the present goes on', async () => {
    const { runtime, page, say } = await opened();
    const run = runtime.start(clerk, 'go');
    await say(calling('erase'));
    await until(() => page.questions().length === 1);
    await run.answer(run.questions[0]?.id ?? '', true);
    await say('Done.');
    await run.ended;
    await until(() => (page.lines.get(run.id) as RunLine).status === 'completed');
    await page.watch(run.id);
    page.say({ type: 'history', id: 'h', rootId: run.id });
    const { happenings, complete } = await page.find('history');
    expect(complete).toBe(true);
    expect(happenings.map(({ rootSeq }) => rootSeq)).toEqual(happenings.map((_, n) => n + 1));
    const asked = happenings.find(({ type }) => type === 'run.paused');
    page.say({ type: 'travel', rootId: run.id, rootSeq: asked?.rootSeq ?? 0 });
    const past = await page.find('past');
    expect(past).toMatchObject({ at: asked?.at, lines: [{ id: run.id, status: 'paused', tools: ['erase'] }] });
    expect(past.questions).toHaveLength(1);
    const then = await page.find('details', ({ rootSeq }) => rootSeq !== null);
    expect(then.chart.active).toContain('agent.paused.question');
    expect(then.chart.steps.at(-1)).toMatchObject({ event: 'turn.closed', data: { type: 'turn.closed' } });
    expect(then.entries.at(-1)).toMatchObject({ type: 'question' });
    expect(then.entries.at(-1)).not.toHaveProperty('answer');
    expect(then.can).toBeUndefined();
    // before it had begun there is nothing
    page.say({ type: 'travel', rootId: run.id, rootSeq: 1 });
    await page.find('past', ({ rootSeq }) => rootSeq === 1);
    // the present goes on meanwhile, and is come back to
    const other = runtime.start(clerk, 'more');
    await until(() => page.lines.has(other.id));
    const before = page.all('details').length;
    page.say({ type: 'travel', rootId: run.id, rootSeq: null });
    const now = await until(() => page.all('details')[before]);
    expect(now).toMatchObject({ rootSeq: null, chart: { active: expect.arrayContaining(['agent.completed']) } });
    await say('Done.');
  });

  test('nothing of the present is told of the row that is looked at', async () => {
    const { runtime, page, say } = await opened();
    const run = runtime.start(clerk, 'go');
    await until(() => page.lines.has(run.id));
    await page.watch(run.id);
    page.say({ type: 'travel', rootId: run.id, rootSeq: 1 });
    await page.find('details', ({ rootSeq }) => rootSeq === 1);
    const before = page.all('progress').length;
    await say(calling('look'));
    await say('Done.');
    await until(() => (page.lines.get(run.id) as RunLine).status === 'completed');
    expect(page.all('progress')).toHaveLength(before);
  });

  test.each(['watch', 'travel'] as const)(
    'row and moment are both there, also when %s is asked for first',
    async (first) => {
      const { runtime, page, say } = await opened();
      const run = runtime.start(clerk, 'go');
      await say('Done.');
      await run.ended;
      await until(() => (page.lines.get(run.id) as RunLine | undefined)?.status === 'completed');
      // when both are asked for at once
      const asks = [
        { type: 'watch', rowId: run.id },
        { type: 'travel', rootId: run.id, rootSeq: 2 },
      ] as const;
      for (const ask of asks.toSorted(({ type }) => (type === first ? -1 : 1))) page.say(ask);
      await page.find('past', ({ rootSeq }) => rootSeq === 2);
      await page.find('details', ({ rowId, rootSeq }) => rowId === run.id && rootSeq === 2);
    },
  );

  test('a row of another tree stays in the present, and history comes in pages', async () => {
    const { runtime, page, say } = await opened();
    const [one, two] = [runtime.start(clerk, 'one'), runtime.start(clerk, 'two')];
    await say('One.');
    await say('Two.');
    await Promise.all([one.ended, two.ended]);
    await until(() => (page.lines.get(two.id) as RunLine | undefined)?.status === 'completed');
    page.say({ type: 'travel', rootId: one.id, rootSeq: 2 });
    expect(await page.watch(two.id)).toMatchObject({ rootSeq: null });
    page.say({ type: 'history', id: 'a', rootId: one.id, limit: 2 });
    page.say({ type: 'history', id: 'b', rootId: one.id, before: 3, limit: 5 });
    page.say({ type: 'history', id: 'c', rootId: 'nobody' });
    const of = async (id: string) => {
      const { happenings, complete } = await page.find('history', (each) => each.id === id);
      return { seqs: happenings.map(({ rootSeq }) => rootSeq), complete };
    };
    expect(await of('a')).toEqual({ seqs: [3, 4], complete: false });
    expect(await of('b')).toEqual({ seqs: [1, 2], complete: true });
    expect(await of('c')).toEqual({ seqs: [], complete: true });
  });

  test('a run is given as a file in every format, with a name that is one; what is not stored is said', async () => {
    const { runtime, page, say } = await opened();
    const run = runtime.start(clerk, 'one');
    await say('One.');
    await run.ended;
    await until(() => (page.lines.get(run.id) as RunLine | undefined)?.status === 'completed');
    const begins: [ExportFormat, string, RegExp][] = [
      ['html', `${run.id}.html`, /^<!doctype html>/i],
      ['markdown', `${run.id}.md`, /^# clerk/],
      ['jsonl', `${run.id}.jsonl`, /^\{"type":"run\.started"|^\{.*"run\.started"/],
      ['sequence', `${run.id}.sequence.mmd`, /^sequenceDiagram/],
      ['chart', `${run.id}.chart.mmd`, /stateDiagram/],
    ];
    for (const [as, name, text] of begins) {
      page.say({ type: 'export', id: as, runId: run.id, as });
      expect(await page.find('exported', ({ id }) => id === as)).toMatchObject({
        name,
        text: expect.stringMatching(text),
      });
    }
    page.say({ type: 'export', id: 'none', runId: 'nobody', as: 'html' });
    expect(await page.find('error', ({ id }) => id === 'none')).toMatchObject({ code: 'run.unknown' });
  });
});

test('work in the background is a tree of its own, shown below who asked for it', async () => {
  const { runtime, page, say } = await opened();
  const later = defineTool({
    name: 'later',
    description: 'Later',
    inputSchema: z.object({}),
    execute: (_input, { view }) =>
      view.unit ? 'It is done.' : dispatched({ data: null, answer: () => ({ content: 'Sent.' }) }),
  });
  const run = runtime.start(defineAgent({ name: 'sender', instructions: 'Send.', tools: [later] }), 'go');
  await say(calling('later'));
  const unit = await until(() =>
    [...page.lines.values()].find((line): line is RunLine => line.kind === 'run' && line.background === true),
  );
  expect(unit).toMatchObject({ parentId: run.id, rootId: unit.id, depth: 0 });
  for (const text of ['Sent.', 'Heard.']) await say(text);
  await run.ended;
});
