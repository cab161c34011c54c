/** Calls that are their children, and then ask for more of them. */
import {
  type AgentOptions,
  type ChildRequest,
  defineAgent,
  defineTool,
  dispatched,
  memoryStore,
  type SettleContext,
  spawned,
  type ToolOptions,
  type ToolResult,
} from '@troupe/core';
import type { Report, StoredEvent } from '@troupe/protocol';
import { checkRunLaws, type Script, scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { ofType } from './tools.ts';

const member = defineAgent({ name: 'member', instructions: '', memoryScope: null });
const ask = (job: string, about: Partial<ChildRequest> = {}): ChildRequest => ({
  agent: member,
  job,
  data: `data of ${job}`,
  ...about,
});

type Settled = { reports: Report[] } & Pick<SettleContext, 'data' | 'round' | 'final'>;
type Opening = {
  first?: () => ChildRequest[];
  /** What the call does when a round has ended: asks for more, or says what came of it. */
  next: (settled: Settled) => ToolResult | ChildRequest[] | Promise<ChildRequest[]>;
  budget?: AgentOptions['budget'];
  tool?: Partial<ToolOptions>;
  calls?: number;
  allOrNone?: boolean;
  store?: ReturnType<typeof memoryStore>;
  open?: boolean;
};

const script: Script = ({ messages }, { agent }) => {
  const last = messages.at(-1);
  if (agent !== 'lead') return last?.content === 'hang' ? { hang: true } : `did ${String(last?.content)}`;
  if (last?.role === 'tool') return 'Heard.';
  return { calls: Array.from({ length: Number(last?.content) }, () => ({ name: 'team', arguments: {} })) };
};
/** What a call says when it has nothing more to ask. */
const say = ({ reports, data, round, final }: Settled): ToolResult => ({
  data: {
    said: reports.map(({ text, status }) => text ?? status),
    data: data.map((each) => each ?? null),
    round,
    final,
  },
});

/** A lead whose call is its children, in rounds; and everything its `settle` was told. */
const openRounds = ({ first = () => [ask('a')], next, budget, tool, calls = 1, allOrNone, ...options }: Opening) => {
  const told: Settled[] = [];
  const team = defineTool({
    name: 'team',
    description: 'Asks the team.',
    inputSchema: z.object({}),
    execute: () => spawned(first(), { allOrNone: allOrNone ?? false }),
    settle: async (reports, _input, { data, round, final }) => {
      const settled = { reports: [...reports], data, round, final };
      told.push(settled);
      const more = await next(settled);
      return Array.isArray(more) ? spawned(more, { allOrNone: allOrNone ?? false }) : more;
    },
    rebuild: () => member,
    ...(tool as object),
  });
  const lead = defineAgent({
    name: 'lead',
    instructions: '',
    memoryScope: null,
    tools: [team],
    ...(budget && { budget }),
  });
  const provider = scriptedProvider(script);
  const opened = openRuntime({ provider, agents: [lead], ...options });
  const start = (runId = 'root') => opened.runtime.start(lead, String(calls), { runId });
  return { ...opened, lead, provider, told, start };
};
/** Asks for these children one round after the other, then says what came of all. */
const rounds =
  (...more: ChildRequest[][]) =>
  (settled: Settled) =>
    (settled.final ? undefined : more[settled.round - 1]) ?? say(settled);
const requested = (events: Parameters<typeof ofType>[0]) =>
  ofType(events, 'child.requested').map(({ childId }) => childId);

describe('a call that is its children and asks for more', () => {
  test('hears of all of them, in the order of their requests, with the data of each', async () => {
    const { start, told, events } = openRounds({
      first: () => [ask('a'), ask('b', { data: undefined as never })],
      next: rounds([ask('c')], [ask('d'), ask('e', { data: { n: 1 } })]),
    });
    const report = await start().ended;
    expect(report.calls[0]?.data).toEqual({
      said: ['did a', 'did b', 'did c', 'did d', 'did e'],
      data: ['data of a', null, 'data of c', 'data of d', { n: 1 }],
      round: 3,
      final: false,
    });
    expect(told.map(({ reports }) => reports.map(({ runId }) => runId))).toEqual(
      [2, 3, 5].map((count) => Array.from({ length: count }, (_, n) => `root/1-0/${n}`)),
    );
    expect(requested(events)).toEqual([0, 1, 2, 3, 4].map((n) => `root/1-0/${n}`));
    expect(report.children.map(({ runId }) => runId)).toEqual(requested(events));
    // and one call is answered once
    expect(ofType(events, 'call.completed')).toHaveLength(1);
  });

  test('may ask where none were asked for at first', async () => {
    const { start, told } = openRounds({
      first: () => [],
      next: (settled) => (settled.round === 0 ? [ask('a')] : say(settled)),
    });
    expect((await start().ended).calls[0]?.data).toMatchObject({ said: ['did a'], round: 1 });
    expect(told.map(({ round }) => round)).toEqual([0, 1]);
  });

  test('beside others of its turn keeps to its own children', async () => {
    const { start } = openRounds({ calls: 2, next: rounds([ask('b')]) });
    const { calls } = await start().ended;
    expect(calls.map(({ data }) => (data as { said: string[] }).said)).toEqual([
      ['did a', 'did b'],
      ['did a', 'did b'],
    ]);
  });

  test('hears of its data as it is stored: without secrets', async () => {
    const data = { key: 'sk-abcdefghijklmnopqrstuvwxyz123456', n: 1 };
    const { start, told } = openRounds({ first: () => [ask('a', { data })], next: say });
    await start().ended;
    expect(told[0]?.data).toEqual([{ key: '[redacted]', n: 1 }]);
  });

  test('hears the same after a restart, of every round', async () => {
    const store = { ...memoryStore(), lasting: true };
    const more = rounds([ask('b'), ask('hang')]);
    const before = openRounds({ store, open: true, next: more });
    before.start();
    await settle();
    await before.runtime.close({ runs: 'suspend' });
    const after = openRounds({ store, open: true, next: more });
    await after.runtime.recover();
    await settle();
    await (await after.runtime.attach('root')).child('root/1-0/2').interrupt('enough');
    const report = await (await after.runtime.attach('root')).ended;
    expect(report.calls[0]?.data).toEqual({
      said: ['did a', 'did b', 'interrupted'],
      data: ['data of a', 'data of b', 'data of hang'],
      round: 2,
      final: false,
    });
    expect(checkRunLaws([...(store.events({ rootId: 'root' }) as Iterable<StoredEvent>)])).toEqual([]);
    // what this life has told begins in the middle
    after.events.length = 0;
    // nothing is asked twice
    expect(after.provider.requests.map(({ context }) => context.runId)).toEqual(['root/1-0/2', 'root']);
  });

  test('in the background goes on in its unit', async () => {
    const { runtime, start, events } = openRounds({
      next: rounds([ask('b')]),
      tool: {
        execute: (_input, { view }) =>
          view.unit ? spawned([ask('a')]) : dispatched({ data: null, answer: () => ({ content: 'Sent.' }) }),
      },
    });
    await start().ended;
    await settle();
    const [unit] = (await runtime.runs.list()).filter(({ origin }) => origin);
    const end = ofType(events, 'call.completed').find(({ runId }) => runId === unit?.runId);
    expect(end?.data).toMatchObject({ said: ['did a', 'did b'], round: 2 });
  });

  test('waits with them while the run is paused', async () => {
    const gate = Promise.withResolvers<ChildRequest[]>();
    const { start, events } = openRounds({
      next: (settled) => (settled.round === 1 ? gate.promise : say(settled)),
    });
    const run = start();
    await settle();
    await run.pause();
    gate.resolve([ask('b')]);
    await settle();
    expect(requested(events)).toHaveLength(2);
    expect(run.child('root/1-0/1').status).toBe('paused');
    await run.resume();
    expect((await run.ended).calls[0]?.data).toMatchObject({ said: ['did a', 'did b'] });
  });
});

describe('what a call may ask for further on', () => {
  test.each([
    [undefined, 10],
    [3, 3],
    [1, 1],
  ])(
    'is bounded: with maxRounds %s it is its children %i times, and is told when it is the last',
    async (maxRounds, most) => {
      const { start, told } = openRounds({
        next: () => [ask('more')],
        tool: maxRounds === undefined ? {} : { maxRounds },
      });
      const { calls, children } = await start().ended;
      expect(children).toHaveLength(most);
      expect(told.map(({ final }) => final)).toEqual(Array.from({ length: most }, (_, n) => n === most - 1));
      expect(calls[0]).toMatchObject({
        status: 'error',
        result: expect.stringMatching(/\\"team\\".*rounds.*maxRounds/),
      });
    },
  );

  test.each([0, 1.5, -1, Number.NaN])('is no number of rounds when it is %d', (maxRounds) => {
    expect(() => openRounds({ next: say, tool: { maxRounds } })).toThrow(/"team": maxRounds is .* 1 or more/);
  });

  test('is one child at least', async () => {
    const { start } = openRounds({ next: () => [] });
    expect((await start().ended).calls[0]).toMatchObject({
      status: 'error',
      result: expect.stringMatching(/\\"team\\".*named none/),
    });
  });

  test('counts among all that the run may start, and is refused in a report where it may not [L4]', async () => {
    const { start, told } = openRounds({ budget: { children: 2 }, next: rounds([ask('b'), ask('c')], [ask('d')]) });
    const { children, calls } = await start().ended;
    expect(children).toHaveLength(2);
    expect(calls[0]?.data).toMatchObject({ said: ['did a', 'did b', 'failed', 'failed'], round: 3 });
    expect(told.at(-1)?.reports.slice(2)).toMatchObject([
      { runId: 'root/1-0/2', fault: { code: 'spawn.refused' } },
      { runId: 'root/1-0/3', fault: { code: 'spawn.refused' } },
    ]);
    expect(told.at(-1)?.data).toEqual(['data of a', 'data of b', undefined, undefined]);
  });

  test('is all or none where it says so [B-53]', async () => {
    const { start } = openRounds({
      allOrNone: true,
      budget: { children: 2 },
      next: rounds([ask('b'), ask('c')], [ask('d')]),
    });
    const { children, calls } = await start().ended;
    expect(children).toHaveLength(2);
    expect(calls[0]?.data).toMatchObject({ said: ['did a', 'failed', 'failed', 'did d'] });
  });

  test('shares what is left with whoever is at work, and gives it back [L4]', async () => {
    // given 1,015 tokens, of which the first turn takes 15, and a tenth kept; one call whose child goes on, and one that asks again
    let calls = 0;
    const { start, events, runtime } = openRounds({
      calls: 2,
      budget: { tokens: 1_015 },
      first: () => [ask(calls++ === 0 ? 'hang' : 'a')],
      next: (settled) => (settled.round < 2 && settled.reports[0]?.text ? [ask('b'), ask('c')] : say(settled)),
    });
    const run = start();
    await settle();
    const grants = ofType(events, 'child.requested').map(({ grant }) => grant.tokens ?? 0);
    // what is left of the 898 after the first two is shared by two and the one at work
    const [one = 0, two = 0, three = 0, four = 0] = grants;
    expect([one, two]).toEqual([449, 449]);
    expect(three).toBe(Math.floor((1_015 - 15 - 15 - one - 101.5) / 3));
    expect(four).toBe(Math.floor((1_015 - 15 - 15 - one - three - 101.5) / 2));
    await run.child('root/1-0/0').interrupt('enough');
    expect(await run.ended).toMatchObject({ status: 'completed' });
    expect(await runtime.runs.list()).toHaveLength(5);
  });

  test('waits for its turn, and keeps places of a quota only where it completes [L4, BG-013]', async () => {
    const quota = { key: 'few', max: 3, message: 'Only three.' };
    const { start, events } = openRounds({
      budget: { concurrency: 1 },
      first: () => [ask('a', { quota })],
      next: rounds([ask('b', { quota }), ask('c', { quota }), ask('d', { quota })]),
    });
    const report = await start().ended;
    expect(report.calls[0]?.data).toMatchObject({ said: ['did a', 'did b', 'did c', 'failed'] });
    expect(ofType(events, 'run.queued').map(({ runId }) => runId)).toEqual(['root/1-0/2']);
  });
});

describe('an interrupted call that would ask for more', () => {
  test('tells what there is, and that it is the last time it is asked', async () => {
    const { start, told } = openRounds({ next: rounds([ask('hang')], [ask('never')]) });
    const run = start();
    await settle();
    await run.interrupt('enough');
    const report = await run.ended;
    expect(report.calls[0]?.data).toEqual({
      said: ['did a', 'interrupted'],
      data: ['data of a', 'data of hang'],
      round: 2,
      final: true,
    });
    expect(told.map(({ final }) => final)).toEqual([false, true]);
  });

  test('and asks all the same starts none, and its error names the tool', async () => {
    const { start, events } = openRounds({ next: () => [ask('hang')] });
    const run = start();
    await settle();
    await run.interrupt('enough');
    const report = await run.ended;
    expect(report.calls[0]).toMatchObject({
      status: 'error',
      result: expect.stringMatching(/\\"team\\" asked for more runs: the run has ended/),
    });
    expect(requested(events)).toHaveLength(2);
  });

  test('starts nothing though it had asked before it was interrupted', async () => {
    const gate = Promise.withResolvers<ChildRequest[]>();
    const { start, events, told } = openRounds({
      next: (settled) => (settled.final ? say(settled) : gate.promise),
    });
    const run = start();
    await settle();
    const interrupted = run.interrupt('enough');
    gate.resolve([ask('late')]);
    await interrupted;
    expect((await run.ended).calls[0]?.data).toMatchObject({ said: ['did a'], round: 1, final: true });
    await settle();
    expect(requested(events)).toHaveLength(1);
    expect(told).toHaveLength(2);
  });
});
