import { defineTool, withRetry } from '@troupe/core';
import type { Message, Part } from '@troupe/protocol';
import { type ScriptedRequest, scriptedProvider, type Turn } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { z } from 'zod';
import { openRuntime, settle } from '../../../test/support/open-runtime.ts';
import { call, leadOf, only, toolOf } from './lead.ts';

const image: Part = { type: 'image', url: 'data:image/png;base64,AAAA' };
const file: Part = { type: 'file', url: 'https://example.org/a.pdf', name: 'a.pdf' };
const hasImage = ({ request }: ScriptedRequest) => JSON.stringify(request.messages).includes(image.url);

const open = (script: Parameters<typeof scriptedProvider>[0]) => {
  const provider = scriptedProvider(script);
  return { provider, ...openRuntime({ provider, clock: new SimulatedClock() }) };
};

describe('[BG-070] a job', () => {
  test('is data, stored as it was given', async () => {
    const { runtime, events } = open(['Done.']);
    const messages: Message[] = [{ role: 'user', content: 'Earlier.' }];
    const job = {
      input: { city: 'Köln' },
      expectedOutput: 'A name.',
      constraints: ['Be brief.'],
      messages,
      attachments: [image],
      metadata: { n: [1] },
    };
    const { runId } = await runtime.run(leadOf({ tools: [toolOf()] }), { ...job, tools: ['echo'] });
    expect(only(events, 'run.started')[0]?.job).toEqual({ ...job, tools: ['echo'] });
    expect((await runtime.runs.get(runId))?.job).toEqual({ ...job, tools: ['echo'] });
  });

  test('is told to the model: input that is no text as JSON, expectations and constraints behind the instructions', async () => {
    const { runtime, provider } = open(['Done.']);
    await runtime.run(leadOf(), {
      input: { city: 'Köln' },
      expectedOutput: 'A name.',
      constraints: 'Be brief.',
      metadata: { secret: 'no' },
    });
    expect(provider.requests[0]?.request.messages).toEqual([
      { role: 'system', content: 'Lead.\n\nExpected output: A name.\n\nConstraints:\n- Be brief.' },
      { role: 'user', content: '{"city":"Köln"}' },
    ]);
  });

  test.each<[what: string, job: unknown, found: RegExp]>([
    ['that is not there', undefined, /has no input\. Expected text, or \{ input \}/],
    ['that is null', null, /has no input/],
    ['that is neither text nor an object', 7, /has no input/],
    ['without an input', { messages: [{ role: 'user', content: 'Go.' }] }, /has no input.*"" where messages/],
    ['whose input is a function', { input: () => 'Go.' }, /an input that is no data, a function/],
    ['whose input is no number', { input: Number.NaN }, /an input that is no data, NaN/],
  ])('%s is refused, wherever it is given', async (_what, job, found) => {
    const { runtime, provider } = open([{ calls: [call()] }, 'Done.']);
    const refused = expect.objectContaining({ code: 'job.invalid', message: expect.stringMatching(found) });
    expect(() => runtime.start(leadOf(), job as never)).toThrow(refused);
    const helper = leadOf({ name: 'helper' });
    const spawn = toolOf({ execute: (_input, context) => context.spawn(helper, job as never).then(() => 'Started.') });
    const report = await runtime.run(leadOf({ tools: [spawn] }), 'Go.');
    expect(report.calls[0]).toMatchObject({
      status: 'error',
      result: expect.stringMatching(/The job for \\"helper\\" has/),
    });
    expect(provider.requests).toHaveLength(2);
  });

  test('whose input is null, as data, is told so', async () => {
    const { runtime, provider } = open(['Done.']);
    await runtime.run(leadOf(), { input: null });
    expect(provider.requests[0]?.request.messages.at(-1)?.content).toBe('null');
  });

  test('may bring an output schema of its own', async () => {
    const { runtime, provider } = open(['{"n":1}']);
    const agent = leadOf({ outputSchema: z.object({ other: z.string() }) });
    const report = await runtime.run(agent, { input: 'Go.', outputSchema: z.object({ n: z.number() }) });
    expect(report.data).toEqual({ n: 1 });
    expect(provider.requests[0]?.request.output?.schema).toMatchObject({ required: ['n'] });
  });
});

