/** What programs, providers and hooks do that nobody expects: it has an end, and says what it is. */
import { type Agent, createRuntime, defineAgent, defineTool, type Spawned, spawned } from '@troupe/core';
import { type Budget, FaultError, type ModelProvider, type Usage } from '@troupe/protocol';
import { type Script, scriptedProvider } from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { openRuntime, settle } from '../../../test/support/open-runtime.ts';
import { leadOf, only } from './lead.ts';

const nothing = z.object({});
const kid = defineAgent({ name: 'kid', instructions: '' });

test('a call that spawns and then returns "spawned" says that the latter was not started', async () => {
  const both = defineTool({
    name: 'both',
    description: '',
    inputSchema: nothing,
    async execute(_input, { spawn }) {
      await (await spawn(kid, 'scout')).report;
      return spawned([{ agent: kid, job: 'one' }]);
    },
    settle: ([report]) => ({ content: report?.text ?? '' }),
  });
  const provider = scriptedProvider({ lead: [{ calls: [{ name: 'both', arguments: {} }] }, 'Done.'], kid: ['found'] });
  const { runtime, events } = openRuntime({ provider });
  const { calls } = await runtime.run(leadOf({ tools: [both] }), 'Go.');
  expect(calls).toMatchObject([{ status: 'error', result: expect.stringContaining('those were not started') }]);
  expect(only(events, 'child.started')).toHaveLength(1);
});

test.each<[Budget, number]>([
  [{}, 364],
  [{ descendants: 20 }, 21],
])(
  'an agent that starts itself each turn has an end, with 3 turns and the budget %j after %i runs',
  async (budget, runs) => {
    const again = defineTool({
      name: 'again',
      description: '',
      inputSchema: nothing,
      execute: (): Spawned => spawned([{ agent: self, job: 'Again.' }]),
      settle: ([report]) => ({ content: report?.text ?? '' }),
    });
    const self: Agent = defineAgent({ name: 'self', instructions: '', tools: [again], budget: { turns: 3 } });
    const provider = scriptedProvider(() => ({ calls: [{ name: 'again', arguments: {} }] }));
    const { runtime, events } = openRuntime({ provider, budget });
    await runtime.run(self, 'Go.');
    expect(only(events, 'run.started')).toHaveLength(runs);
  },
);

test.each([{ budget: { turns: -1 } }, { job: null as never }])(
  'whoever waits for a child that cannot be started hears so: %j',
  async ({ budget, job = 'x' }) => {
    const down = defineTool({
      name: 'down',
      description: '',
      inputSchema: nothing,
      async execute(_input, { spawn }) {
        await spawn(kid, job, budget ? { budget } : {});
        return 'started';
      },
    });
    const { runtime } = openRuntime({
      provider: scriptedProvider([{ calls: [{ name: 'down', arguments: {} }] }, 'Done.']),
    });
    const { status, calls } = await runtime.run(leadOf({ tools: [down] }), 'Go.');
    expect({ status, calls }).toMatchObject({ status: 'completed', calls: [{ status: 'error' }] });
  },
);

test.each([true, false])(
  'a child that its call waits for has its whole grant, though the call may become children: %s',
  async (mayBecome) => {
    const own = defineTool({
      name: 'own',
      description: '',
      inputSchema: nothing,
      async execute(_input, { spawn }) {
        await (await spawn(kid, 'scout')).report;
        return 'ok';
      },
      ...(mayBecome && { settle: () => ({ content: '' }) }),
    });
    const provider = scriptedProvider({ lead: [{ calls: [{ name: 'own', arguments: {} }] }, 'Done.'], kid: ['found'] });
    const { runtime, events } = openRuntime({ provider });
    await runtime.run(leadOf({ tools: [own], budget: { tokens: 1_015 } }), 'Go.');
    expect(only(events, 'child.requested')[0]?.grant).toEqual({ tokens: 898 });
  },
);

test('a tool that may become its children may wait for one, too, and give a result of its own', async () => {
  const own = defineTool({
    name: 'own',
    description: '',
    inputSchema: nothing,
    async execute(_input, { spawn }) {
      const { text } = await (await spawn(kid, 'scout')).report;
      return `It ${text} it.`;
    },
    settle: () => ({ content: 'not asked' }),
  });
  const provider = scriptedProvider({ lead: [{ calls: [{ name: 'own', arguments: {} }] }, 'Done.'], kid: ['found'] });
  const { calls } = await openRuntime({ provider }).runtime.run(leadOf({ tools: [own] }), 'Go.');
  expect(calls).toMatchObject([{ status: 'ok', result: 'It found it.' }]);
});

