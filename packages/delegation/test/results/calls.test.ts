import type { CallReport } from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isErrorResult, outputTailOf, toolTraceOf } from '../../src/index.ts';
import { batchTool, delegate, use, worker } from '../batch.ts';
import { calling, leadWith, open, tool } from '../delegating.ts';

const call = (about: Partial<CallReport> = {}): CallReport => ({
  callId: 'c',
  tool: 'read',
  arguments: {},
  result: 'ok',
  status: 'ok',
  startedAt: 0,
  endedAt: 0,
  ...about,
});
const parts = (...texts: string[]) => JSON.stringify(texts.map((text) => ({ type: 'text', text })));

describe('[HM-107] the result of a tool', () => {
  test.each([
    ['{"error":"no such file"}'],
    ['  {"error": {"code": 1}}'],
    ['{"status":"error"}'],
    ['{"status":"Failed"}'],
    ['{"status":"failure"}'],
    ['{"status":"timeout"}'],
    ['error: no such file'],
    ['ERROR: no such file\nmore'],
    ['Failed: 3 tests'],
    ['Traceback (most recent call last):\n  File'],
    ['\nException: boom'],
  ])('%j is an error', (text) => {
    expect(isErrorResult(text)).toBe(true);
  });

  test.each([
    [''],
    ['The error: none'],
    ['0 failed, 3 passed'],
    ['ok\nerror: in the second line'],
    ['{"error":null,"status":"ok"}'],
    ['{"error":""}'],
    ['{"status":500}'],
    ['{"message":"error"}'],
    ['{not json, error'],
    ['["error: a line that was found"]'],
    ['[{"type":"function","name":"error"}]'],
    ['[]'],
    ['null'],
  ])('%j is none', (text) => {
    expect(isErrorResult(text)).toBe(false);
  });

  test('is an error whenever its call failed, was refused or skipped', () => {
    for (const status of ['error', 'refused', 'skipped'] as const) expect(isErrorResult('fine', status)).toBe(true);
    expect(isErrorResult('fine', 'ok')).toBe(false);
  });

  test('that is a list of parts is searched part by part [B-24]', () => {
    expect(isErrorResult(parts('Here it is.', 'Error: disk gone'))).toBe(true);
    expect(isErrorResult(parts('Here it is.', '{"error":"disk gone"}'))).toBe(true);
    expect(isErrorResult(parts('Here it is.', 'no error'))).toBe(false);
    expect(isErrorResult([{ type: 'image', url: 'x' }, { text: 'Error: gone' }])).toBe(true);
    expect(isErrorResult(['failed: gone', null, 7])).toBe(true);
    expect(isErrorResult([null, 7, { type: 'image' }])).toBe(false);
  });

  test('never throws, whatever it is [B-24]', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void isErrorResult(text)));
    fc.assert(fc.property(fc.array(fc.anything()), (list) => void isErrorResult(list)));
  });
});

describe('[HM-106] the tool trace', () => {
  test('has one entry a call, in call order, with bytes and status', () => {
    const calls = [
      call({ arguments: { q: 'é' }, result: 'ü' }),
      call({ tool: 'grep', arguments: 'not json', result: 'fine', status: 'error' }),
      call({ result: parts('one', 'error: two') }),
      call({ tool: 'grep', result: '{"error":"x"}' }),
    ];
    expect(toolTraceOf({ calls })).toEqual([
      { tool: 'read', args_bytes: 10, result_bytes: 2, status: 'ok' },
      { tool: 'grep', args_bytes: 8, result_bytes: 4, status: 'error' },
      { tool: 'read', args_bytes: 2, result_bytes: 14, status: 'error' },
      { tool: 'grep', args_bytes: 2, result_bytes: 13, status: 'error' },
    ]);
  });

  test('of a run pairs parallel calls, also where the model repeated an id', async () => {
    // given two calls of one id, of which the second is done first
    let release = (): void => {};
    const slow = tool('slow', {
      execute: () =>
        new Promise<string>((resolve) => {
          release = () => resolve('slow done');
        }),
    });
    const quick = tool('quick', {
      execute: () => {
        queueMicrotask(() => release());
        return 'error: quick broke';
      },
    });
    const { runtime } = open({
      solo: [calling({ name: 'slow', arguments: {}, id: 'x' }, { name: 'quick', arguments: {}, id: 'x' }), 'Done.'],
    });
    const report = await runtime.run(leadWith([slow, quick], { name: 'solo' }), 'Go.');
    expect(toolTraceOf(report)).toEqual([
      { tool: 'slow', args_bytes: 2, result_bytes: 9, status: 'ok' },
      { tool: 'quick', args_bytes: 2, result_bytes: 18, status: 'error' },
    ]);
  });
});