test('[BG-071] a report holds everything that a run gave', async () => {
  const { runtime } = open([{ calls: [call('a'), { ...call('b'), name: 'gone' }] }, '{"n":1}']);
  const report = await runtime.run(leadOf({ tools: [toolOf()], outputSchema: z.object({ n: z.number() }) }), 'Go.', {
    runId: 'r',
  });
  expect(report).toEqual({
    runId: 'r',
    agent: 'lead',
    status: 'completed',
    exitReason: 'answered',
    createdAt: 0,
    endedAt: 0,
    text: '{"n":1}',
    data: { n: 1 },
    questions: [],
    usage: expect.objectContaining({
      total: { inputTokens: 20, outputTokens: 10 },
      turns: 2,
      toolCalls: 2,
      activeMs: 0,
    }),
    calls: [
      { callId: 'call_1', tool: 'echo', arguments: { text: 'a' }, result: 'a', status: 'ok', startedAt: 0, endedAt: 0 },
      expect.objectContaining({
        callId: 'call_2',
        tool: 'gone',
        status: 'error',
        result: expect.stringContaining('Tool not found: gone'),
      }),
    ],
    children: [],
    messages: [
      { role: 'system', content: 'Lead.' },
      { role: 'user', content: 'Go.' },
      expect.objectContaining({
        role: 'assistant',
        calls: [expect.objectContaining({ id: 'call_1' }), expect.objectContaining({ id: 'call_2' })],
      }),
      { role: 'tool', callId: 'call_1', content: 'a' },
      expect.objectContaining({ role: 'tool', callId: 'call_2' }),
      { role: 'assistant', content: '{"n":1}' },
    ],
  });
});

test('[BG-071] the report of a run that failed has its fault, and what it said as partial text only', async () => {
  const { runtime } = open([{ text: 'I think', fault: { code: 'model.unavailable', message: 'Gone.' } }]);
  expect(await runtime.run(leadOf(), 'Go.', { runId: 'r' })).toMatchObject({
    status: 'failed',
    exitReason: 'model_error',
    text: null,
    partialText: 'I think',
    fault: { code: 'model.unavailable', message: 'Gone.', retryable: false, runId: 'r' },
  });
});

test('[BG-072] the instructions are joined to a leading system message of the job', async () => {
  const { runtime, provider } = open(['Done.']);
  await runtime.run(leadOf(), {
    input: 'Go.',
    messages: [
      { role: 'system', content: 'House rules.' },
      { role: 'user', content: 'Hi.' },
    ],
  });
  expect(provider.requests[0]?.request.messages.map(({ role, content }) => [role, content])).toEqual([
    ['system', 'House rules.\n\nLead.'],
    ['user', 'Hi.'],
    ['user', 'Go.'],
  ]);
});

describe('[BG-073] tools that a job names', () => {
  const namesIn = ({ request }: ScriptedRequest) =>
    request.tools.map(({ name, description }) => `${name}: ${description}`);
  const ask = defineTool({
    name: 'ask',
    description: 'Asks.',
    inputSchema: z.object({}),
    confirm: true,
    execute: () => 'asked',
  });

  test("replace the agent's, by name or as they are, the last of one name, none twice", async () => {
    const { runtime, provider, events } = open(['Done.']);
    const agent = leadOf({ tools: [toolOf(), toolOf({ name: 'other' })] });
    await runtime.run(agent, {
      input: 'Go.',
      tools: ['echo', 'echo', ask, toolOf({ name: 'ask', description: 'Newer.' }), 'missing'],
    });
    expect(provider.requests.map(namesIn)).toEqual([['echo: Says it again.', 'ask: Newer.']]);
    expect(only(events, 'warning.raised')).toMatchObject([
      { code: 'tool.unknown', message: expect.stringMatching(/"missing".*"lead"/) },
    ]);
  });

  test('may be none at all', async () => {
    const { runtime, provider } = open(['Done.']);
    await runtime.run(leadOf({ tools: [toolOf()] }), { input: 'Go.', tools: [] });
    expect(provider.requests[0]?.request.tools).toEqual([]);
  });

  test('are the same after a pause', async () => {
    const { runtime, provider } = open([{ calls: [{ name: 'ask', arguments: {} }] }, 'Done.']);
    const run = runtime.start(leadOf({ tools: [toolOf()] }), { input: 'Go.', tools: [ask] });
    expect((await run.report).status).toBe('paused');
    await runtime.resume(run.id, 'yes');
    expect(provider.requests.map(namesIn)).toEqual([['ask: Asks.'], ['ask: Asks.']]);
    expect((await run.report).calls[0]).toMatchObject({ result: 'asked', status: 'ok' });
  });
});

