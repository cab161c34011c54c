import { type AnyAgent, defineAgent } from '@troupe/core';
import { type Budget, isFaultError } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { openRuntime } from '../../../../test/support/open-runtime.ts';
import { awaiting, calling, delegating, ofType, plain } from './tools.ts';

/** A provider for a root that calls `tools` once, and for children that answer at once. */
const once = (...tools: string[]) =>
  scriptedProvider((request, { agent }) =>
    agent !== 'root' || request.messages.at(-1)?.role === 'tool' ? `${agent} done.` : calling(...tools),
  );
const rootOf = (tools: AnyAgent['tools'], budget: Budget) =>
  defineAgent({ name: 'root', instructions: 'Root.', tools, budget });
const leaf = defineAgent({ name: 'leaf', instructions: 'Leaf.' });

const ways = [
  ['calls that are their children', delegating],
  ['calls that await their children', awaiting],
] as const;

describe.each(ways)('through %s', (_what, ask) => {
  test.each([
    ['children', { children: 1 }],
    ['descendants', { descendants: 1 }],
  ])(
    'when siblings race for the last of %s, exactly one gets it, and nothing is paid for the others [F-11, L4]',
    async (kind, budget) => {
      const provider = once('ask_leaf', 'ask_leaf', 'ask_leaf');
      const { runtime, events } = openRuntime({ provider });
      const report = await runtime.run(rootOf([ask(leaf)], budget), 'go');
      expect(report).toMatchObject({ status: 'completed', children: [{ status: 'completed' }] });
      expect(report.calls.map(({ status }) => status)).toEqual(['ok', 'error', 'error']);
      expect(provider.requests.filter(({ context }) => context.agent === 'leaf')).toHaveLength(1);
      expect(ofType(events, 'child.refused')).toHaveLength(2);
      expect(ofType(events, 'child.refused')[0]).toMatchObject({
        code: 'spawn.refused',
        limit: 1,
        message: expect.stringContaining(kind),
      });
      expect(await runtime.runs.list()).toHaveLength(2);
    },
  );

  test('a spawn that cannot be afforded is refused before anything is paid for it [F-11, L4]', async () => {
    // given children that each ask for 60 of the 100 tokens that are left
    const provider = once('ask_leaf', 'ask_leaf');
    const { runtime } = openRuntime({ provider });
    const report = await runtime.run(rootOf([ask(leaf, { budget: { tokens: 60 } })], { tokens: 115, keep: 0 }), 'go');
    expect(report.calls.map(({ status }) => status)).toEqual(['ok', 'error']);
    expect(provider.requests.filter(({ context }) => context.agent === 'leaf')).toHaveLength(1);
  });

  test('parallel children get equal shares of what a parent can give, and it keeps one to answer with [L4]', async () => {
    // given 1,015 tokens, of which the first turn takes 15; a tenth is kept
    const { runtime, events } = openRuntime({ provider: once('ask_leaf', 'ask_leaf', 'ask_leaf') });
    const report = await runtime.run(rootOf([ask(leaf)], { tokens: 1_015 }), 'go');
    const shares = ofType(events, 'child.requested').map(({ grant }) => grant.tokens ?? 0);
    if (ask === delegating) expect(shares).toEqual([299, 299, 300]);
    // those that are asked for one by one share with those that work already
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeLessThanOrEqual(1_000 - 101.5);
    expect(Math.min(...shares)).toBeGreaterThan(0);
    expect(report).toMatchObject({ status: 'completed', text: 'root done.' });
  });
});

test('the share that a parent keeps lets it answer when its children spent everything they had', async () => {
  // given a child that spends all it gets, and more
  const greedy = defineAgent({ name: 'greedy', instructions: 'Spend.', tools: [plain('look')] });
  const provider = scriptedProvider({
    root: [
      { ...calling('ask_greedy'), usage: { costUsd: 0.1 } },
      { text: 'My own answer.', usage: { costUsd: 0.1 } },
    ],
    greedy: [{ ...calling('look'), usage: { costUsd: 0.7 } }],
  });
  const { runtime, events } = openRuntime({ provider });
  const report = await runtime.run(rootOf([delegating(greedy)], { costUsd: 1, keep: 0.2 }), 'go');
  expect(ofType(events, 'child.requested')[0]?.grant.costUsd).toBeCloseTo(0.7);
  expect(report).toMatchObject({
    status: 'completed',
    text: 'My own answer.',
    children: [{ status: 'failed', exitReason: 'budget' }],
  });
});

