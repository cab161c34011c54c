import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineTool } from '@troupe/core';
import type { Turn } from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import type { DelegateOptions } from '../../src/index.ts';
import { fileRegistry, trackFiles } from '../../src/index.ts';
import { calling, eventsOf, settle, tool } from '../delegating.ts';
import { delegate, delegatingOnce, entriesIn, openLead, resultIn, toldIn } from './lead.ts';

/** Runs one task to its end, however much time that takes. */
const entryOf = async (
  turns: readonly Turn[],
  options: DelegateOptions = {},
  ms = 0,
  args: Record<string, unknown> = {},
) => {
  const troupe = delegatingOnce({ goal: 'a', ...args }, { 'task-1': turns }, { options, tools: [tool('look')] });
  const running = troupe.run();
  for (let left = ms; left >= 0; left -= 333) {
    await settle();
    troupe.clock.increment(Math.min(left, 333));
  }
  await settle();
  const report = await running;
  const [entry] = entriesIn(report);
  if (!entry) throw new Error(`no entry in ${report.calls[0]?.result}`);
  return { troupe, report, entry, call: report.calls[0] };
};
/** A folder for logs. */
const logs = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'delegate-logs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};
const usage = { inputTokens: 10, outputTokens: 5, costUsd: 0.5 };
const looks = { calls: [{ name: 'look', arguments: {} }], usage };

describe('what is told of a child', () => {
  test('that completed is its answer [HM-101, HM-102]', async () => {
    const { entry, call } = await entryOf([{ text: 'Nine.', usage }]);
    expect(call?.status).toBe('ok');
    expect(entry).toMatchObject({
      task_index: 0,
      status: 'completed',
      exit_reason: 'answered',
      summary: 'Nine.',
      api_calls: 1,
      model: 'test-model',
      tokens: { input: 10, output: 5 },
      cost_usd: 0.5,
      tool_trace: [],
      output_tail: [],
    });
  });

  test('that ran out of turns is partial, and never a success [HM-102, B-57, F-08, L5]', async () => {
    const turns = [
      { ...looks, text: 'So far.' },
      { ...looks, text: 'Half of it.' },
    ];
    const { entry, call } = await entryOf(turns, { maxIterations: 2 });
    expect(call?.status).toBe('error');
    expect(entry).toMatchObject({
      status: 'partial',
      exit_reason: 'max_turns',
      summary: null,
      partial_text: 'Half of it.',
      cost_usd: 1,
    });
  });

  test('that failed says why, and what it cost [HM-103, B-20, B-58]', async () => {
    const { entry, call } = await entryOf([
      looks,
      { fault: { code: 'model.down', message: 'The model is down.' }, usage },
    ]);
    expect(call?.status).toBe('error');
    expect(entry).toMatchObject({
      status: 'failed',
      exit_reason: 'model_error',
      summary: null,
      error: 'The model is down.',
    });
    expect(entry.cost_usd).toBeGreaterThan(0);
    expect(entry.tool_trace).toMatchObject([{ tool: 'look', status: 'ok' }]);
  });

  test('that gave no answer is a failure [HM-102, HM-172]', async () => {
    expect((await entryOf(['', ''])).entry).toMatchObject({
      status: 'failed',
      exit_reason: 'no_answer',
      summary: null,
    });
    expect((await entryOf(['(empty)'])).entry).toMatchObject({
      status: 'failed',
      exit_reason: 'no_answer',
      summary: null,
    });
  });

  test.each([
    [999, 'completed'],
    [1_000, 'timeout'],
    [1_001, 'timeout'],
  ])('that answers in %i of 1,000 ms is %s [HM-104, HM-023]', async (delayMs, status) => {
    const { entry } = await entryOf([{ text: 'A.', delayMs }], { timeoutMs: 1_000 }, 2_000);
    expect(entry.status).toBe(status);
  });

  test('that timed out before its first answer has a log, in its folder, without secrets [HM-104, HM-105, B-15]', async () => {
    const folder = logs();
    const { entry } = await entryOf([{ hang: true }], { timeoutMs: 1_000, diagnostics: folder }, 1_000, {
      goal: 'Use sk-abcdefghijklmnopqrstuvwxyz123456 wisely.',
    });
    expect(entry).toMatchObject({ status: 'timeout', exit_reason: 'timeout', summary: null });
    expect(entry.error).toContain('without making any API call');
    expect(entry.diagnostic_path?.startsWith(folder)).toBe(true);
    expect(entry.error).toContain(entry.diagnostic_path);
    const [name = ''] = readdirSync(folder);
    expect(name).toMatch(/^subagent-timeout-.*\.log$/);
    const log = readFileSync(join(folder, name), 'utf8');
    expect(log).toContain('wisely');
    expect(log).not.toContain('sk-abcdef');
  });

  test('that timed out after an answer has no log, and another text [HM-104, B-15]', async () => {
    const folder = logs();
    const { entry } = await entryOf([looks, { hang: true }], { timeoutMs: 1_000, diagnostics: folder }, 1_000);
    expect(entry).toMatchObject({ status: 'timeout', api_calls: 1 });
    expect(entry).not.toHaveProperty('diagnostic_path');
    expect(entry.error).toContain('stuck on a slow API call');
    expect(readdirSync(folder)).toEqual([]);
    expect(entry.cost_usd).toBe(0.5);
  });

  test('that makes no progress times out, too, and the log cannot be written [HM-134, HM-105]', async () => {
    const { entry } = await entryOf([{ hang: true }], { idleTimeoutMs: 700, diagnostics: '/dev/null/nowhere' }, 700);
    expect(entry).toMatchObject({ status: 'timeout', exit_reason: 'idle_timeout', summary: null });
    expect(entry).not.toHaveProperty('diagnostic_path');
  });

  test('has one shape, however it ended [B-60]', async () => {
    const keys = [
      'task_index',
      'status',
      'exit_reason',
      'summary',
      'run_id',
      'model',
      'api_calls',
      'tool_calls',
      'duration_seconds',
      'tokens',
      'cost_usd',
      'tool_trace',
      'output_tail',
    ];
    const cases: [readonly Turn[], DelegateOptions, number][] = [
      [['A.'], {}, 0],
      [[looks, looks], { maxIterations: 2 }, 0],
      [[{ fault: { code: 'model.down' } }], {}, 0],
      [[{ throws: new Error('boom') }], {}, 0],
      [[{ hang: true }], { timeoutMs: 5 }, 5],
      [[looks, looks, looks], { budget: { costUsd: 0.6 } }, 0],
      [[looks, looks], { maxToolCalls: 1 }, 0],
    ];
    for (const [turns, options, ms] of cases) {
      const { entry } = await entryOf(turns, options, ms);
      expect(Object.keys(entry)).toEqual(expect.arrayContaining(keys));
      if (entry.status !== 'completed') expect(entry.error).toMatch(/\w/);
    }
  });

  test('is cut where it is long, says so, and says where the rest is [HM-172]', async () => {
    const { entry } = await entryOf(['x'.repeat(100)], { maxSummaryChars: 10 });
    expect(entry).toMatchObject({ status: 'completed', truncated: true });
    expect(entry.summary).toContain(entry.run_id);
  });

  test('is cut between characters; what it had said last is cut, too, and data is left out [HM-172]', async () => {
    const cut = { maxSummaryChars: 5 };
    const { entry } = await entryOf(['👍'.repeat(4)], cut);
    expect(entry.summary?.split('\n\n')[1]).toBe('👍👍');
    const late = await entryOf([{ ...looks, text: 'I have seen much.' }], { ...cut, maxIterations: 1 });
    expect(late.entry).toMatchObject({ status: 'partial', partial_text: 'I ha…' });
    const schema = { output_schema: { type: 'object', properties: { n: { type: 'number' } } } };
    const wide = await entryOf(['{"n": 1}'], cut, 0, schema);
    expect(wide.entry).toMatchObject({ truncated: true, schema_valid: true });
    expect(wide.entry).not.toHaveProperty('data');
  });

  test('has never more tool calls executed than its limit, and ends as failed [F-09]', async () => {
    const many = { calls: Array.from({ length: 6 }, () => ({ name: 'look', arguments: {} })) };
    const { entry } = await entryOf([many], { maxToolCalls: 4 });
    expect(entry).toMatchObject({ exit_reason: 'max_tool_calls', tool_calls: 4, status: 'failed' });
  });
});

