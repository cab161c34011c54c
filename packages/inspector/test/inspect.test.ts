import { defineAgent } from '@troupe/core';
import { describe, expect, test } from 'vitest';
import type { RunLine } from '../src/index.ts';
import { clerk } from './clerk.ts';
import { openPage, until } from './page.ts';
import { asking, calling, inspected, openProgram } from './program.ts';

const runLine = (page: { lines: Map<string, unknown> }, id: string): RunLine => page.lines.get(id) as RunLine;
/** A program with a page that looks at it. */
const opened = async (options: Parameters<typeof openProgram>[0] = {}) => {
  const program = openProgram(options);
  const { url } = await inspected(program.runtime);
  return { ...program, url, page: await openPage(url) };
};

describe('a page', () => {
  test('sees a run from its start to its end, in rows', async () => {
    const { runtime, say, page } = await opened();
    expect(page.all('hello')[0]).toMatchObject({
      version: 3,
      source: 'runtime',
      name: 'agents',
      lines: [],
      spawningPaused: false,
    });
    const run = runtime.start(clerk, 'Tidy up.\nAll of it.');
    await page.find('frame', ({ lines }) => lines.length > 0);
    expect(runLine(page, run.id)).toMatchObject({
      kind: 'run',
      name: 'clerk',
      title: 'Tidy up.',
      status: 'running',
      turn: 1,
      model: 'test-model',
      own: { tokens: 0, costUsd: null },
      gauges: [
        { kind: 'turns', spent: 0, limit: 6 },
        { kind: 'toolCalls', spent: 0, limit: 20 },
        { kind: 'tokens', spent: 0, limit: 1_000 },
      ],
    });
    await say({ ...calling('look'), usage: { inputTokens: 10, outputTokens: 5, costUsd: 0.5 } });
    await until(() => runLine(page, run.id).turn === 2);
    await say('Tidy.');
    await until(() => runLine(page, run.id).status === 'completed');
    expect(runLine(page, run.id)).toMatchObject({ exitReason: 'answered', tools: [], own: { costUsd: 0.5 } });
    const types = page.all('frame').flatMap(({ happenings }) => happenings.map(({ type }) => type));
    expect(types).toEqual([
      ...['run.started', 'turn.started', 'turn.completed', 'call.started', 'call.completed'],
      ...['turn.started', 'turn.completed', 'run.completed'],
    ]);
  });

  test('that comes late sees the whole tree, what happened, and what is asked', async () => {
    const { runtime, say, url } = await opened();
    const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.', tools: clerk.tools });
    const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [asking(leaf)] });
    const run = runtime.start(lead, 'go');
    await say(calling('ask_leaf'));
    await say(calling('erase'), 'leaf');
    await until(() => run.questions.length === 1);
    const late = await openPage(url);
    const [hello] = late.all('hello');
    expect(hello?.lines.map(({ id }) => id)).toEqual([run.id, `${run.id}/1-0/0`]);
    expect(hello?.lines[1]).toMatchObject({
      parentId: run.id,
      depth: 1,
      status: 'paused',
      pausedFor: 'question',
      tools: ['erase'],
    });
    expect(hello?.lines[0]).toMatchObject({ tools: ['ask_leaf'] });
    expect(hello?.questions).toMatchObject([{ runId: `${run.id}/1-0/0`, tool: 'erase', kind: 'confirmation' }]);
    const ways = hello?.happenings.map(({ type, from, to }) => [type, from, to]);
    expect(ways).toContainEqual(['child.started', run.id, `${run.id}/1-0/0`]);
    expect(ways).toContainEqual(['question.asked', `${run.id}/1-0/0`, 'person']);
    await run.answer(run.questions[0]?.id ?? '', true);
    await until(() => late.questions().length === 0);
    await say('Leaf done.', 'leaf');
    await say('Done.');
    await until(() => runLine(late, run.id).status === 'completed');
  });
});

