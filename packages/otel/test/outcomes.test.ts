import { memoryStore } from '@troupe/core';
import { FaultError, keepSecret } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { traceRuns } from '../src/index.ts';
import { named, openReceiver, type Received, treeOf } from './receiver.ts';
import { askHelpers, call, leadOf, openTeam, settle, toolOf } from './team.ts';

const error = 2;
const statusOf = ({ attributes }: Received) => attributes['troupe.status'];

describe('a run that does not complete', () => {
  test('fails with the code of its fault, and so does the model call that failed it, with all its attempts', async () => {
    const { tracer, spans } = await openReceiver();
    const fault = { code: 'model.rate_limited', message: 'Too many requests.', retryable: false };
    const usage = { inputTokens: 7, outputTokens: 1 };
    const attempt = { type: 'attempt' as const, number: 1, provider: 'house', model: 'house/large', usage, waitMs: 5 };
    const { runtime } = openTeam([], {
      provider: {
        async *takeTurn() {
          yield { type: 'text', delta: 'Well' };
          yield { ...attempt, fault };
          throw new FaultError('model.rate_limited', 'Still too many requests.');
        },
      },
    });
    traceRuns(runtime.events$, { tracer });
    await runtime.run(leadOf(), 'Go.');
    const [chat, run] = await spans();
    expect(chat?.attributes).toMatchObject({
      'error.type': 'model.rate_limited',
      'troupe.status': 'failed',
      'troupe.turn.attempts': 1,
      'gen_ai.usage.input_tokens': 7,
    });
    expect(chat?.attributes).not.toHaveProperty('gen_ai.response.time_to_first_chunk');
    expect(chat?.events).toEqual([
      {
        name: 'troupe.turn.attempted',
        at: 1_000,
        attributes: {
          'troupe.attempt': 1,
          'gen_ai.provider.name': 'house',
          'gen_ai.request.model': 'house/large',
          'error.type': 'model.rate_limited',
          'troupe.wait_ms': 5,
        },
      },
    ]);
    for (const span of [chat, run]) expect(span?.status).toEqual({ code: error, message: 'model.rate_limited' });
    expect(run?.attributes).toMatchObject({ 'troupe.status': 'failed', 'troupe.run.exit_reason': 'model_error' });
  });

  test('is no error when it was interrupted: all that was under way below it is cancelled', async () => {
    // given a lead whose helper waits for its model
    const { tracer, spans } = await openReceiver();
    const { runtime } = openTeam((_request, { agent }) =>
      agent === 'helper' ? { text: 'Well', hang: true } : { calls: [call('ask_helpers', 'up')] },
    );
    traceRuns(runtime.events$, { tracer });
    const run = runtime.start(leadOf({ tools: [askHelpers()] }), 'Go.');
    await settle();
    // when the lead is interrupted
    await run.interrupt('enough');
    await run.ended;
    // then nothing failed, and every span has ended
    const all = await spans();
    expect(treeOf(all)).toBe(
      'invoke_agent lead [chat house/small, execute_tool ask_helpers [invoke_agent helper [chat house/small]]]',
    );
    expect(all.map(({ name, status }) => [name, status.code])).toEqual(all.map(({ name }) => [name, 0]));
    expect(all.map(statusOf)).toEqual(['completed', 'cancelled', 'interrupted', 'ok', 'interrupted']);
    expect(named(all, 'invoke_agent helper').attributes['troupe.run.exit_reason']).toBe('parent_interrupted');
    expect(JSON.stringify(all)).not.toContain('enough');
  });

  test('leaves calls that were cancelled, which is no error', async () => {
    const { tracer, spans } = await openReceiver();
    const { runtime } = openTeam([{ calls: [call('slow')] }]);
    traceRuns(runtime.events$, { tracer });
    const slow = toolOf({ name: 'slow', execute: () => new Promise(() => {}) });
    const run = runtime.start(leadOf({ tools: [slow] }), { input: 'Go.', tools: ['slow', 'gone'] });
    await settle();
    await run.interrupt();
    await run.ended;
    const all = await spans();
    expect(named(all, 'execute_tool slow')).toMatchObject({
      status: { code: 0 },
      attributes: { 'troupe.status': 'cancelled' },
    });
    expect(named(all, 'invoke_agent lead').events).toMatchObject([
      { name: 'troupe.warning.raised', attributes: { 'troupe.code': 'tool.unknown' } },
    ]);
  });

  test('leaves calls that say how they failed: tool_error, timeout, refused', async () => {
    const { tracer, spans } = await openReceiver();
    const { runtime, clock } = openTeam([
      { calls: [call('broken'), call('slow'), call('nobody'), call('broken')] },
      'Never mind.',
    ]);
    traceRuns(runtime.events$, { tracer });
    const broken = toolOf({
      name: 'broken',
      execute: () => {
        throw new Error('It is a secret plan.');
      },
    });
    const slow = toolOf({ name: 'slow', timeoutMs: 40, execute: () => new Promise(() => {}) });
    const run = runtime.start(leadOf({ tools: [broken, slow], budget: { toolCalls: 3 } }), 'Go.');
    await settle();
    clock.increment(40);
    await run.ended;
    const all = await spans();
    const calls = all.filter(({ name }) => name.startsWith('execute_tool'));
    expect(calls.map(({ name, attributes, status }) => [name, attributes['error.type'], status])).toEqual([
      ['execute_tool broken', 'tool_error', { code: error }],
      ['execute_tool slow', 'timeout', { code: error }],
      ['execute_tool nobody', 'tool_error', { code: error }],
      ['execute_tool broken', 'refused', { code: error }],
    ]);
    expect(JSON.stringify(all)).not.toContain('secret plan');
  });
});