describe('a task with a schema', () => {
  const schema = { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] };

  test('gives what fits it, out of prose too [HM-170]', async () => {
    const { entry } = await entryOf(['Here it is: ```json\n{"n":1}\n```'], {}, 0, { output_schema: schema });
    expect(entry).toMatchObject({ status: 'completed', schema_valid: true, data: { n: 1 } });
  });

  test('is asked once more, then keeps the text and says what does not fit [HM-170]', async () => {
    const { entry, troupe } = await entryOf(['{"n":"one"}', '{"n":"two"}'], {}, 0, {
      output_schema: JSON.stringify(schema),
    });
    expect(entry).toMatchObject({ status: 'completed', schema_valid: false, summary: '{"n":"two"}' });
    expect(entry.schema_errors).toHaveLength(1);
    expect(entry.schema_errors?.[0]).toMatch(/^n: /);
    const cited = await entryOf(['As in [1]: {"n":"one"}', 'As in [1]: {"n":"two"}'], {}, 0, { output_schema: schema });
    expect(cited.entry.schema_errors).toEqual([expect.stringMatching(/^n: /)]);
    expect(troupe.provider.requests.filter(({ context }) => context.agent === 'task-1')).toHaveLength(2);
    const prose = await entryOf(['no JSON', 'none'], {}, 0, { output_schema: schema });
    expect(prose.entry).toMatchObject({ schema_valid: false, schema_errors: ['the answer holds no JSON'] });
  });

  test('names at most ten things that do not fit [HM-170]', async () => {
    const names = Array.from({ length: 15 }, (_, i) => `k${i}`);
    const wide = {
      type: 'object',
      properties: Object.fromEntries(names.map((name) => [name, { type: 'number' }])),
      required: names,
    };
    const { entry } = await entryOf(['{}', '{}'], {}, 0, { output_schema: wide });
    expect(entry.schema_errors).toHaveLength(10);
  });

  test('has no fields of a schema when it has none [HM-170]', async () => {
    const { entry } = await entryOf(['A.']);
    for (const field of ['schema_valid', 'schema_errors', 'data']) expect(entry).not.toHaveProperty(field);
  });
});

