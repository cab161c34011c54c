import { FaultError, keepSecret, type ModelPart, type ModelProvider } from '@troupe/protocol';
import { mortalStore, type Script, scriptedProvider } from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { openRuntime, settle } from '../../../test/support/open-runtime.ts';
import { fingerprintOf } from '../src/define-agent.ts';
import {
  type AnyAgent,
  createRuntime,
  defineAgent,
  defineTool,
  memoryStore,
  spawned,
  withFallback,
  withRetry,
} from '../src/index.ts';
import { leadOf } from './lead.ts';

const ask = (model?: string) => {
  const child = defineAgent({ name: 'child', instructions: 'Answer.', ...(model !== undefined && { model }) });
  return defineTool({
    name: 'ask',
    description: 'Asks a child.',
    inputSchema: z.object({}),
    execute: () => spawned([{ agent: child, job: 'go' }]),
    settle: ([report]) => ({ content: report?.text ?? report?.fault?.message ?? '' }),
  });
};
const calling = { calls: [{ name: 'ask', arguments: {} }] };
const asked = (provider: ReturnType<typeof scriptedProvider>) =>
  provider.requests.map(({ request, context }) => `${context.agent}:${request.model}`);

describe('the provider of a run', () => {
  test('[HM-061] is the one its model names before the first slash, which then gets the rest of the id', async () => {
    // given a lead at one provider and its child pinned to another
    const here = scriptedProvider([calling, 'Done.']);
    const there = scriptedProvider(['Found.']);
    const { runtime } = openRuntime({ providers: { here, there }, model: 'here/large' });
    // when the lead asks
    const report = await runtime.run(
      defineAgent({ name: 'lead', instructions: '', tools: [ask('there/small')] }),
      'go',
    );
    // then each answered its own
    expect(report.calls[0]?.result).toBe('Found.');
    expect([asked(here), asked(there)]).toEqual([['lead:large', 'lead:large'], ['child:small']]);
  });

  test('[HM-061] that does not exist is a fault that lists those that do', async () => {
    const here = scriptedProvider([calling, 'Done.']);
    const { runtime } = openRuntime({ providers: { here, there: scriptedProvider([]) }, model: 'here/large' });
    const report = await runtime.run(defineAgent({ name: 'lead', instructions: '', tools: [ask('nowhere/x')] }), 'go');
    expect(report.calls[0]?.result).toMatch(/No provider for model "nowhere\/x".*here, there/);
  });

  test('[HM-061] pinned by its model takes no fallback of another provider', async () => {
    // given a default that falls back, and a child pinned to a provider that is down
    const spare = scriptedProvider(['never asked']);
    const main = withFallback([{ provider: scriptedProvider([calling, 'Done.']) }, { provider: spare }]);
    const down = scriptedProvider([{ fault: { code: 'model.unavailable', message: 'down', retryable: true } }]);
    const { runtime } = openRuntime({ providers: { main, down }, model: 'main/large' });
    const report = await runtime.run(defineAgent({ name: 'lead', instructions: '', tools: [ask('down/x')] }), 'go');
    expect(report.calls[0]?.result).toBe('down');
    expect(report.children[0]).toMatchObject({ status: 'failed', exitReason: 'model_error' });
    expect(spare.requests).toEqual([]);
  });

  test("[HM-062] is the runtime's where nothing is chosen, with its retries and fallbacks; only the model may differ", async () => {
    // given a runtime whose first provider is down
    const down = scriptedProvider(() => ({ fault: { code: 'model.unavailable', message: 'down', retryable: true } }));
    const spare = scriptedProvider([calling, 'Found.', 'Done.']);
    const provider = withFallback([{ provider: withRetry(down, { attempts: 2, baseMs: 0 }) }, { provider: spare }]);
    const { runtime, events } = openRuntime({ provider, model: 'large' });
    // when the lead asks a child of another model
    const report = await runtime.run(defineAgent({ name: 'lead', instructions: '', tools: [ask('small')] }), 'go');
    // then the child was retried and fell back as its parent was
    expect(report.status).toBe('completed');
    expect(asked(spare)).toEqual(['lead:large', 'child:small', 'lead:large']);
    expect(events.filter(({ type, agent }) => type === 'turn.attempted' && agent === 'child')).toHaveLength(2);
  });

  test('is priced by the model that answered, where a fallback did', async () => {
    const down = scriptedProvider([{ fault: { code: 'model.unavailable', message: 'down', retryable: true } }]);
    const provider = withFallback([{ provider: down }, { provider: scriptedProvider(['Done.']), model: 'small' }]);
    const pricing = { price: (model: string) => (model === 'small' ? 0.25 : 8) };
    const { runtime, events } = openRuntime({ provider, model: 'large', pricing });
    const { usage } = await runtime.run(defineAgent({ name: 'lead', instructions: '' }), 'go');
    expect(usage.total.costUsd).toBe(0.25);
    expect(Object.keys(usage.byModel)).toEqual(['small']);
    expect(events.find(({ type }) => type === 'turn.completed')).toMatchObject({ model: 'small', costUsd: 0.25 });
  });
});