describe('[HM-088] the output tail', () => {
  const many = Array.from({ length: 12 }, (_, i) => call({ result: `${i}` }));

  test('is the last eight results, oldest first', () => {
    expect(outputTailOf({ calls: many }).map(({ preview }) => preview)).toEqual([
      '4',
      '5',
      '6',
      '7',
      '8',
      '9',
      '10',
      '11',
    ]);
    expect(outputTailOf({ calls: many }, { entries: 2 })).toEqual([
      { tool: 'read', preview: '10', is_error: false },
      { tool: 'read', preview: '11', is_error: false },
    ]);
    expect(outputTailOf({ calls: many }, { entries: 0 })).toEqual([]);
  });

  test('cuts what is long, flattens lists and marks errors [B-24]', () => {
    const calls = [call({ result: 'x'.repeat(2_000) }), call({ result: parts('one', 'Error: two') })];
    expect(outputTailOf({ calls })).toEqual([
      { tool: 'read', preview: `${'x'.repeat(599)}…`, is_error: false },
      { tool: 'read', preview: 'one\nError: two', is_error: true },
    ]);
  });

  test('is the end of what there is, and never larger than it may be', () => {
    const result = fc.oneof(
      fc.constantFrom('', 'a😀b', '[]'),
      fc.nat(3_000).map((n) => '😀'.repeat(n)),
    );
    const sizes = fc.record({ entries: fc.nat(30), chars: fc.nat(3_000) });
    fc.assert(
      fc.property(fc.array(result, { maxLength: 20 }), sizes, (results, { entries, chars }) => {
        const calls = results.map((text, i) => call({ tool: `t${i}`, result: text }));
        const tail = outputTailOf({ calls }, { entries, chars });
        expect(tail.map(({ tool }) => tool)).toEqual(
          tail.length === 0 ? [] : calls.slice(-tail.length).map(({ tool }) => tool),
        );
        expect(tail.length).toBeLessThanOrEqual(entries);
        expect(tail.every(({ preview }) => preview.length <= chars)).toBe(true);
        expect(tail.reduce((sum, { preview }) => sum + preview.length, 0)).toBeLessThanOrEqual(8_000);
      }),
    );
  });

  test('cuts no character in two', () => {
    const [entry] = outputTailOf({ calls: [call({ result: 'a😀bc' })] }, { chars: 3 });
    expect(entry?.preview).toBe('a…');
  });

  test('of a child is what its parent is handed', async () => {
    const settled: Parameters<typeof toolTraceOf>[0][][] = [];
    const { runtime } = open({
      lead: [calling(delegate({ agent: 'scout', goal: 'A' })), 'Done.'],
      scout: [calling(use('read'), use('nothing')), 'Found.'],
    });
    await runtime.run(leadWith(batchTool([worker('scout')], { reports: settled as never })), 'Go.');
    expect(outputTailOf(settled[0]![0]!)).toMatchObject([
      { tool: 'read', preview: 'read done', is_error: false },
      { tool: 'nothing', is_error: true },
    ]);
  });
});