describe('a batch of which some fail', () => {
  test('is a success with an entry that says so for each; siblings are not touched [HM-103, HM-154]', async () => {
    const children = { 'task-1': [{ throws: new Error('boom') }], 'task-2': ['B.'] };
    const report = await delegatingOnce({ tasks: [{ goal: 'a' }, { goal: 'b' }] }, children).run();
    expect(report.calls[0]?.status).toBe('ok');
    expect(entriesIn(report).map(({ status }) => status)).toEqual(['error', 'completed']);
    expect(toldIn(report)).not.toHaveProperty('error');
  });

  test('is an error when none completed, with all of them beside it [F-08, L5, B-70]', async () => {
    const fails = [{ fault: { code: 'model.down' } }];
    const report = await delegatingOnce(
      { tasks: [{ goal: 'a' }, { goal: 'b' }] },
      { 'task-1': fails, 'task-2': fails },
    ).run();
    expect(toldIn(report)).toMatchObject({ error: 'None of the 2 tasks completed.', data: { results: [{}, {}] } });
  });
});

describe('cost', () => {
  test('of all children, failed ones too, is in the total of the parent, level by level [HM-112, B-20, F-16]', async () => {
    const troupe = openLead(
      (request, { agent, depth }) => {
        const first = request.messages.at(-1)?.role === 'user';
        if (agent === 'lead')
          return first ? { ...calling(delegate({ goal: 'a', role: 'orchestrator' })), usage } : { text: 'done', usage };
        if (depth === 1)
          return first
            ? { ...calling(delegate({ tasks: [{ goal: 'b' }, { goal: 'c' }] })), usage }
            : { text: 'mid', usage };
        return agent === 'task-1' ? { text: 'leaf', usage } : { calls: [{ name: 'none', arguments: {} }], usage };
      },
      { options: { maxSpawnDepth: 2, maxIterations: 3 } },
    );
    const report = await troupe.run();
    const leaves = 1 + 3;
    expect(report.usage.total.costUsd).toBeCloseTo(0.5 * (2 + 2 + leaves));
    expect(report.usage.own.costUsd).toBeCloseTo(1);
    expect(entriesIn(report)[0]?.cost_usd).toBeCloseTo(0.5 * (2 + leaves));
  });
});

describe('files that a child changed', () => {
  test('after its parent had read them are named in its summary [HM-140]', async () => {
    const files = fileRegistry({ disk: { resolve: (path) => path, stat: () => undefined } });
    const paths = z.object({ path: z.string() });
    const read = trackFiles(defineTool({ name: 'read', description: '', inputSchema: paths, execute: () => 'text' }), {
      registry: files,
      reads: ({ path }: { path: string }) => path,
    });
    const write = trackFiles(defineTool({ name: 'write', description: '', inputSchema: paths, execute: () => 'ok' }), {
      registry: files,
      writes: ({ path }: { path: string }) => path,
    });
    const script = {
      lead: [calling({ name: 'read', arguments: { path: '/a' } }), calling(delegate({ goal: 'a' })), 'done'],
      'task-1': [calling({ name: 'write', arguments: { path: '/a' } }), 'Changed it.'],
    };
    const report = await openLead(script, { options: { files }, tools: [read, write] }).run();
    expect(entriesIn(report, 1)[0]?.summary).toBe(
      'Changed it.\n\n[subagent modified files the parent previously read — re-read before editing: /a]',
    );
    const failing = openLead(
      {
        lead: [calling({ name: 'read', arguments: { path: '/b' } }), calling(delegate({ goal: 'b' })), 'done'],
        'task-1': [calling({ name: 'write', arguments: { path: '/b' } }), { fault: { code: 'model.down' } }],
      },
      { options: { files }, tools: [read, write] },
    );
    expect(entriesIn(await failing.run(), 1)).toMatchObject([{ summary: null, stale_paths: ['/b'] }]);
  });
});

describe('hooks of the runtime', () => {
  test('hear of each child once when it starts and once when it has ended, whatever they throw [HM-111]', async () => {
    const heard: string[] = [];
    const hooks = {
      childStart: () => {
        heard.push('start');
        throw new Error('a hook throws');
      },
      childStop: () => void heard.push('stop'),
    };
    const troupe = delegatingOnce(
      { tasks: [{ goal: 'a' }, { goal: 'b' }] },
      { 'task-1': ['A.'], 'task-2': [{ hang: true }] },
      { hooks, options: { timeoutMs: 10 } },
    );
    const running = troupe.run();
    await settle();
    troupe.clock.increment(10);
    const report = await running;
    expect(heard).toEqual(['start', 'start', 'stop', 'stop']);
    expect(eventsOf(troupe, 'child.settled')).toHaveLength(2);
    expect(resultIn(report).results).toHaveLength(2);
  });
});
