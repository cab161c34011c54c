import { withRetry } from '@troupe/core';
import type { ModelPart, ModelProvider, Pricing, Usage } from '@troupe/protocol';
import { scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { type AnyActorRef, SimulatedClock } from 'xstate';
import { openRuntime, settle } from '../../../test/support/open-runtime.ts';
import { call, leadOf, only, toolOf } from './lead.ts';

/** A dollar for a thousand tokens; other models have no known price. */
const pricing: Pricing = {
  price: (model, { inputTokens, outputTokens }) =>
    model === 'test-model' ? (inputTokens + outputTokens) / 1_000 : null,
};
const used = (inputTokens: number, more: Partial<Usage> = {}) => ({ usage: { inputTokens, outputTokens: 0, ...more } });
const again = (inputTokens: number): Turn => ({ calls: [call()], ...used(inputTokens) });

const open = (script: Turn[], options: Partial<Parameters<typeof openRuntime>[0]> = {}) => {
  const provider = scriptedProvider(script);
  return { provider, ...openRuntime({ provider, pricing, ...options }) };
};

describe("[BG-088] every turn's cost", () => {
  test('is added up, in event, report and row', async () => {
    const { runtime, events } = open([again(100), { text: 'Done.', ...used(250) }]);
    const report = await runtime.run(leadOf({ tools: [toolOf()] }), 'Go.');
    expect(only(events, 'turn.completed').map(({ costUsd }) => costUsd)).toEqual([0.1, 0.25]);
    expect(report.usage).toMatchObject({
      own: { costUsd: 0.35 },
      total: { costUsd: 0.35 },
      byModel: { 'test-model': { costUsd: 0.35 } },
    });
    expect((await runtime.runs.get(report.runId))?.usage.total.costUsd).toBe(0.35);
  });

  test('is what the provider says, if it says so', async () => {
    const { runtime } = open([{ text: 'Done.', ...used(100, { costUsd: 7 }) }]);
    expect((await runtime.run(leadOf(), 'Go.')).usage.total.costUsd).toBe(7);
  });

  test('ends the run before the next turn once it is beyond the limit', async () => {
    const { runtime, provider, events } = open([again(600), again(600), 'Never.']);
    const report = await runtime.run(leadOf({ tools: [toolOf()], budget: { costUsd: 1 } }), 'Go.');
    expect(report).toMatchObject({
      status: 'failed',
      exitReason: 'budget',
      fault: {
        code: 'budget.exhausted',
        message: expect.stringMatching(/1.2 of 1 costUsd/),
        details: { kind: 'costUsd', spent: 1.2, limit: 1 },
      },
    });
    expect(provider.requests).toHaveLength(2);
    expect(only(events, 'budget.warned')).toMatchObject([{ kind: 'costUsd', spent: 1.2 }]);
    expect(only(events, 'budget.exhausted')).toMatchObject([{ kind: 'costUsd', spent: 1.2, limit: 1 }]);
  });

  test('lets a turn that answers finish, however dear it was', async () => {
    const { runtime } = open([{ text: 'Done.', ...used(5_000) }]);
    expect(await runtime.run(leadOf({ budget: { costUsd: 1 } }), 'Go.')).toMatchObject({
      status: 'completed',
      usage: { total: { costUsd: 5 } },
    });
  });

  test('stays counted over a pause', async () => {
    const { runtime, provider } = open([
      { calls: [call('a', 'ask')], ...used(600) },
      { calls: [call('a', 'ask')], ...used(600) },
    ]);
    const run = runtime.start(
      leadOf({ tools: [toolOf({ name: 'ask', confirm: true })], budget: { costUsd: 1 } }),
      'Go.',
    );
    await run.report;
    await runtime.resume(run.id, 'yes');
    expect((await runtime.resume(run.id, 'yes')).exitReason).toBe('budget');
    expect(provider.requests).toHaveLength(2);
  });

  test('of a turn that was aborted is charged', async () => {
    const { runtime, events } = open([{ text: 'Half', ...used(300), hang: true }]);
    const run = runtime.start(leadOf(), 'Go.');
    await settle();
    await run.interrupt();
    expect((await run.report).usage.total).toEqual({ inputTokens: 300, outputTokens: 0, costUsd: 0.3 });
    expect(only(events, 'turn.attempted')).toMatchObject([
      { usage: { costUsd: 0.3 }, fault: { code: 'model.aborted' } },
    ]);
  });
});

test('[BG-088] what an attempt used is charged also where the machine breaks', async () => {
  const actors: AnyActorRef[] = [];
  const { runtime } = open([{ ...used(300), hang: true }], {
    inspect: (event) => event.type === '@xstate.actor' && actors.push(event.actorRef as AnyActorRef),
  });
  const run = runtime.start(leadOf(), 'Go.', { runId: 'r' });
  await settle();
  const broken = {
    type: 'deliver',
    get mail(): never {
      throw new Error('a bug');
    },
  };
  actors.find(({ id }) => id === 'r')?.send(broken);
  expect(await run.ended).toMatchObject({
    status: 'failed',
    exitReason: 'error',
    usage: { total: { inputTokens: 300 } },
  });
  expect((await runtime.replay('r')).steps.length).toBeGreaterThan(0);
});

test('[BG-088] what an aborted turn used counts against the limit', async () => {
  const { runtime, provider } = open([{ ...used(300), hang: true }, 'Never.']);
  const run = runtime.start(leadOf({ budget: { tokens: 300 } }), 'Go.');
  await settle();
  await run.pause();
  await run.resume();
  expect(await run.report).toMatchObject({ exitReason: 'budget', fault: { details: { kind: 'tokens', spent: 300 } } });
  expect(provider.requests).toHaveLength(1);
});

describe('[BG-088] a price that is not known', () => {
  test('counts nothing and is warned of once, where somebody counts', async () => {
    const { runtime, events } = open([again(900), { text: 'Done.', ...used(900) }]);
    const report = await runtime.run(leadOf({ model: 'rare', tools: [toolOf()], budget: { costUsd: 1 } }), 'Go.');
    expect(report).toMatchObject({ status: 'completed', usage: { total: { inputTokens: 1_800 } } });
    expect(report.usage.total.costUsd).toBeUndefined();
    expect(only(events, 'turn.completed').map(({ costUsd }) => costUsd)).toEqual([null, null]);
    expect(only(events, 'warning.raised')).toMatchObject([
      { code: 'price.unknown', message: expect.stringContaining('"rare"') },
    ]);
  });

  test('is no reason to warn where nobody counts', async () => {
    const provider = scriptedProvider(['Done.']);
    const { runtime, types } = openRuntime({ provider });
    await runtime.run(leadOf(), 'Go.');
    expect(types()).not.toContain('warning.raised');
  });

  test('is denied before anything is asked, if the runtime says so', async () => {
    const { runtime, provider } = open(['Done.', 'Done.'], { unknownPrice: 'deny' });
    expect(await runtime.run(leadOf({ model: 'rare' }), 'Go.')).toMatchObject({
      status: 'failed',
      fault: { code: 'price.unknown', message: expect.stringMatching(/"rare".*"deny"/) },
    });
    expect(provider.requests).toHaveLength(0);
    expect((await runtime.run(leadOf({ name: 'other' }), 'Go.')).status).toBe('completed');
  });
});

describe('a provider that tries again', () => {
  const busy: Turn = { text: 'Hal', ...used(100), fault: { code: 'model.rate_limited', retryable: true } };

  test('tells each attempt, and what it used is charged', async () => {
    const clock = new SimulatedClock();
    const provider = scriptedProvider([busy, busy, { text: 'Hello.', ...used(50) }]);
    const { runtime, events, types } = openRuntime({ provider: withRetry(provider, { baseMs: 500 }), pricing, clock });
    const run = runtime.start(leadOf(), 'Go.');
    for (const ms of [500, 1_000]) {
      await settle();
      clock.increment(ms);
    }
    const report = await run.report;
    expect(report).toMatchObject({
      status: 'completed',
      text: 'Hello.',
      usage: { turns: 1, total: { inputTokens: 250, costUsd: 0.25 } },
    });
    expect(types()).toEqual([
      'run.started',
      'turn.started',
      'turn.attempted',
      'turn.attempted',
      'turn.completed',
      'run.completed',
    ]);
    expect(only(events, 'turn.attempted')).toMatchObject([
      {
        turn: 1,
        number: 1,
        provider: 'scripted',
        model: 'test-model',
        waitMs: 500,
        fault: { code: 'model.rate_limited' },
        usage: { inputTokens: 100, costUsd: 0.1 },
      },
      { turn: 1, number: 2, waitMs: 1_000, usage: { inputTokens: 100, costUsd: 0.1 } },
    ]);
    expect(report.messages.at(-1)?.content).toBe('Hello.');
  });

  test('fails the run with the last fault, every attempt charged once', async () => {
    const { runtime, types } = openRuntime({
      provider: withRetry(scriptedProvider([busy, busy]), { attempts: 2, baseMs: 0 }),
      pricing,
    });
    const report = await runtime.run(leadOf(), 'Go.');
    expect(report).toMatchObject({
      status: 'failed',
      exitReason: 'model_error',
      fault: { code: 'model.rate_limited', retryable: true },
      usage: { total: { inputTokens: 200, costUsd: 0.2 } },
    });
    expect(types().filter((type) => type === 'turn.attempted')).toHaveLength(2);
  });

  test('spends the budget with every attempt', async () => {
    const { runtime } = openRuntime({
      provider: withRetry(scriptedProvider([busy, again(0), 'Never.']), { baseMs: 0 }),
      pricing,
    });
    expect(await runtime.run(leadOf({ tools: [toolOf()], budget: { tokens: 100 } }), 'Go.')).toMatchObject({
      exitReason: 'budget',
      fault: { details: { kind: 'tokens', spent: 100 } },
    });
  });

  test('is priced under the id that the run knows the model by', async () => {
    const own: Pricing = { price: (model, usage) => (model === 'acme/small' ? usage.inputTokens / 1_000 : null) };
    const provider = withRetry(scriptedProvider([busy, { text: 'Hello.', ...used(50) }]), { baseMs: 0 });
    const { runtime, events } = openRuntime({
      providers: { acme: provider, other: scriptedProvider([]) },
      pricing: own,
    });
    const report = await runtime.run(leadOf({ model: 'acme/small' }), 'Go.');
    expect(report.usage.byModel).toEqual({
      'acme/small': expect.objectContaining({ inputTokens: 150, costUsd: expect.closeTo(0.15) }),
    });
    expect(only(events, 'turn.attempted')).toMatchObject([{ model: 'acme/small', usage: { costUsd: 0.1 } }]);
  });

  test('of a summary is charged, too', async () => {
    const tooLong: Turn = { fault: { code: 'model.context_length' } };
    const turns: Turn[] = [
      tooLong,
      { fault: { code: 'model.rate_limited', retryable: true }, ...used(10) },
      { text: 'Short.', ...used(20) },
      { text: 'Done.', ...used(30) },
    ];
    const { runtime, events } = openRuntime({ provider: withRetry(scriptedProvider(turns), { baseMs: 0 }), pricing });
    const messages = Array.from({ length: 6 }, (_, i) => ({ role: 'user' as const, content: `${i}` }));
    const report = await runtime.run(leadOf(), { input: 'Go.', messages });
    expect(report).toMatchObject({
      text: 'Done.',
      usage: { total: { inputTokens: 60, costUsd: expect.closeTo(0.06) } },
    });
    expect(only(events, 'context.compacted')).toMatchObject([{ usage: { inputTokens: 20 }, costUsd: 0.02 }]);
  });
});

describe('a model id', () => {
  const speaker = (name: string, asked: string[]): ModelProvider => ({
    name,
    async *takeTurn({ model }): AsyncGenerator<ModelPart> {
      asked.push(`${name}:${model}`);
      yield { type: 'text', delta: 'Done.' };
      yield { type: 'finish', reason: 'stop' };
    },
  });

  test.each([
    ['goes to the provider before the first slash, without it', ['a', 'b'], 'b/x/y', ['b:x/y']],
    ['goes to the only provider whole, where no provider is named', ['a'], 'x/y', ['a:x/y']],
    ['goes to the only provider without its name, where it is', ['a'], 'a/x', ['a:x']],
    ['goes to the only provider, without any slash', ['a'], 'x', ['a:x']],
  ])('%s', async (_how, names, model, expected) => {
    const asked: string[] = [];
    const { runtime } = openRuntime({
      providers: Object.fromEntries(names.map((name) => [name, speaker(name, asked)])),
    });
    expect([(await runtime.run(leadOf({ model }), 'Go.')).status, asked]).toEqual(['completed', expected]);
  });

  test('goes to the one provider unchanged, whatever stands before its slash', async () => {
    const asked: string[] = [];
    const { runtime } = openRuntime({ provider: speaker('one', asked) });
    await runtime.run(leadOf({ model: 'one/x' }), 'Go.');
    expect(asked).toEqual(['one:one/x']);
  });

  test.each(['x', 'c/x', '/x', 'toString/x'])(
    'that picks none of several providers fails the run, listing them: %s',
    async (model) => {
      const { runtime } = openRuntime({ providers: { a: speaker('a', []), b: speaker('b', []) } });
      expect(await runtime.run(leadOf({ model }), 'Go.')).toMatchObject({
        status: 'failed',
        fault: { code: 'model.provider_unknown', message: expect.stringMatching(new RegExp(`"${model}".*a, b`)) },
      });
    },
  );
});