describe('a run that waits', () => {
  test('goes on in the same span once its question is answered; the call says what it waited for', async () => {
    const { tracer, spans } = await openReceiver();
    const { runtime, clock } = openTeam([{ calls: [call('drop')] }, 'Dropped.']);
    traceRuns(runtime.events$, { tracer });
    const run = runtime.start(leadOf({ tools: [toolOf({ name: 'drop', confirm: true })] }), 'Go.');
    const { questions } = await run.report;
    clock.increment(60_000);
    await runtime.resume(run.id, true);
    const all = await spans();
    const drop = named(all, 'execute_tool drop');
    expect([drop.from, drop.to, drop.status.code]).toEqual([1_000, 61_000, 0]);
    const about = { 'troupe.question.id': questions[0]?.id };
    expect(drop.events).toEqual([
      { name: 'troupe.question.asked', at: 1_000, attributes: { ...about, 'troupe.question.kind': 'confirmation' } },
      { name: 'troupe.question.answered', at: 61_000, attributes: about },
    ]);
    expect(named(all, 'invoke_agent lead').events.map(({ name, at }) => [name, at])).toEqual([
      ['troupe.run.paused', 1_000],
      ['troupe.run.resumed', 61_000],
    ]);
  });

  test('for somebody to resume it has a cancelled model call, and takes the turn again in another', async () => {
    const { tracer, spans } = await openReceiver();
    let asked = 0;
    const { runtime, clock } = openTeam(() => (++asked === 1 ? { text: 'Well', hang: true } : 'Done.'));
    traceRuns(runtime.events$, { tracer });
    const run = runtime.start(leadOf(), 'Go.');
    await settle();
    clock.increment(10);
    await run.pause();
    clock.increment(5_000);
    await run.resume();
    await run.ended;
    const all = await spans();
    expect(all.map((span) => [span.name, span.from, span.to, statusOf(span)])).toEqual([
      ['chat house/small', 1_000, 1_010, 'cancelled'],
      ['chat house/small', 6_010, 6_010, 'completed'],
      ['invoke_agent lead', 1_000, 6_010, 'completed'],
    ]);
  });

  test('and was let go by its parent outlives the span of that one', async () => {
    const { tracer, spans } = await openReceiver();
    const { runtime } = openTeam((_request, { agent, turn }) => {
      if (agent === 'lead') return turn === 1 ? { calls: [call('ask_helpers', 'up')] } : 'It waits.';
      return turn === 1 ? { calls: [call('drop')] } : 'Dropped.';
    });
    traceRuns(runtime.events$, { tracer });
    const asking = leadOf({ name: 'helper', tools: [toolOf({ name: 'drop', confirm: true })] });
    const run = runtime.start(leadOf({ tools: [askHelpers(asking, 'error')] }), 'Go.');
    await run.ended;
    expect((await spans()).map(({ name }) => name)).not.toContain('invoke_agent helper');
    const [child] = await runtime.runs.list({ status: 'paused' });
    await runtime.resume(child?.runId ?? '', true);
    const all = await spans();
    expect(treeOf(all)).toContain('[invoke_agent helper [chat house/small, execute_tool drop, chat house/small]]');
    expect(statusOf(named(all, 'invoke_agent helper'))).toBe('completed');
  });
});