test.each<Budget>([{ turns: 1 }, { tokens: 15 }])(
  'a steer that comes with the last turn, of %j, does not take its answer away',
  async (budget) => {
    const { runtime, events } = openRuntime({
      provider: scriptedProvider(async () => {
        await runtime.attach('r').then((run) => void run.steer('Thanks.'));
        await settle();
        return 'THE WHOLE ANSWER';
      }),
    });
    const report = await runtime.start(leadOf({ budget }), 'Go.', { runId: 'r' }).ended;
    expect(report).toMatchObject({ status: 'completed', text: 'THE WHOLE ANSWER' });
    expect(only(events, 'warning.raised')).toMatchObject([{ code: 'steer.unheard' }]);
  },
);

test.each([{ concurrency: 0 }, { turn: 3 }, { tokens: Number.NaN }, { turns: -1 }] as Budget[])(
  'a child is refused whose budget is %j',
  async (budget) => {
    const down = defineTool({
      name: 'down',
      description: '',
      inputSchema: nothing,
      execute: () => spawned([{ agent: kid, job: 'x', budget }]),
      settle: ([report]) => ({ content: report?.fault?.message ?? 'started' }),
    });
    const { runtime } = openRuntime({
      provider: scriptedProvider([{ calls: [{ name: 'down', arguments: {} }] }, 'Done.']),
    });
    const { calls } = await runtime.run(leadOf({ tools: [down] }), 'Go.');
    expect(calls[0]?.result).toMatch(/budget of the child "kid" is wrong/);
  },
);

describe('numbers that are none', () => {
  const told = (usage: Partial<Usage>): ModelProvider => ({
    async *takeTurn() {
      yield { type: 'call', id: 'c', name: 'echo', arguments: '{}' };
      yield { type: 'usage', usage: usage as Usage };
      yield { type: 'finish', reason: 'calls' };
    },
  });
  const echo = defineTool({ name: 'echo', description: '', inputSchema: nothing, execute: () => 'ok' });
  const agent = leadOf({ tools: [echo], budget: { tokens: 100, costUsd: 1, turns: 9 } });

  test.each([
    { inputTokens: 60 },
    { inputTokens: 60, outputTokens: Number.NaN, cachedTokens: -1 },
    { inputTokens: 60, outputTokens: '7' as never, costUsd: Number.NaN },
  ])('in a usage count as nothing, and its budget holds: %j', async (usage) => {
    const { runtime } = openRuntime({ provider: told(usage) });
    const report = await runtime.run(agent, 'Go.');
    expect(report).toMatchObject({ exitReason: 'budget', fault: { details: { kind: 'tokens', spent: 120 } } });
    expect(report.usage.total).toEqual({ inputTokens: 120, outputTokens: 0 });
  });

  test('in a price are told as none, and the budget of others holds', async () => {
    const { runtime, events } = openRuntime({
      provider: told({ inputTokens: 60, outputTokens: 0 }),
      pricing: { price: () => Number.NaN },
    });
    expect(await runtime.run(agent, 'Go.')).toMatchObject({
      exitReason: 'budget',
      fault: { details: { kind: 'tokens' } },
    });
    expect(only(events, 'warning.raised')).toMatchObject([{ code: 'price.unknown' }]);
  });
});

test('a hook or a logger that rejects changes no run', async () => {
  const said: string[] = [];
  // a function of which nobody knows that it is asynchronous
  const rejecting = (): unknown => Promise.reject(new Error('no server'));
  const down = defineTool({
    name: 'down',
    description: '',
    inputSchema: nothing,
    execute: () => spawned([{ agent: kid, job: 'x' }]),
    settle: () => ({ content: 'ok' }),
  });
  const runtime = createRuntime({
    provider: scriptedProvider({ lead: [{ calls: [{ name: 'down', arguments: {} }] }, 'Done.'], kid: ['found'] }),
    model: 'm',
    hooks: { childStart: rejecting, childStop: rejecting },
    logger: {
      warn: () => {},
      error: (message) => {
        said.push(message);
        return rejecting();
      },
    },
  });
  onTestFinished(() => runtime.close());
  expect(await runtime.run(leadOf({ tools: [down] }), 'Go.')).toMatchObject({ status: 'completed' });
  await settle();
  expect(said).toEqual([expect.stringContaining('hooks.childStart'), expect.stringContaining('hooks.childStop')]);
});