test('what a child does not spend returns to its parent [L4]', async () => {
  const provider = scriptedProvider({
    root: [calling('ask_leaf'), calling('ask_leaf'), 'Done.'],
    leaf: ['One.', 'Two.'],
  });
  const { runtime, events } = openRuntime({ provider });
  await runtime.run(rootOf([delegating(leaf)], { tokens: 1_000, keep: 0 }), 'go');
  // 15 for each turn: one before the first child, three before the second
  expect(ofType(events, 'child.requested').map(({ grant }) => grant.tokens)).toEqual([985, 955]);
});

describe('a child lives within its parent’s limits', () => {
  const limitsOf = async (
    root: Budget,
    child: Budget | undefined,
    spawn: Budget | undefined,
    runtimeBudget?: Budget,
    job?: Budget,
  ) => {
    const inner = defineAgent({ name: 'leaf', instructions: 'Leaf.', ...(child && { budget: child }) });
    const { runtime, events } = openRuntime({
      provider: once('ask_leaf'),
      ...(runtimeBudget && { budget: runtimeBudget }),
    });
    await runtime.run(
      rootOf([delegating(inner, spawn && { budget: spawn })], root),
      job ? { input: 'go', budget: job } : 'go',
    );
    return ofType(events, 'run.started').find(({ agent }) => agent === 'leaf')?.budget;
  };

  test.each<[string, Budget, Budget | undefined, Budget | undefined, Budget]>([
    ['what the parent was given binds it', { turns: 4 }, undefined, undefined, { turns: 4 }],
    ['its own limit may be tighter', { turns: 4 }, { turns: 2 }, undefined, { turns: 2 }],
    ['its own limit may not be wider', { turns: 4 }, { turns: 9 }, { turns: 7 }, { turns: 4 }],
    ['the spawn may tighten further', { turns: 4 }, { turns: 3 }, { turns: 2 }, { turns: 2 }],
    ['a limit set above a default stands', {}, { turns: 50 }, undefined, { turns: 50 }],
    [
      'a default of the parent does not bind it',
      {},
      { turns: 12, toolCalls: 30 },
      undefined,
      { turns: 12, toolCalls: 30 },
    ],
  ])('%s [F-10]', async (_what, root, child, spawn, expected) => {
    expect(await limitsOf(root, child, spawn)).toMatchObject(expected);
  });

  test('limits of the runtime and of the job bind it, too [F-10]', async () => {
    expect(
      await limitsOf({}, { turns: 50, toolCalls: 50, toolsPerChild: 9 }, undefined, { turns: 6 }, { toolCalls: 7 }),
    ).toMatchObject({ turns: 6, toolCalls: 7, toolsPerChild: 9 });
  });

  test('a budget in the job of a child counts like one of the spawn [F-10]', async () => {
    const ask = plain('ask', {
      execute: async (_input, context) =>
        (await (await context.spawn(leaf, { input: 'work', budget: { turns: 3, tokens: 40 } })).ended).text,
    });
    const { runtime, events } = openRuntime({ provider: once('ask') });
    await runtime.run(rootOf([ask], { tokens: 1_000 }), 'go');
    expect(ofType(events, 'run.started').find(({ agent }) => agent === 'leaf')?.budget).toMatchObject({
      turns: 3,
      tokens: 40,
    });
  });
});