describe('moments', () => {
  test('of a run stand on its span, without what was said in them', async () => {
    const { tracer, spans } = await openReceiver();
    const { runtime } = openTeam((_request, { agent, turn }) => {
      if (agent === 'helper') return 'Yes.';
      return turn === 1 ? { calls: [call('ask_helpers', 'up down'), call('drop')] } : 'Done.';
    });
    traceRuns(runtime.events$, { tracer });
    const drop = toolOf({ name: 'drop', confirm: true });
    const lead = leadOf({ tools: [askHelpers(), drop], budget: { children: 1, toolCalls: 2 }, approval: 'deny' });
    const run = runtime.start(lead, 'Go.');
    await run.steer('Hurry, says the boss.');
    await run.raise({ turns: 30 });
    await run.ended;
    const { events } = named(await spans(), 'invoke_agent lead');
    expect(events.map(({ name, attributes }) => [name, attributes])).toEqual(
      expect.arrayContaining([
        ['troupe.run.steered', {}],
        [
          'troupe.budget.raised',
          { 'troupe.by': expect.any(String), 'troupe.budget': expect.stringContaining('"turns":30') },
        ],
        [
          'troupe.policy.applied',
          { 'troupe.policy': 'approval', 'troupe.decision': 'denied', 'troupe.subject': 'drop' },
        ],
        ['troupe.child.refused', { 'troupe.code': 'spawn.refused', 'troupe.limit': 1 }],
        ['troupe.budget.warned', { 'troupe.kind': 'toolCalls', 'troupe.spent': 2, 'troupe.limit': 2 }],
      ]),
    );
    expect(JSON.stringify(events)).not.toContain('boss');
  });

  test('of memories name the scope and the key', async () => {
    const { tracer, spans } = await openReceiver();
    const { runtime } = openTeam(['Done.'], { memory: memoryStore() });
    traceRuns(runtime.events$, { tracer });
    await runtime.run(leadOf({ memoryScope: 'ours' }), 'Go.');
    expect(named(await spans(), 'invoke_agent lead').events.map(({ name, attributes }) => [name, attributes])).toEqual([
      ['troupe.memory.read', { 'troupe.scope': 'ours', 'troupe.key': 'context', 'troupe.found': false }],
      ['troupe.memory.written', { 'troupe.scope': 'ours', 'troupe.key': 'last_output' }],
    ]);
  });
});

test('a summary is a model call of its own, so that the spans add up to the usage of the report', async () => {
  const { tracer, spans } = await openReceiver();
  let full = true;
  const { runtime } = openTeam(({ messages }, { turn }) => {
    if (JSON.stringify(messages).includes('summar')) return 'In short.';
    if (turn < 3) return { calls: [call('echo', 'so')] };
    if (!full) return 'Done.';
    full = false;
    return {
      fault: { code: 'model.context_length', message: 'Too long.' },
      usage: { inputTokens: 3, outputTokens: 0 },
    };
  });
  traceRuns(runtime.events$, { tracer, content: true });
  const report = await runtime.run(leadOf({ tools: [toolOf()] }), 'Go.');
  const chats = (await spans()).filter(({ name }) => name.startsWith('chat'));
  expect(chats.map((span) => [statusOf(span), span.attributes['gen_ai.conversation.compacted']])).toEqual([
    ['completed', undefined],
    ['completed', undefined],
    ['failed', undefined],
    ['completed', undefined],
    ['completed', true],
  ]);
  expect(chats[3]?.attributes).toMatchObject({ 'troupe.context.summarized': expect.any(Number) });
  const sum = (of: string) => chats.reduce((all, { attributes }) => all + Number(attributes[of] ?? 0), 0);
  expect([sum('gen_ai.usage.input_tokens'), sum('gen_ai.usage.output_tokens')]).toEqual([
    report.usage.total.inputTokens,
    report.usage.total.outputTokens,
  ]);
});

