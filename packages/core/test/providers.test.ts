import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openRuntime } from '../../../test/support/open-runtime.ts';
import { defineAgent, defineTool, spawned, withFallback, withRetry } from '../src/index.ts';

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