describe('the row that is looked at', () => {
  test('has the chart of the real machine, with active states, what was taken, and its history', async () => {
    const { runtime, say, page } = await opened();
    const run = runtime.start(clerk, 'go');
    await until(() => page.lines.has(run.id));
    const { chart, can } = await page.watch(run.id);
    const [sent] = page.all('machine');
    expect(sent?.machine).toMatchObject({
      id: 'agent',
      root: { id: 'agent', type: 'compound', initial: 'agent.running' },
    });
    const edges = new Map(sent?.machine.edges.map((edge) => [edge.id, edge]));
    expect(
      [...edges.values()].filter(({ label }) => label === 'always').map(({ from, to }) => [from, to]),
    ).toContainEqual(['agent.running.deciding', ['agent.running.thinking']]);
    expect(chart).toMatchObject({ machineId: 'agent', active: expect.arrayContaining(['agent.running.thinking']) });
    expect(chart.context).toMatchObject({ runId: run.id, turn: 1 });
    expect(can).toMatchObject({
      steer: { status: 'deferred' },
      resume: { status: 'rejected' },
      raise: { status: 'accepted' },
    });
    await say(calling('erase'));
    const moved = await page.find('progress', (each) => each.chart?.active.includes('agent.paused.question'));
    const steps = page.all('progress').flatMap((each) => each.chart?.steps ?? []);
    const taken = steps.flatMap(({ edges: ids }) => ids.map((id) => edges.get(id)));
    expect(taken.map((edge) => `${edge?.label} → ${edge?.to.join()}`)).toEqual([
      'turn.closed → agent.running.acting',
      'always → agent.paused.question',
    ]);
    expect(moved.can?.pause).toEqual({ status: 'accepted' });
    // the definition is sent once
    await page.watch(run.id);
    expect(page.all('machine')).toHaveLength(1);
  });

  test('has its conversation, with what streams and what tools gave', async () => {
    const { runtime, say, page, url } = await opened();
    const run = runtime.start(clerk, { input: 'go', constraints: ['Gently.'] });
    await until(() => page.lines.has(run.id));
    expect((await page.watch(run.id)).entries).toMatchObject([
      { type: 'job', input: 'go', constraints: ['Gently.'] },
      { type: 'turn', turn: 1, text: '', streaming: true },
    ]);
    await run.steer('Faster.');
    await say({
      text: 'Let me see.',
      reasoning: 'Hm.',
      deltas: ['Let me ', 'see.'],
      calls: [{ name: 'look', arguments: { a: 1 } }],
    });
    await until(() => page.all('progress').some((each) => each.entries?.some(({ type }) => type === 'call')));
    await say({ text: 'Done.', hang: true });
    const late = await openPage(url);
    const { entries } = await late.watch(run.id);
    expect(entries).toMatchObject([
      { type: 'job' },
      { type: 'turn', turn: 1, text: 'Let me see.', reasoning: 'Hm.', streaming: false, finish: 'calls' },
      { type: 'told', by: 'person', text: 'Faster.' },
      { type: 'call', tool: 'look', arguments: { a: 1 }, status: 'ok', result: 'seen' },
      { type: 'turn', turn: 2, streaming: true },
    ]);
    await run.interrupt();
  });

  test('shows what streams, to who comes in the middle of a turn, too', async () => {
    const { runtime, say, page, url } = await opened();
    const run = runtime.start(clerk, 'go');
    await until(() => page.lines.has(run.id));
    await page.watch(run.id);
    await say({ text: 'Hello', deltas: ['Hel', 'lo'], hang: true });
    await page.find('progress', ({ entries = [] }) =>
      entries.some((entry) => entry.type === 'turn' && entry.text === 'Hello'),
    );
    page.say({ type: 'watch', rowId: null });
    const { entries } = await (await openPage(url)).watch(run.id);
    expect(entries.at(-1)).toMatchObject({ type: 'turn', text: 'Hello', streaming: true });
    await run.interrupt();
  });

  test('was forgotten meanwhile: its whole tree goes', async () => {
    const { runtime, say, page } = await opened();
    const run = runtime.start(clerk, 'go');
    await say('Done.');
    await run.ended;
    await until(() => page.lines.has(run.id) && runLine(page, run.id).status === 'completed');
    await until(() => Date.now() > runLine(page, run.id).lastAt);
    await runtime.runs.prune({ olderThan: 0 });
    page.say({ type: 'watch', rowId: run.id });
    expect(await page.find('error')).toMatchObject({ code: 'row.unknown' });
    await until(() => !page.lines.has(run.id));
    page.say({ type: 'travel', rootId: run.id, rootSeq: 1 });
    await until(() => page.all('error').length === 2);
  });

  /** A run that is over. */
  const openedOnDaily = async () => {
    const all = await opened();
    const run = all.runtime.start(clerk, 'first', { runId: 'daily' });
    await all.say('Done.');
    await run.ended;
    await until(() => all.page.lines.has('daily') && runLine(all.page, 'daily').status === 'completed');
    return all;
  };

  test('was forgotten, and another has its id: that one is shown, and nothing of the other', async () => {
    const { runtime, say, page, url } = await openedOnDaily();
    const { createdAt, lastAt, rootSeq } = runLine(page, 'daily');
    let asked = 0;
    const historyOf = async (from: typeof page) => {
      const id = `h${++asked}`;
      from.say({ type: 'history', id, rootId: 'daily' });
      const { happenings } = await from.find('history', (each) => each.id === id);
      return happenings.filter(({ at }) => at > lastAt || asked === 1).length;
    };
    expect(await historyOf(page)).toBe(rootSeq);
    await page.watch('daily');
    await until(() => Date.now() > lastAt);
    await runtime.runs.prune({ olderThan: 0 });
    const again = runtime.start(clerk, 'second', { runId: 'daily' });
    await until(() => page.lines.has('daily') && runLine(page, 'daily').status === 'running');
    expect(runLine(page, 'daily')).toMatchObject({ title: 'second', rootSeq: expect.toSatisfy((seq) => seq < 3) });
    expect(runLine(page, 'daily').createdAt).toBeGreaterThan(createdAt);
    // whoever looked at the other one is told that it has gone
    expect(page.all('frame').map(({ gone, lines }) => [gone, lines.length])).toContainEqual([['daily'], 0]);
    expect((await page.watch('daily')).entries.map((entry) => JSON.stringify(entry))).not.toContainEqual(
      expect.stringContaining('Done.'),
    );
    await say('Done again.');
    await again.ended;
    await until(() => page.lines.has('daily') && runLine(page, 'daily').status === 'completed');
    // its past is its own, though it is as long
    expect(runLine(page, 'daily').rootSeq).toBe(rootSeq);
    expect(await historyOf(page)).toBe(rootSeq);
    // and who comes later is told of that one alone
    const [hello] = (await openPage(url)).all('hello');
    expect(hello?.happenings.every(({ at }) => at > lastAt)).toBe(true);
    expect(hello?.happenings.at(-1)).toMatchObject({ type: 'run.completed' });
  });

  test('was forgotten, and let go of, and another has its id: who comes later is told of that one alone', async () => {
    const { runtime, page, url } = await openedOnDaily();
    const { lastAt } = runLine(page, 'daily');
    await until(() => Date.now() > lastAt);
    await runtime.runs.prune({ olderThan: 0 });
    page.say({ type: 'watch', rowId: 'daily' });
    await until(() => !page.lines.has('daily'));
    const again = runtime.start(clerk, 'second', { runId: 'daily' });
    await until(() => page.lines.has('daily'));
    const [hello] = (await openPage(url)).all('hello');
    expect(hello?.happenings.map(({ rootSeq }) => rootSeq)).toEqual([1, 2]);
    await again.interrupt();
  });

  test('is no row: says so', async () => {
    const { page } = await opened();
    page.say({ type: 'watch', rowId: 'nobody' });
    expect(await page.find('error')).toMatchObject({
      code: 'row.unknown',
      message: expect.stringContaining('"nobody"'),
    });
    page.say({ type: 'watch', rowId: null });
    page.socket.send('{"type":"dance"}');
    page.socket.send('no json');
    page.socket.send('{"type":"can","id":"x","command":{"type":"steer"}}');
    await until(() => page.all('error').length === 4);
    expect(page.all('error').map(({ code, id }) => [code, id])).toEqual([
      ['row.unknown', undefined],
      ['message.invalid', undefined],
      ['message.invalid', undefined],
      ['message.invalid', 'x'],
    ]);
  });
});