describe("an agent's own provider", () => {
  /** A child with a provider of its own, or of another kind. */
  const asking = (child: AnyAgent) =>
    defineTool({
      name: 'ask',
      description: 'Asks a child.',
      inputSchema: z.object({}),
      execute: () => spawned([{ agent: child, job: 'go' }]),
      settle: ([report]) => ({ content: report?.text ?? report?.fault?.message ?? '' }),
    });

  test("[HM-061] takes its turns in the place of the runtime's, and gets the model id as it is", async () => {
    // given a lead with a provider of its own, and a child with none
    const own = scriptedProvider([calling, 'Done.']);
    const here = scriptedProvider(['Found.']);
    const { runtime } = openRuntime({ providers: { here, there: scriptedProvider([]) }, model: 'here/large' });
    const lead = leadOf({ provider: own, tools: [asking(defineAgent({ name: 'child', instructions: '' }))] });
    // when it runs
    const report = await runtime.run(lead, 'go');
    // then the child did not inherit it
    expect(report).toMatchObject({ status: 'completed', text: 'Done.', calls: [{ result: 'Found.' }] });
    expect([asked(own), asked(here)]).toEqual([['lead:here/large', 'lead:here/large'], ['child:large']]);
  });

  test('[HM-061] makes its summaries, too', async () => {
    const own = scriptedProvider((_request, { key }) => (key.endsWith('/summary') ? 'So far.' : 'Done.'));
    const talk = Array.from(
      { length: 8 },
      (_, n) => ({ role: n % 2 ? 'assistant' : 'user', content: `${n}` }) as const,
    );
    const { runtime, types } = openRuntime({ provider: scriptedProvider([]) });
    const lead = leadOf({ provider: own, model: 'own/m', compaction: { maxMessages: 4 } });
    expect(await runtime.run(lead, { input: 'go', messages: talk })).toMatchObject({ status: 'completed' });
    expect(types()).toContain('context.compacted');
    expect(asked(own)).toEqual(['lead:own/m', 'lead:own/m']);
  });

  test('[HM-061] is no model: one must be named all the same', async () => {
    const own = scriptedProvider(['Done.']);
    const { runtime } = openRuntime({ provider: scriptedProvider([]), model: null });
    expect(await runtime.run(leadOf({ provider: own }), 'go')).toMatchObject({
      status: 'failed',
      fault: { code: 'model.not_set', message: expect.stringContaining('"lead"') },
    });
    expect((await runtime.run(leadOf({ name: 'other', provider: own, model: 'm' }), 'go')).status).toBe('completed');
  });

  const secret = 'the word of the house';
  keepSecret(secret);
  const throwing = (error: Error): ModelProvider => ({
    takeTurn: () => {
      throw error;
    },
  });
  test.each([
    ['a fault', throwing(new FaultError('model.unavailable', `no entry with ${secret}`)), 'model.unavailable'],
    ['an error', throwing(new RangeError(`no entry with ${secret}`)), 'model.failed'],
    [
      'a fault while it streams',
      scriptedProvider([{ fault: { code: 'model.refused', message: secret } }]),
      'model.refused',
    ],
  ])('[HM-061] that has %s fails its run as any other would, without secrets', async (_what, provider, code) => {
    const { runtime, events } = openRuntime({ provider: scriptedProvider([]) });
    const report = await runtime.run(leadOf({ provider }), 'go');
    expect(report).toMatchObject({ status: 'failed', exitReason: 'model_error', fault: { code } });
    expect(report.fault?.message).toContain('[redacted]');
    expect(JSON.stringify([events, report])).not.toContain(secret);
  });

  test('[HM-061] is interrupted with its run', async () => {
    const own = scriptedProvider([{ hang: true }]);
    const { runtime } = openRuntime({ provider: scriptedProvider([]) });
    const run = runtime.start(leadOf({ provider: own }), 'go');
    await settle();
    await run.interrupt();
    expect((await run.ended).status).toBe('interrupted');
    expect(own.requests[0]?.aborted).toBe(true);
  });

  test.each([
    ['null', null],
    ['something without takeTurn', { complete: () => 'text' }],
  ])('[HM-061] is refused when it is %s', (_what, provider) => {
    expect(() => leadOf({ provider: provider as never })).toThrow(
      expect.objectContaining({
        code: 'agent.invalid',
        message: expect.stringMatching(/"lead".*takeTurn.*ModelProvider/),
      }),
    );
  });

  test('[HM-061] does not stand in for that of a runtime', () => {
    const agents = [leadOf({ provider: scriptedProvider([]) })];
    expect(() => createRuntime({ agents })).toThrow(expect.objectContaining({ code: 'runtime.invalid' }));
  });

  test('[HM-061] is no part of what an agent says: with another one, or none, it is the same agent', async () => {
    const [one, two, none] = [
      leadOf({ provider: scriptedProvider(['One.']) }),
      leadOf({ provider: scriptedProvider(['Two.']) }),
      leadOf(),
    ];
    expect(new Set([one, two, none].map((agent) => fingerprintOf(agent))).size).toBe(1);
    const { runtime } = openRuntime({ provider: scriptedProvider(['None.']) });
    const texts: (string | null)[] = [];
    for (const agent of [one, two, none]) texts.push((await runtime.run(agent, 'go')).text);
    expect(texts).toEqual(['One.', 'Two.', 'None.']);
  });

  test('[HM-061, L7] is not stored; after a restart it comes with the agent, or is made again by the tool', async () => {
    // given a lead and a child that its tool makes, each with a provider of its own
    const makes = (leadSays: Script, childSays: Script) => {
      const make = () => defineAgent({ name: 'child', instructions: '', provider: scriptedProvider(childSays) });
      const ask = defineTool({
        name: 'ask',
        description: 'Asks a child.',
        inputSchema: z.object({}),
        execute: () => spawned([{ agent: make(), job: 'go', data: {} }]),
        rebuild: make,
        settle: ([report]) => ({ content: report?.text ?? report?.fault?.message ?? '' }),
      });
      return leadOf({ provider: Object.assign(scriptedProvider(leadSays), { apiKey: 'open sesame' }), tools: [ask] });
    };
    const base = memoryStore();
    const boot = (agent: AnyAgent) => {
      const mortal = mortalStore(base);
      const common = { provider: scriptedProvider([]), model: 'm', leaseMs: 0, logger: { warn() {}, error() {} } };
      const runtime = createRuntime({ ...common, store: mortal.store, agents: [agent] });
      onTestFinished(() => (mortal.dead ? undefined : runtime.close({ graceMs: 0 })));
      return { runtime, die: mortal.die };
    };
    // when its program dies while the child thinks
    const before = makes([calling], [{ hang: true }]);
    const first = boot(before);
    first.runtime.start(before, 'go', { runId: 'r' });
    await settle();
    first.die();
    // and is started again
    const second = boot(makes(['Done.'], ['Found.']));
    const { recovered } = await second.runtime.recover();
    // then both go on with what their agents have now
    expect(await recovered[0]?.ended).toMatchObject({
      status: 'completed',
      text: 'Done.',
      calls: [{ result: 'Found.' }],
    });
    const stored = [...(base.events({ rootId: 'r' }) as Iterable<unknown>), await base.get('r'), base.checkpoint('r')];
    expect(JSON.stringify(stored)).not.toContain('sesame');
  });
});

