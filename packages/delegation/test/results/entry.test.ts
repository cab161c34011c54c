import { defineAgent, defineTool, type Report, spawned } from '@troupe/core';
import { ExitReason } from '@troupe/protocol';
import type { Turn } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type DelegationEntry, entryOf, entryStatusOf, timeoutTextOf } from '../../src/index.ts';
import { batchTool, delegate, use, worker } from '../batch.ts';
import { asking, calling, leadWith, open, settle, type Troupe, tool } from '../delegating.ts';

type Play = { budget?: object; during?: (troupe: Troupe) => unknown; lead?: object; open?: boolean };

/** The report that a parent is handed of one child with these turns. */
const childOf = async (turns: readonly Turn[], { budget, during, lead = {}, ...rest }: Play = {}): Promise<Report> => {
  const reports: Report[][] = [];
  const troupe = open({ lead: [calling(delegate({ agent: 'scout', goal: 'A' })), 'Done.'], scout: turns }, rest);
  const agent = leadWith(batchTool([worker('scout')], { reports, ...(budget && { budget }) }), lead);
  const run = troupe.runtime.start(agent, 'Go.', { runId: 'root' });
  await settle();
  await during?.(troupe);
  await run.report;
  return reports[0]![0]!;
};

const always = [
  'api_calls',
  'cost_usd',
  'duration_seconds',
  'exit_reason',
  'model',
  'output_tail',
  'run_id',
  'status',
  'summary',
  'task_index',
  'tokens',
  'tool_calls',
  'tool_trace',
];
const optional = ['partial_text', 'error', 'truncated', 'diagnostic_path', 'question_ids'];

/** Holds of every entry. */
const expectWhole = (entry: DelegationEntry): void => {
  const keys = Object.keys(entry);
  expect(keys.filter((key) => !optional.includes(key)).toSorted()).toEqual(always);
  expect(entry.summary !== null).toBe(entry.status === 'completed');
  expect('error' in entry).toBe(entry.status !== 'completed');
  const { api_calls, tool_calls, cost_usd, duration_seconds, tokens } = entry;
  for (const n of [api_calls, tool_calls, cost_usd, duration_seconds, ...Object.values(tokens)])
    expect(n).toSatisfy(Number.isFinite);
  expect(JSON.parse(JSON.stringify(entry))).toEqual(entry);
};

const paid = { inputTokens: 7, outputTokens: 3, cachedTokens: 2, reasoningTokens: 1, costUsd: 0.25 };