describe('what was said', () => {
  const talk = () =>
    openTeam([
      { reasoning: 'Let me see.', text: 'I ask.', calls: [{ name: 'echo', arguments: { text: 'so' } }] },
      'Done.',
    ]);
  const lead = leadOf({ tools: [toolOf({ confirm: true })] });
  const run = async ({ runtime }: ReturnType<typeof talk>, input: string) => {
    const messages = [
      { role: 'user' as const, content: 'Before.' },
      { role: 'assistant' as const, content: '', calls: [{ id: 'c0', name: 'echo', arguments: 'no JSON' }] },
      { role: 'tool' as const, content: 'It was.', callId: 'c0' },
    ];
    const started = runtime.start(lead, { input, messages });
    await started.report;
    return runtime.resume(started.id, true);
  };

  test('is not in any span unless it is asked for', async () => {
    const { tracer, spans } = await openReceiver();
    const team = talk();
    traceRuns(team.runtime.events$, { tracer });
    await run(team, 'Go, then.');
    const text = JSON.stringify(await spans());
    for (const said of ['Go, then.', 'Before.', 'Let me see.', 'I ask.', 'so"', 'Done.'])
      expect(text).not.toContain(said);
  });

  test('is there in the shape of the conventions when it is, each message once for each model call', async () => {
    const { tracer, spans } = await openReceiver();
    const team = talk();
    traceRuns(team.runtime.events$, { tracer, content: true });
    await run(team, 'Go.');
    const all = await spans();
    const json = (span: Received | undefined, key: string) => JSON.parse(String(span?.attributes[key])) as unknown;
    const asked = [
      { role: 'user', parts: [{ type: 'text', content: 'Before.' }] },
      {
        role: 'assistant',
        parts: [
          { type: 'text', content: '' },
          { type: 'tool_call', id: 'c0', name: 'echo', arguments: 'no JSON' },
        ],
      },
      { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c0', response: 'It was.' }] },
      { role: 'user', parts: [{ type: 'text', content: 'Go.' }] },
    ];
    const [first, second] = all.filter(({ name }) => name.startsWith('chat'));
    expect(json(first, 'gen_ai.input.messages')).toEqual(asked);
    expect(json(first, 'gen_ai.output.messages')).toEqual([
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', content: 'Let me see.' },
          { type: 'text', content: 'I ask.' },
          { type: 'tool_call', id: 'call_1', name: 'echo', arguments: { text: 'so' } },
        ],
        finish_reason: 'tool_call',
      },
    ]);
    expect(json(second, 'gen_ai.input.messages')).toEqual([
      { role: 'tool', parts: [{ type: 'tool_call_response', id: 'call_1', response: 'so' }] },
    ]);
    const whole = named(all, 'invoke_agent lead');
    expect(json(whole, 'gen_ai.input.messages')).toEqual(asked);
    expect(json(whole, 'gen_ai.output.messages')).toEqual([
      { role: 'assistant', parts: [{ type: 'text', content: 'Done.' }], finish_reason: 'stop' },
    ]);
    const echo = named(all, 'execute_tool echo');
    expect(echo.attributes).toMatchObject({
      'gen_ai.tool.call.arguments': '{"text":"so"}',
      'gen_ai.tool.call.result': 'so',
    });
    expect(echo.events.map(({ attributes }) => attributes)).toMatchObject([
      { 'troupe.question.prompt': expect.any(String) },
      { 'troupe.question.answer': 'true' },
    ]);
  });

  test('holds no secret, also none that becomes known only later', async () => {
    const { tracer, spans } = await openReceiver();
    const team = talk();
    // given events with what nobody knew to be a secret
    await run(team, 'The word is xyzzy-plugh-42.');
    keepSecret('xyzzy-plugh-42');
    // when they are traced
    traceRuns(team.events, { tracer, content: true });
    // then it is left out
    const text = JSON.stringify(await spans());
    expect(text).toContain('The word is [redacted].');
    expect(text).not.toContain('xyzzy');
  });

  test.each([
    [false, 'model.refused'],
    [true, 'The model said: my cat is Tibbles.'],
  ])('of a fault that quotes it is there only when asked for: content is %s', async (content, message) => {
    const { tracer, spans } = await openReceiver();
    const fault = { code: 'model.refused', message: 'The model said: my cat is Tibbles.', retryable: false };
    const { runtime } = openTeam([{ fault }]);
    traceRuns(runtime.events$, { tracer, content });
    await runtime.run(leadOf(), 'Go.');
    const all = await spans();
    expect(all.map(({ status }) => status)).toEqual([
      { code: error, message },
      { code: error, message },
    ]);
    expect(JSON.stringify(all).includes('Tibbles')).toBe(content);
  });

  test('includes why something failed or was interrupted', async () => {
    const { tracer, spans } = await openReceiver();
    const { runtime } = openTeam([{ calls: [call('broken')] }, { hang: true }]);
    traceRuns(runtime.events$, { tracer, content: true });
    const broken = toolOf({ name: 'broken', execute: () => ({ error: 'No such file.' }) });
    const started = runtime.start(leadOf({ tools: [broken] }), 'Go.');
    await settle();
    await started.interrupt('enough');
    await started.ended;
    const all = await spans();
    expect(named(all, 'execute_tool broken').status.message).toBe('No such file.');
    expect(named(all, 'invoke_agent lead').attributes['troupe.run.reason']).toBe('enough');
  });
});