describe('a provider that gives what is no part of a turn', () => {
  const giving = (parts: readonly unknown[]): ModelProvider => ({
    name: 'odd',
    async *takeTurn() {
      yield* parts as ModelPart[];
    },
  });
  const end = { type: 'finish', reason: 'stop' };
  const runOf = (provider: ModelProvider) => {
    const { runtime } = openRuntime({ provider, model: 'large' });
    return runtime.run(defineAgent({ name: 'lead', instructions: '' }), 'go');
  };

  test.each<[string, unknown[], RegExp]>([
    ['text under another name', [{ type: 'text', text: '42' }, end], /\{ type: "text", text: string \}.*delta: string/],
    ['text that is null', [{ type: 'text', delta: null }, end], /delta: object.*delta: string/],
    ['text that is a number', [{ type: 'text', delta: 4 }, end], /delta: number.*delta: string/],
    ['thoughts that are none', [{ type: 'reasoning' }, end], /type: "reasoning" \}.*delta: string/],
    ['a call without a name', [{ type: 'call', id: 'c', arguments: '{}' }, end], /name: string/],
    [
      'a call with an object',
      [{ type: 'call', id: 'c', name: 'x', arguments: {} }, end],
      /arguments: object.*JSON text/,
    ],
    ['a usage that is none', [{ type: 'usage' }, end], /inputTokens/],
    [
      "a vendor's reason",
      [
        { type: 'text', delta: 'Half a' },
        { type: 'finish', reason: 'content_filter' },
      ],
      /reason: "content_filter".*"filter"/,
    ],
    ['a part of no type', [{ type: 'banana' }, end], /type: "banana".*type text, reasoning/],
    [
      'an error with a key',
      [{ type: 'error', reason: 'Key Zq81-of-a-vendor is not valid' }],
      /^(?!.*Zq81).*type: "error", reason: string/,
    ],
    ['a reason that is no text', [{ type: 'finish', reason: 1n }], /reason: bigint.*"filter"/],
    ['letters', ['h', 'i'], /a string.*type text, reasoning/],
    ['nothing', [undefined, end], /nothing.*type text, reasoning/],
  ])('never completes: %s', async (_what, parts, message) => {
    for (const provider of [giving(parts), withRetry(giving(parts), { attempts: 1 })]) {
      const report = await runOf(provider);
      expect(report).toMatchObject({ status: 'failed', exitReason: 'model_error', fault: { code: 'model.malformed' } });
      expect(report.fault?.message).toMatch(message);
      expect(report.fault?.message).toMatch(/^Provider "odd", asked for model "large"/);
    }
  });

  test.each<[string, () => unknown, RegExp]>([
    ['a promise', () => Promise.reject(new Error('nobody hears')), /a promise in place of a stream.*async \*takeTurn/],
    ['nothing', () => undefined, /nothing in place of a stream/],
    ['a text', () => 'hello', /a string in place of a stream/],
  ])('or no parts at all says so: %s', async (_what, takeTurn, message) => {
    const provider = { name: 'odd', takeTurn } as unknown as ModelProvider;
    for (const each of [provider, withFallback([{ provider }])]) {
      const report = await runOf(each);
      expect(report).toMatchObject({ status: 'failed', fault: { code: 'model.malformed' } });
      expect(report.fault?.message).toMatch(message);
    }
  });

  test('gives way to a fallback like any other that fails', async () => {
    const provider = withFallback([
      { provider: giving([{ type: 'text', text: '42' }]) },
      { provider: scriptedProvider(['Found.']) },
    ]);
    expect(await runOf(provider)).toMatchObject({ status: 'completed', text: 'Found.' });
  });

  test('does not become a summary', async () => {
    // given a conversation that is summarised before its third turn, by a model that does so badly
    const script = scriptedProvider([
      { calls: [{ name: 'look', arguments: {} }] },
      { calls: [{ name: 'look', arguments: {} }] },
      'Done.',
    ]);
    const provider: ModelProvider = {
      name: 'odd',
      takeTurn: (request, options) =>
        request.tools.length > 0
          ? script.takeTurn(request, options)
          : giving([{ type: 'text', text: 'all of it' }, end]).takeTurn(request, options),
    };
    const look = defineTool({ name: 'look', description: '', inputSchema: z.object({}), execute: () => 'seen' });
    const { runtime } = openRuntime({ provider, model: 'large' });
    const lead = defineAgent({ name: 'lead', instructions: '', tools: [look], compaction: { maxMessages: 4 } });
    expect(await runtime.run(lead, 'go')).toMatchObject({ status: 'failed', fault: { code: 'model.malformed' } });
  });
});