describe('depth, tools and descendants', () => {
  test('a run at the deepest allowed level starts no other, whatever tools it was given [BG-029, B-71]', async () => {
    const bottom = defineAgent({ name: 'bottom', instructions: 'Bottom.' });
    const middle = defineAgent({ name: 'middle', instructions: 'Middle.', tools: [delegating(bottom)] });
    const provider = scriptedProvider({
      root: [calling('ask_middle'), 'Root done.'],
      middle: [calling('ask_bottom'), 'Alone.'],
    });
    const { runtime, events } = openRuntime({ provider });
    expect(await runtime.run(rootOf([delegating(middle)], { depth: 1 }), 'go')).toMatchObject({ status: 'completed' });
    expect(ofType(events, 'child.refused')).toMatchObject([
      { agent: 'middle', limit: 1, message: expect.stringContaining('depth 2') },
    ]);
  });

  test('a child with more tools than toolsPerChild allows is refused', async () => {
    const armed = defineAgent({ name: 'armed', instructions: 'Armed.', tools: [plain('a'), plain('b')] });
    const { runtime, events } = openRuntime({ provider: once('ask_armed') });
    await runtime.run(rootOf([delegating(armed)], { toolsPerChild: 1 }), 'go');
    expect(ofType(events, 'child.refused')).toMatchObject([{ limit: 1, message: expect.stringContaining('2 tools') }]);
  });

  test('descendants are bounded for the whole tree, however deep and wide children multiply [F-19, L4]', async () => {
    // given an agent that starts three of itself whenever it can
    const rabbit = defineAgent({ name: 'rabbit', instructions: 'Multiply.' });
    const more = plain('more', {
      execute: async (_input, context) => {
        const runs = await Promise.allSettled([0, 1, 2].map(() => context.spawn({ ...rabbit, tools: [more] }, 'go')));
        const ended = await Promise.all(runs.flatMap((run) => (run.status === 'fulfilled' ? [run.value.ended] : [])));
        return `${ended.length} started`;
      },
    });
    const provider = scriptedProvider((request) =>
      request.messages.at(-1)?.role === 'tool' ? 'Done.' : calling('more'),
    );
    const { runtime } = openRuntime({ provider });
    const run = runtime.start(rootOf([more], { descendants: 7, depth: 20 }), 'go');
    expect(await run.ended).toMatchObject({ status: 'completed' });
    // then there are no more than seven below the root, and it used what it could
    const rows = await runtime.runs.list({ rootId: run.id });
    expect(rows.length - 1).toBeLessThanOrEqual(7);
    expect(rows.length - 1).toBeGreaterThanOrEqual(3);
  });
});

test('what grandchildren took is counted for good: the next child finds only what is left [F-19, L4]', async () => {
  // given room for three, and a middle that starts a leaf
  const middle = defineAgent({ name: 'middle', instructions: 'Middle.', tools: [delegating(leaf)] });
  const provider = scriptedProvider((request, { agent }) => {
    const turns = request.messages.filter(({ role }) => role === 'assistant').length;
    if (agent === 'root') return turns < 3 ? calling('ask_middle') : 'Done.';
    return agent === 'leaf' || turns > 0 ? 'Done.' : calling('ask_leaf');
  });
  const { runtime, events } = openRuntime({ provider });
  const report = await runtime.run(rootOf([delegating(middle)], { descendants: 3 }), 'go');
  // then the second middle has nobody to ask, and the third is refused
  expect(report.calls.map(({ status }) => status)).toEqual(['ok', 'ok', 'error']);
  expect(ofType(events, 'child.refused').map(({ agent }) => agent)).toEqual(['middle', 'root']);
});

test('a refused spawn rejects with the kind and the limit, and its tool may go on [F-11]', async () => {
  const ask = plain('ask', {
    execute: (_input, context) =>
      context.spawn(leaf, 'work').then(
        () => 'started',
        (error: unknown) => JSON.stringify(isFaultError(error) ? [error.code, error.details] : 'no fault'),
      ),
  });
  const { runtime } = openRuntime({ provider: once('ask') });
  const report = await runtime.run(rootOf([ask], { children: 0 }), 'go');
  expect(JSON.parse(report.calls[0]!.result)).toMatchObject(['spawn.refused', { kind: 'children', limit: 0 }]);
});

test('while spawning is paused every spawn is refused, and running children are untouched', async () => {
  const { runtime, events } = openRuntime({
    provider: scriptedProvider({ root: [calling('ask_leaf'), calling('ask_leaf'), 'Done.'], leaf: ['Leaf done.'] }),
  });
  expect(runtime.spawningPaused).toBe(false);
  runtime.pauseSpawning();
  expect(runtime.spawningPaused).toBe(true);
  const run = runtime.start(rootOf([delegating(leaf)], {}), 'go');
  run.events$.subscribe((event) => event.type === 'child.refused' && runtime.resumeSpawning());
  expect((await run.ended).calls.map(({ status }) => status)).toEqual(['error', 'ok']);
  expect(runtime.spawningPaused).toBe(false);
  expect(ofType(events, 'child.refused')).toMatchObject([{ message: expect.stringContaining('spawning is paused') }]);
});
