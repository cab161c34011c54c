import { createRuntime, defineAgent, defineTool, memoryStore } from '@troupe/core';
import { FaultError } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openRuntime } from '../../../test/support/open-runtime.ts';
import { leadOf, toolOf } from './lead.ts';

const provider = scriptedProvider(() => 'Done.');

/** The fault that something throws. */
const faultBy = (act: () => unknown): FaultError => {
  try {
    act();
  } catch (error) {
    if (error instanceof FaultError) return error;
    throw error;
  }
  throw new Error('Nothing was thrown.');
};

describe('[BG-051] a runtime is refused', () => {
  test.each<[string, object, string, RegExp]>([
    ['without a provider', {}, 'runtime.invalid', /needs a model provider.*"provider".*"providers"/],
    ['without one among its providers', { providers: {} }, 'runtime.invalid', /"providers" with at least one/],
    [
      'with a provider and providers',
      { provider, providers: { a: provider } },
      'runtime.invalid',
      /both "provider" and "providers"/,
    ],
    [
      'with a provider that is none',
      { provider: {} },
      'runtime.invalid',
      /as "provider" an object without takeTurn\. Expected a ModelProvider.*openai/,
    ],
    [
      'with one among its providers that is none',
      { providers: { good: provider, bad: 'sk-4711' } },
      'runtime.invalid',
      /as "providers\.bad" a string\. Expected a ModelProvider/,
    ],
    [
      'with a store that is none',
      { provider, store: {} },
      'runtime.invalid',
      /as "store" an object without claim, holder, renew and 15 more\. Expected a RunStore.*sqliteStore.*leave it out/,
    ],
    ['with null for a store', { provider, store: null }, 'runtime.invalid', /as "store" null\./],
    [
      'with a store that lacks a method',
      { provider, store: { ...memoryStore(), prune: undefined } },
      'runtime.invalid',
      /as "store" an object without prune\./,
    ],
    ['with what makes a store', { provider, store: memoryStore }, 'runtime.invalid', /as "store" a function, .*called/],
    [
      'with the promise of a store',
      { provider, store: Promise.resolve(memoryStore()) },
      'runtime.invalid',
      /as "store" a promise, which is to be awaited/,
    ],
    [
      'with a memory that is none',
      { provider, memory: new Map() },
      'runtime.invalid',
      /as "memory".*read, write, search/,
    ],
    [
      'with a pricing that is none',
      { provider, pricing: { gpt: 1 } },
      'runtime.invalid',
      /as "pricing".*without price\./,
    ],
    ['with a placement that is none', { provider, placement: 'remote' }, 'runtime.invalid', /as "placement" a string/],
    ['with a clock that is none', { provider, clock: Date }, 'runtime.invalid', /as "clock" a function/],
    ['with a source of ids that is none', { provider, ids: [] }, 'runtime.invalid', /as "ids" an object without next/],
    ['with a logger that is none', { provider, logger: {} }, 'runtime.invalid', /as "logger".*without warn, error/],
    ['with a blank model', { provider, model: '  ' }, 'runtime.invalid', /model is blank/],
    ['with a negative grace', { provider, graceMs: -1 }, 'runtime.invalid', /graceMs is -1.*0 or more/],
    [
      'with a lease that ends before it begins',
      { provider, leaseMs: -1 },
      'runtime.invalid',
      /leaseMs is -1.*0 or more/,
    ],
    [
      'with an unheard-of rule for unknown outcomes',
      { provider, unknownOutcome: 'hope' as never },
      'runtime.invalid',
      /unknownOutcome is "hope".*"ask" or "fail"/,
    ],
    [
      'with an unheard-of rule for agents that have changed',
      { provider, onAgentChanged: 'hope' as never },
      'runtime.invalid',
      /onAgentChanged is "hope".*"refuse" or "continue"/,
    ],
    ['with a grace that is no number', { provider, graceMs: Number.NaN }, 'runtime.invalid', /graceMs is NaN/],
    [
      'with an unknown choice',
      { provider, unknownPrice: 'maybe' },
      'runtime.invalid',
      /unknownPrice is "maybe".*"zero" or "deny"/,
    ],
    ['with a negative limit', { provider, budget: { turns: -1 } }, 'budget.invalid', /the runtime.*"turns"/],
    ['with half a turn', { provider, budget: { turns: 0.5 } }, 'budget.invalid', /"turns"/],
    ['with a limit that does not exist', { provider, budget: { tunrs: 3 } }, 'budget.invalid', /tunrs/],
    ['with a negative cost', { provider, budget: { costUsd: -0.01 } }, 'budget.invalid', /"costUsd"/],
    ['with no slot at all', { provider, budget: { concurrency: 0 } }, 'budget.invalid', /"concurrency"/],
    [
      'with two agents of one name',
      { provider, agents: [leadOf(), leadOf()] },
      'runtime.invalid',
      /Two agents are named "lead"/,
    ],
  ])('%s', (_what, options, code, message) => {
    const fault = faultBy(() => createRuntime(options));
    expect(fault).toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

describe('[BG-051] an agent is refused', () => {
  test.each<[string, object, string, RegExp]>([
    ['with a blank name', { name: ' ' }, 'agent.invalid', /needs a name.*blank/],
    ['without instructions', { instructions: undefined }, 'agent.invalid', /"lead".*instructions/],
    ['with a blank model', { model: '' }, 'agent.invalid', /"lead".*model is blank/],
    [
      'with an unheard-of rule for misfits',
      { outputMismatch: 'drop' },
      'agent.invalid',
      /"lead".*outputMismatch is "drop".*fail, keep/,
    ],
    [
      'with an unheard-of policy',
      { approval: 'ask' },
      'agent.invalid',
      /"lead".*approval is "ask".*bubble, deny, allow/,
    ],
    ['with a negative number of retries', { outputRetries: -1 }, 'agent.invalid', /"lead".*outputRetries is -1/],
    ['with half a retry', { outputRetries: 1.5 }, 'agent.invalid', /outputRetries is 1.5/],
    ['with a negative limit', { budget: { tokens: -5 } }, 'budget.invalid', /agent "lead".*"tokens"/],
    [
      'with a negative temperature',
      { settings: { temperature: -0.1 } },
      'agent.invalid',
      /"lead".*temperature is -0.1/,
    ],
    ['with no room for an answer', { settings: { maxOutputTokens: 0 } }, 'agent.invalid', /maxOutputTokens is 0/],
    [
      'with an unknown choice',
      { settings: { reasoning: 'wild' } },
      'agent.invalid',
      /reasoning is "wild".*off, low, medium, high/,
    ],
    ['with an impossible compaction', { compaction: { maxMessages: 0 } }, 'agent.invalid', /maxMessages is 0/],
    ['with a negative compaction', { compaction: { maxInputTokens: -1 } }, 'agent.invalid', /maxInputTokens is -1/],
    ['with two tools of one name', { tools: [toolOf(), toolOf()] }, 'tool.duplicate', /echo.*Agent "lead"/],
    [
      'with an output schema that is none',
      { outputSchema: {} },
      'schema.invalid',
      /outputSchema of agent "lead".*Standard Schema/,
    ],
    [
      'with one that JSON Schema cannot say',
      { outputSchema: z.object({ n: z.bigint() }) },
      'schema.invalid',
      /agent "lead" cannot be written/,
    ],
  ])('%s', (_what, options, code, message) => {
    expect(faultBy(() => leadOf(options))).toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

describe('[BG-051] [BG-078] a tool is refused', () => {
  test.each<[string, object, RegExp]>([
    ['with a blank name', { name: '' }, /name is blank/],
    ['that both confirms and asks', { confirm: true, askUser: true }, /"echo": confirm and askUser/],
    ['that does all three', { confirm: true, askUser: true, handoff: true }, /confirm and askUser and handoff/],
    ['that may be called no time', { maxPerTurn: 0 }, /"echo": maxPerTurn is 0.*1 or more/],
    ['that may be called half a time', { maxPerTurn: 1.5 }, /maxPerTurn is 1.5/],
    ['that may be called without end', { maxPerTurn: Number.POSITIVE_INFINITY }, /maxPerTurn is Infinity/],
    ['that may be called as often as a word says', { maxPerTurn: '2' as never }, /maxPerTurn is 2/],
    ['with no time', { timeoutMs: 0 }, /timeoutMs is 0/],
    ['with a time that is no number', { timeoutMs: Number.NaN }, /timeoutMs is NaN/],
    ['with negative retries', { retries: -1 }, /retries is -1/],
    ['with a negative delay', { retryDelayMs: -1 }, /retryDelayMs is -1/],
    ['with a negative preview', { previewLength: -1 }, /previewLength is -1/],
  ])('%s', (_what, options, message) => {
    expect(faultBy(() => toolOf(options))).toMatchObject({
      code: 'tool.invalid',
      message: expect.stringMatching(message),
    });
  });

  test('unless what contradicts is switched off', () => {
    expect(toolOf({ confirm: true, askUser: false, handoff: false }).confirm).toBe(true);
  });

  test('when its input schema is none', () => {
    const fault = faultBy(() =>
      defineTool({ name: 'x', description: '', inputSchema: {} as never, execute: () => '' }),
    );
    expect(fault).toMatchObject({ code: 'schema.invalid', message: expect.stringMatching(/inputSchema of tool "x"/) });
  });
});

describe('[BG-051] a job is refused before anything is started', () => {
  test.each<[string, object, string, RegExp]>([
    ['with a negative limit', { input: '', budget: { toolCalls: -1 } }, 'budget.invalid', /"lead".*"toolCalls"/],
    [
      'with a message of no known role',
      { input: '', messages: [{ role: 'boss', content: '' }] },
      'job.invalid',
      /"lead".*"messages.0.role"/,
    ],
    [
      'with an attachment that is none',
      { input: '', attachments: [{ type: 'smell' }] },
      'job.invalid',
      /"attachments.0/,
    ],
    [
      'with an output schema that is none',
      { input: '', outputSchema: {} },
      'schema.invalid',
      /job.*"lead".*Standard Schema/,
    ],
  ])('%s', async (_what, job, code, message) => {
    const { runtime, events } = openRuntime({ provider });
    expect(faultBy(() => runtime.start(leadOf(), job as never))).toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect([events, await runtime.runs.list()]).toEqual([[], []]);
  });
});

test('[BG-050] a definition is frozen and keeps its schemas as JSON Schema', () => {
  const agent = defineAgent({
    name: 'a',
    instructions: '',
    tools: [toolOf()],
    outputSchema: z.object({ n: z.number() }),
  });
  expect([Object.isFrozen(agent), Object.isFrozen(agent.tools), Object.isFrozen(agent.tools[0])]).toEqual([
    true,
    true,
    true,
  ]);
  expect(agent.outputJSONSchema).toMatchObject({
    type: 'object',
    properties: { n: { type: 'number' } },
    required: ['n'],
  });
  expect(agent.tools[0]?.inputJSONSchema).toMatchObject({ properties: { text: { type: 'string' } } });
});

test('[BG-052] a closed runtime refuses to start runs, and names the agent', async () => {
  const { runtime } = openRuntime({ provider, store: memoryStore() });
  await runtime.close();
  expect(faultBy(() => runtime.start(leadOf(), 'Go.'))).toMatchObject({
    code: 'runtime.closed',
    message: expect.stringContaining('"lead"'),
  });
});