describe('attachments reach the model', () => {
  test.each(['Look.', ''])('[B-03] in the first turn, with the input "%s"', async (input) => {
    const { runtime, provider } = open(['Done.']);
    await runtime.run(leadOf(), { input, attachments: [image, file] });
    const content = [...(input ? [{ type: 'text', text: input }] : []), image, file];
    expect(provider.requests[0]?.request.messages.at(-1)).toEqual({ role: 'user', content });
  });

  test.each<[string, Turn]>([
    ['[B-05] when the answer streams in pieces', { deltas: ['Do', 'ne', '.'] }],
    ['[B-05] when it comes in one piece', 'Done.'],
    ['[B-08] when the model reasons', { reasoning: 'Hm.', text: 'Done.' }],
  ])('%s', async (_how, turn) => {
    const { runtime, provider } = open([turn]);
    const report = await runtime.run(leadOf(), { input: 'Look.', attachments: [image] });
    expect([report.text, hasImage(provider.requests[0] as ScriptedRequest)]).toEqual(['Done.', true]);
  });

  test.each(['off', 'low', 'medium', 'high'] as const)(
    '[B-08] with reasoning "%s", and the setting with them',
    async (reasoning) => {
      const { runtime, provider } = open(['Done.']);
      await runtime.run(leadOf({ settings: { reasoning } }), { input: 'Look.', attachments: [image] });
      expect(provider.requests.map((asked) => [hasImage(asked), asked.request.settings])).toEqual([
        [true, { reasoning }],
      ]);
    },
  );

  const ask = defineTool({
    name: 'ask',
    description: '',
    inputSchema: z.object({}),
    confirm: true,
    execute: () => 'asked',
  });
  test.each<[string, Turn[], number]>([
    ['after calls', [{ calls: [call()] }, 'Done.'], 2],
    ['after a question', [{ calls: [{ name: 'ask', arguments: {} }] }, 'Done.'], 2],
    ['when nothing was answered', ['', 'Done.'], 2],
    ['when an attempt failed', [{ fault: { retryable: true } }, 'Done.'], 2],
  ])('[B-09] again in a later turn: %s', async (_when, script, asked) => {
    const provider = scriptedProvider(script);
    const { runtime } = openRuntime({ provider: withRetry(provider, { baseMs: 0 }) });
    const run = runtime.start(leadOf({ tools: [toolOf(), ask] }), { input: 'Look.', attachments: [image] });
    if ((await run.report).status === 'paused') await runtime.resume(run.id, 'yes');
    expect([(await run.ended).text, provider.requests.map(hasImage)]).toEqual(['Done.', Array(asked).fill(true)]);
  });

  test('[B-09] again in a later turn: when the answer did not fit, and after a pause with steering', async () => {
    const { runtime, provider } = open(['no', { hang: true }, '{"n":1}']);
    const run = runtime.start(leadOf({ outputSchema: z.object({ n: z.number() }) }), {
      input: 'Look.',
      attachments: [image],
    });
    await settle();
    await run.pause();
    await run.steer('Look closer.');
    await run.resume();
    expect((await run.report).data).toEqual({ n: 1 });
    expect(provider.requests.map(hasImage)).toEqual([true, true, true]);
  });

  test('[B-09] from an earlier message of the job, and in a child', async () => {
    const { runtime, provider } = open((_request, { depth, turn }) =>
      depth === 0 && turn === 1 ? { calls: [{ name: 'hand', arguments: {} }] } : 'Done.',
    );
    const hand = defineTool({
      name: 'hand',
      description: 'Hands over.',
      inputSchema: z.object({}),
      execute: async (_input, { spawn }) =>
        (await (await spawn(leadOf({ name: 'helper' }), { input: '', attachments: [image] })).report).text ?? '',
    });
    await runtime.run(leadOf({ tools: [hand] }), { input: 'Go.', messages: [{ role: 'user', content: [image] }] });
    expect(provider.requests.map((asked) => [asked.context.agent, hasImage(asked)])).toEqual([
      ['lead', true],
      ['helper', true],
      ['lead', true],
    ]);
  });

  test('[B-09] and are there when the conversation came back from the store', async () => {
    const { runtime } = open([{ calls: [call()] }, 'Done.']);
    const before = await runtime.run(leadOf({ tools: [toolOf()] }), {
      input: 'Look.',
      attachments: [image],
      messages: [{ role: 'user', content: [file] }],
    });
    const after = await (await runtime.attach(before.runId)).report;
    expect(after.messages).toEqual(before.messages);
    expect(JSON.stringify(after.messages)).toContain(image.url);
  });
});