describe('the entry of a child', () => {
  test('that completed has its answer and its spending [HM-101, HM-102]', async () => {
    const report = await childOf([
      { ...calling(use('read')), usage: paid },
      { text: 'Found.', usage: paid },
    ]);
    const entry = entryOf(report, { index: 2 });
    expect(entry).toEqual({
      task_index: 2,
      status: 'completed',
      exit_reason: 'answered',
      summary: 'Found.',
      run_id: 'root/1-0/0',
      model: 'test-model',
      api_calls: 2,
      tool_calls: 1,
      duration_seconds: 0,
      tokens: { input: 14, output: 6, cached: 4, reasoning: 2 },
      cost_usd: 0.5,
      tool_trace: [{ tool: 'read', args_bytes: 2, result_bytes: 9, status: 'ok' }],
      output_tail: [{ tool: 'read', preview: 'read done', is_error: false }],
    });
    expectWhole(entry);
  });

  test('is told what a report does not know', async () => {
    const report = await childOf(['Found.']);
    const about = { index: 0, model: 'big', apiCalls: 4, durationMs: 1_234, diagnosticPath: '/x.log' };
    expect(entryOf(report, about)).toMatchObject({
      model: 'big',
      api_calls: 4,
      duration_seconds: 1.23,
      diagnostic_path: '/x.log',
    });
  });

  test('takes as long as its run did, waiting included [HM-101]', async () => {
    const report = await childOf([{ delayMs: 4_250, text: 'Found.' }], {
      during: ({ clock }) => clock.increment(4_250),
    });
    expect(entryOf(report, { index: 0 })).toMatchObject({ duration_seconds: 4.25 });
    const { createdAt: _, ...unknown } = report;
    expect(entryOf({ ...unknown, usage: { ...report.usage, activeMs: 700 } }, { index: 0 })).toMatchObject({
      duration_seconds: 0.7,
    });
  });

  test('whose turns ran out is partial: what it had said is no summary [HM-102, B-57]', async () => {
    const report = await childOf(
      Array.from({ length: 2 }, () => ({ text: 'So far: 1.', calls: [use('read')], usage: paid })),
      { budget: { turns: 2 } },
    );
    const entry = entryOf(report, { index: 0 });
    expect(entry).toMatchObject({
      status: 'partial',
      exit_reason: 'max_turns',
      summary: null,
      partial_text: 'So far: 1.',
      error: expect.stringContaining('turns'),
      cost_usd: 0.5,
    });
    expectWhole(entry);
    // and one that had said nothing has failed
    expect(entryStatusOf({ ...report, partialText: '' })).toBe('failed');
  });

  test('that did not answer has failed [HM-102]', async () => {
    const entry = entryOf(await childOf(['', '']), { index: 0 });
    expect(entry).toMatchObject({ status: 'failed', exit_reason: 'no_answer', summary: null });
    expectWhole(entry);
  });

  test.each(['(empty)', ' (empty) \n', ' '])('that answered %j has failed [HM-172]', async (text) => {
    const report: Report = { ...(await childOf(['Found.'])), text };
    const entry = entryOf(report, { index: 0 });
    expect(entry).toMatchObject({
      status: 'failed',
      exit_reason: 'no_answer',
      error: 'Subagent did not produce a response.',
    });
    expectWhole(entry);
  });

  test('that gave data alone gives it as JSON', async () => {
    const report: Report = { ...(await childOf(['Found.'])), text: null, data: { moon: 'Titan' } };
    expect(entryOf(report, { index: 0 })).toMatchObject({ status: 'completed', summary: '{"moon":"Titan"}' });
  });

  test('that broke is an error, with what it had spent [HM-103, B-58, B-60]', async () => {
    const report = await childOf([
      { ...calling(use('read')), usage: paid },
      { throws: new TypeError('adapter exploded') },
    ]);
    const entry = entryOf(report, { index: 0 });
    expect(entry).toMatchObject({
      status: 'error',
      error: 'adapter exploded',
      api_calls: 1,
      cost_usd: 0.25,
      tokens: { input: 7 },
      tool_trace: [{ tool: 'read' }],
      model: 'test-model',
    });
    expectWhole(entry);
  });

  test('whose model failed has failed, with the reason', async () => {
    const entry = entryOf(await childOf([{ fault: { message: 'The vendor says no.' } }]), { index: 0 });
    expect(entry).toMatchObject({ status: 'failed', exit_reason: 'model_error', error: 'The vendor says no.' });
    expectWhole(entry);
    expect(entryOf(await childOf([{ fault: { message: ' ' } }]), { index: 0 }).error).toBe(
      'Subagent did not produce a response.',
    );
  });

  test('that ran out of time before its first answer says so, and where to look [HM-104, HM-101]', async () => {
    const report = await childOf([{ hang: true }], {
      budget: { activeMs: 90_000 },
      during: ({ clock }) => clock.increment(90_000),
    });
    const entry = entryOf(report, { index: 0, timeoutMs: 60_000, diagnosticPath: '/logs/x.log' });
    expect(entry).toMatchObject({
      status: 'timeout',
      exit_reason: 'timeout',
      api_calls: 0,
      duration_seconds: 90,
      model: null,
      diagnostic_path: '/logs/x.log',
      error: 'Subagent timed out after 60s without making any API call that was answered. Diagnostic: /logs/x.log',
    });
    expectWhole(entry);
    expect(entryOf(report, { index: 0 }).error).toBe(
      'Subagent timed out after 90s without making any API call that was answered.',
    );
  });

  test('that ran out of time later says how far it had come, and what it had spent [HM-104, B-58]', async () => {
    const report = await childOf([{ ...calling(use('read')), usage: paid }, { hang: true }], {
      budget: { activeMs: 90_000 },
      during: ({ clock }) => clock.increment(90_000),
    });
    const entry = entryOf(report, { index: 0 });
    expect(entry).toMatchObject({
      status: 'timeout',
      api_calls: 1,
      cost_usd: 0.25,
      error:
        'Subagent timed out after 90s with 1 API call completed: it is likely stuck on a slow API call, or in a tool.',
    });
    expectWhole(entry);
    expect(timeoutTextOf({ usage: { ...report.usage, turns: 3 } }, { durationMs: 400 })).toContain(
      'after 0.4s with 3 API calls',
    );
  });

  test('that was idle or stalled has timed out [HM-102]', async () => {
    const report = await childOf([{ fault: { message: 'x' } }]);
    for (const exitReason of ['idle_timeout', 'stalled'] as const) {
      const entry = entryOf({ ...report, exitReason }, { index: 0 });
      expect(entry).toMatchObject({ status: 'timeout', exit_reason: exitReason });
      expectWhole(entry);
    }
  });

  test('that was interrupted says so, with what it had spent [HM-102, B-58]', async () => {
    const report = await childOf([{ ...calling(use('read')), text: 'So far.', usage: paid }, { hang: true }], {
      during: async ({ runtime }) => (await runtime.attach('root/1-0/0')).interrupt(),
    });
    const entry = entryOf(report, { index: 0 });
    expect(entry).toMatchObject({
      status: 'interrupted',
      exit_reason: 'interrupted',
      partial_text: 'So far.',
      error: 'Subagent was interrupted (interrupted).',
      cost_usd: 0.25,
    });
    expectWhole(entry);
  });

  test('that was refused has the same shape, and cost nothing [B-60]', async () => {
    const entry = entryOf(await childOf([], { lead: { budget: { children: 0 } } }), { index: 0 });
    expect(entry).toMatchObject({
      status: 'error',
      exit_reason: 'error',
      model: null,
      cost_usd: 0,
      tool_trace: [],
      api_calls: 0,
    });
    expect(entry.error).toContain('children');
    expectWhole(entry);
  });

  test('that waits for a person and was let go has its questions', async () => {
    const reports: Report[][] = [];
    const { tool: deploy } = asking();
    const scout = defineAgent({ name: 'scout', instructions: '', tools: [deploy] });
    const letting = defineTool({
      name: 'letting',
      description: '',
      inputSchema: z.object({}),
      execute: () => spawned([{ agent: scout, job: 'Deploy.', onPaused: 'error' }]),
      settle: (given) => {
        reports.push(given);
        return { content: 'let go' };
      },
    });
    const { runtime } = open(
      {
        lead: [calling({ name: 'letting', arguments: {} }), 'Done.'],
        scout: [calling({ name: 'deploy', arguments: {} })],
      },
      { open: true },
    );
    await runtime.run(leadWith([letting, tool('x')]), 'Go.', { runId: 'root' });
    const entry = entryOf(reports[0]![0]!, { index: 0 });
    expect(entry).toMatchObject({ status: 'failed', exit_reason: 'question', question_ids: ['root/1-0/0/1-0?'] });
    expect(entry.error).toContain('waits for a person');
    expectWhole(entry);
  });

  test('says where the whole answer is when it shows only the beginning [HM-172]', async () => {
    const report = await childOf(['0123456789']);
    const entry = entryOf(report, { index: 0, maxSummaryChars: 4 });
    expect(entry).toMatchObject({
      truncated: true,
      summary: '[Truncated: the first 4 of 10 characters. The full text is the answer of run "root/1-0/0".]\n\n0123',
    });
    expect(entryOf(report, { index: 0, maxSummaryChars: 10 })).not.toHaveProperty('truncated');
  });

  test('has the same shape whatever the report says, and counts what is no number as 0 [HM-108, B-60]', async () => {
    const base = await childOf([calling(use('read')), 'Found.']);
    const odd = fc.constantFrom<unknown>(0, 5, 0.5, undefined, null, Number.NaN, Number.POSITIVE_INFINITY, '7');
    const usage = fc.record({
      inputTokens: odd,
      outputTokens: odd,
      cachedTokens: odd,
      reasoningTokens: odd,
      costUsd: odd,
    });
    const counts = fc.record({ total: usage, own: usage, turns: odd, toolCalls: odd, activeMs: odd });
    const report = fc.record({
      status: fc.constantFrom('completed', 'failed', 'interrupted', 'paused'),
      exitReason: fc.constantFrom(...ExitReason.options),
      text: fc.option(fc.string()),
      usage: counts.map((some) => ({ ...base.usage, ...some, byModel: {} })),
      createdAt: fc.constantFrom(undefined, 5, 9),
      endedAt: fc.constantFrom(undefined, 7),
      partialText: fc.constantFrom(undefined, '', 'So far.'),
      fault: fc.constantFrom(
        undefined,
        { code: 'x', message: '', retryable: false },
        { code: 'x', message: 'm', retryable: false, details: { errorType: 'E' } },
      ),
    });
    fc.assert(
      fc.property(report, (some) => {
        const { text, ...rest } = some;
        expectWhole(entryOf({ ...base, ...rest, text } as unknown as Report, { index: 0 }));
      }),
    );
  });
});