test.each([
  ['k', { id: ' ', text: 'x' }, 'delivery.invalid'],
  ['k', { id: 'a' }, 'delivery.invalid'],
  ['k', undefined, 'delivery.invalid'],
  ['', { id: 'a', text: 'x' }, 'session.invalid'],
  [5, { id: 'a', text: 'x' }, 'session.invalid'],
] as [never, never, string][])(
  'runtime.deliver(%j, %j) is refused as session.deliver refuses it',
  async (key, delivery, code) => {
    const { runtime } = openRuntime({ provider: scriptedProvider(['Done.']) });
    await expect(runtime.deliver(key, delivery)).rejects.toMatchObject({ code });
  },
);

test('an outputSchema that throws is a misfit, asked for again, and named', async () => {
  const outputSchema = z.string().transform((): string => {
    throw new Error('cannot look it up');
  });
  const { runtime, provider } = ((script: Script) => {
    const provider = scriptedProvider(script);
    return { provider, ...openRuntime({ provider }) };
  })(['"a"', '"b"']);
  const report = await runtime.run(leadOf({ outputSchema, outputRetries: 1 }), 'Go.');
  expect(report).toMatchObject({
    exitReason: 'invalid_output',
    fault: { message: expect.stringContaining('cannot look it up') },
  });
  expect(provider.requests).toHaveLength(2);
});

describe('what cannot be written as data', () => {
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();

  test.each([
    ['a fault with a cycle', new FaultError('model.x', 'It did not work.', { details: cyclic as never })],
    ['nothing that can be seen', proxy],
  ])('thrown by a provider, %s, ends its run', async (_, thrown) => {
    const { runtime } = openRuntime({ provider: scriptedProvider([{ throws: thrown as Error }]) });
    expect(await runtime.run(leadOf(), 'Go.')).toMatchObject({ status: 'failed' });
  });

  test('answered, is its text', async () => {
    const ask = defineTool({
      name: 'ask',
      description: '',
      inputSchema: z.object({ user_input: z.unknown() }),
      askUser: true,
      execute: ({ user_input }) => `got ${String(user_input)}`,
    });
    for (const answer of [{ value: cyclic }, null, cyclic]) {
      const provider = scriptedProvider([{ calls: [{ name: 'ask', arguments: {} }] }, 'Done.']);
      const run = openRuntime({ provider }).runtime.start(leadOf({ tools: [ask] }), 'Go.');
      const { questions } = await run.report;
      expect(await run.answer(questions[0]?.id ?? '', answer as never)).toEqual({ status: 'accepted' });
      expect(await run.ended).toMatchObject({ status: 'completed' });
    }
  });

  test('given to a child, is its text', async () => {
    const down = defineTool({
      name: 'down',
      description: '',
      inputSchema: nothing,
      execute: () => spawned([{ agent: kid, job: 'x', data: cyclic as never }]),
      settle: ([report]) => ({ content: report?.status ?? '' }),
    });
    const provider = scriptedProvider({
      lead: [{ calls: [{ name: 'down', arguments: {} }] }, 'Done.'],
      kid: ['found'],
    });
    const { calls } = await openRuntime({ provider }).runtime.run(leadOf({ tools: [down] }), 'Go.');
    expect(calls).toMatchObject([{ status: 'ok', result: 'completed' }]);
  });
});

test('a run that is silent is noticed though the clock was set back', async () => {
  const clock = new SimulatedClock();
  let back = 0;
  const { runtime } = openRuntime({
    provider: scriptedProvider([{ hang: true }]),
    clock: {
      now: () => clock.now() - back,
      setTimeout: (call, ms) => clock.setTimeout(call, ms),
      clearTimeout: (id) => clock.clearTimeout(id as number),
    },
  });
  clock.increment(5_000_000);
  const run = runtime.start(leadOf({ budget: { idleMs: 200 } }), 'Go.');
  await settle();
  back = 3_600_000;
  for (let i = 0; i < 5; i++) {
    clock.increment(100);
    await settle();
  }
  expect(run.status).toBe('failed');
});
