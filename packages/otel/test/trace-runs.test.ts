import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jsonlSink, readJsonl } from '@troupe/core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { traceRuns } from '../src/index.ts';
import { named, openReceiver, treeOf } from './receiver.ts';
import { askHelpers, call, helper, leadOf, openTeam, settle, toolOf } from './team.ts';

describe('a tree of runs', () => {
  test('arrives as one trace: runs, their model calls and calls, and children below the call that started them', async () => {
    // given a lead that asks two helpers, and then a tool
    const { tracer, spans } = await openReceiver();
    const { runtime } = openTeam(({ messages }, { agent, turn }) => {
      if (agent === 'helper') return `${String(messages.at(-1)?.content)}!`;
      if (turn === 1) return { calls: [call('ask_helpers', 'up down')] };
      return turn === 2 ? { calls: [call('echo', 'so')] } : 'Done.';
    });
    const tracing = traceRuns(runtime.events$, { tracer });
    // when it has run
    await runtime.run(leadOf({ tools: [askHelpers(), toolOf()] }), 'Go.');
    // then its spans are nested as its runs are
    const all = await spans();
    expect(treeOf(all)).toBe(
      'invoke_agent lead [chat house/small, ' +
        'execute_tool ask_helpers [invoke_agent helper [chat house/small], invoke_agent helper [chat house/small]], ' +
        'chat house/small, execute_tool echo, chat house/small]',
    );
    expect(new Set(all.map(({ traceId }) => traceId)).size).toBe(1);
    expect(all.filter(({ status }) => status.code !== 0)).toEqual([]);
    tracing.unsubscribe();
  });

  test('is told in the words of the conventions', async () => {
    const { tracer, spans } = await openReceiver();
    const usage = { inputTokens: 100, outputTokens: 20, cachedTokens: 40, reasoningTokens: 5, costUsd: 0.5 };
    const { runtime } = openTeam([
      { calls: [call('echo', 'so')], usage },
      { text: 'Done.', usage },
    ]);
    traceRuns(runtime.events$, { tracer });
    await runtime.start(leadOf({ tools: [toolOf()] }), 'Go.', { runId: 'r', sessionKey: 'chat 7' }).report;
    const all = await spans();
    const spent = {
      'gen_ai.usage.input_tokens': 100,
      'gen_ai.usage.output_tokens': 20,
      'gen_ai.usage.cache_read.input_tokens': 40,
      'gen_ai.usage.reasoning.output_tokens': 5,
      'troupe.usage.cost_usd': 0.5,
    };
    const about = { 'gen_ai.agent.name': 'lead', 'gen_ai.conversation.id': 'chat 7', 'troupe.run.id': 'r' };
    const model = { 'gen_ai.provider.name': 'house', 'gen_ai.request.model': 'house/small' };
    expect(named(all, 'invoke_agent lead')).toMatchObject({ kind: 1, status: { code: 0 } });
    expect(named(all, 'invoke_agent lead').attributes).toEqual({
      'gen_ai.operation.name': 'invoke_agent',
      ...about,
      ...model,
      'gen_ai.usage.input_tokens': 200,
      'gen_ai.usage.output_tokens': 40,
      'gen_ai.usage.cache_read.input_tokens': 80,
      'gen_ai.usage.reasoning.output_tokens': 10,
      'troupe.usage.cost_usd': 1,
      'troupe.root.id': 'r',
      'troupe.run.depth': 0,
      'troupe.run.turns': 2,
      'troupe.run.tool_calls': 1,
      'troupe.run.active_ms': 0,
      'troupe.run.exit_reason': 'answered',
      'troupe.status': 'completed',
    });
    expect(named(all, 'chat house/small').kind).toBe(3);
    expect(all.filter(({ name }) => name === 'chat house/small').map(({ attributes }) => attributes)).toEqual([
      {
        'gen_ai.operation.name': 'chat',
        ...about,
        ...model,
        ...spent,
        'gen_ai.response.finish_reasons': ['tool_call'],
        'troupe.turn': 1,
        'troupe.status': 'completed',
      },
      {
        'gen_ai.operation.name': 'chat',
        ...about,
        ...model,
        ...spent,
        'gen_ai.response.finish_reasons': ['stop'],
        'gen_ai.response.time_to_first_chunk': 0,
        'troupe.turn': 2,
        'troupe.status': 'completed',
      },
    ]);
    expect(named(all, 'execute_tool echo')).toMatchObject({ kind: 1 });
    expect(named(all, 'execute_tool echo').attributes).toEqual({
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'echo',
      'gen_ai.tool.type': 'function',
      'gen_ai.tool.call.id': 'call_1',
      ...about,
      'troupe.status': 'ok',
    });
  });

  test('has the times of its events, also where they lie before the process began', async () => {
    // given a model that needs 30 ms, and a tool that needs 50 ms, by a clock that began in 1970
    const { tracer, spans } = await openReceiver();
    const { runtime, clock } = openTeam([
      { calls: [call('echo')], delayMs: 30 },
      { deltas: ['Do', 'ne.'], delayMs: 20 },
    ]);
    const { promise, resolve } = Promise.withResolvers<string>();
    traceRuns(runtime.events$, { tracer });
    const run = runtime.start(leadOf({ tools: [toolOf({ execute: () => promise })] }), 'Go.');
    // when time passes
    for (const ms of [30, 50]) {
      await settle();
      clock.increment(ms);
    }
    resolve('so');
    await settle();
    clock.increment(20);
    await run.report;
    // then the spans show it
    const all = await spans();
    const times = all.map(({ name, from, to }) => [name, from, to]);
    expect(times).toEqual([
      ['chat house/small', 1_000, 1_030],
      ['execute_tool echo', 1_030, 1_080],
      ['chat house/small', 1_080, 1_100],
      ['invoke_agent lead', 1_000, 1_100],
    ]);
    expect(all[2]?.attributes['gen_ai.response.time_to_first_chunk']).toBe(0.02);
  });

  test('is a trace of its own for each root, however many run at once', async () => {
    const { tracer, spans } = await openReceiver();
    const { runtime } = openTeam(({ messages }) =>
      messages.length > 2 ? 'Done.' : { calls: [call('echo'), call('echo')], delayMs: 0 },
    );
    traceRuns(runtime.events$, { tracer });
    const lead = leadOf({ tools: [toolOf()] });
    await Promise.all([1, 2, 3].map((n) => runtime.run(lead, `Go ${n}.`)));
    const byTrace = Map.groupBy(await spans(), ({ traceId }) => traceId);
    expect([...byTrace.values()].map(treeOf)).toEqual(
      Array(3).fill('invoke_agent lead [chat house/small, execute_tool echo, execute_tool echo, chat house/small]'),
    );
  });

  test('is made of a file of events, too, long after these were told', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-otel-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'runs.jsonl');
    const { runtime } = openTeam([{ calls: [call('echo')] }, 'Done.']);
    const sink = jsonlSink(path);
    runtime.events$.subscribe(sink);
    await runtime.run(leadOf({ tools: [toolOf()] }), 'Go.');
    await runtime.close();
    await sink.closed;
    const { tracer, spans } = await openReceiver();
    const tracing = traceRuns(readJsonl(path), { tracer });
    await new Promise<void>((resolve) => tracing.add(resolve));
    expect(treeOf(await spans())).toBe('invoke_agent lead [chat house/small, execute_tool echo, chat house/small]');
  });

  test('begins where a queued child waits, and says which model it was given once it starts', async () => {
    const { tracer, spans } = await openReceiver();
    const { runtime } = openTeam(({ messages }, { agent, turn }) => {
      if (agent === 'helper') return String(messages.at(-1)?.content);
      return turn === 1 ? { calls: [call('ask_helpers', 'up down')] } : 'Done.';
    });
    traceRuns(runtime.events$, { tracer, providerName: (model) => `our ${model}` });
    await runtime.run(leadOf({ tools: [askHelpers(helper)], budget: { concurrency: 1 } }), 'Go.');
    const helpers = (await spans()).filter(({ name }) => name === 'invoke_agent helper');
    expect(helpers.map(({ attributes }) => attributes['gen_ai.request.model'])).toEqual(['house/small', 'house/small']);
    expect(helpers.map(({ attributes }) => attributes['gen_ai.provider.name'])).toEqual(
      Array(2).fill('our house/small'),
    );
  });
});

test('what is no tracer is refused at once, with a sentence that says what is', () => {
  const { runtime } = openTeam(['Done.']);
  expect(() => traceRuns(runtime.events$, { tracer: undefined as never })).toThrow(
    expect.objectContaining({
      code: 'otel.invalid',
      message:
        'traceRuns got no tracer, but undefined. Expected what trace.getTracer(name) of @opentelemetry/api gives.',
    }),
  );
});
