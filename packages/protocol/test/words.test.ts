import {
  addUsage,
  callKeyOf,
  callKeyOfChild,
  childIdOf,
  FaultError,
  faultOf,
  harmlessJSON,
  isEnded,
  isFaultError,
  isTerminal,
  isWithin,
  messageOf,
  noUsage,
  questionIdOf,
  RunStatus,
  runOfQuestion,
  StoredEvent,
  textOfMessage,
  toJSON,
  tokensOf,
} from '@troupe/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

describe('an id', () => {
  test('says where a child comes from', () => {
    expect(callKeyOf('run_1', 2, 0)).toBe('run_1/2-0');
    expect(childIdOf(callKeyOf('run_1', 2, 0), 3)).toBe('run_1/2-0/3');
    expect(callKeyOfChild('run_1/2-0/3')).toBe('run_1/2-0');
  });

  test('of a question names the run that asks, at any depth', () => {
    expect(runOfQuestion(questionIdOf(callKeyOf('run_1', 1, 4)))).toBe('run_1');
    expect(runOfQuestion(questionIdOf(callKeyOf('run_1/1-0/0', 7, 1)))).toBe('run_1/1-0/0');
  });

  test.each(['', '?', 'run_1', 'run_1/1-0', '/1-0?'])('that is no question id names no run: "%s"', (id) => {
    expect(runOfQuestion(id)).toBeNull();
  });

  test('is within itself and its ancestors, not within one that only begins alike', () => {
    expect(isWithin('run_1', 'run_1')).toBe(true);
    expect(isWithin('run_1/1-0/0/2-1/0', 'run_1')).toBe(true);
    expect(isWithin('run_12', 'run_1')).toBe(false);
    expect(isWithin('run_1', 'run_1/1-0/0')).toBe(false);
  });
});

describe('usage', () => {
  test('adds up part by part', () => {
    const a = { inputTokens: 1, outputTokens: 2, cachedTokens: 3, costUsd: 0.5 };
    const b = { inputTokens: 10, outputTokens: 20, cachedTokens: 30, reasoningTokens: 7, costUsd: 0.25 };
    expect(addUsage(a, b)).toEqual({
      inputTokens: 11,
      outputTokens: 22,
      cachedTokens: 33,
      reasoningTokens: 7,
      costUsd: 0.75,
    });
  });

  test('leaves unknown what neither knows, so that an unknown price is not shown as nothing', () => {
    expect(addUsage(noUsage, { inputTokens: 1, outputTokens: 1 })).toEqual({ inputTokens: 1, outputTokens: 1 });
    expect(addUsage(noUsage, { inputTokens: 1, outputTokens: 1, costUsd: 0 }).costUsd).toBe(0);
  });

  test('counts as tokens what went in and what came out', () => {
    expect(tokensOf({ inputTokens: 3, outputTokens: 4, cachedTokens: 2, reasoningTokens: 1 })).toBe(7);
  });
});

describe('a value as JSON', () => {
  test.each([
    [undefined, null],
    [Number.NaN, null],
    [Number.POSITIVE_INFINITY, null],
    [() => 1, null],
    [Symbol('x'), null],
    ['text', 'text'],
    [{ a: undefined, b: [undefined] }, { b: [null] }],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [12n, '12'],
  ])('%o becomes %o', (value, json) => {
    expect(toJSON(value)).toEqual(json);
  });

  test('that turns in a circle becomes text instead of breaking its reader', () => {
    const circle: { self?: unknown } = {};
    circle.self = circle;
    expect(toJSON(circle)).toBe('[object Object]');
  });

  test('has a message whatever was thrown', () => {
    expect([messageOf(new Error('a')), messageOf('b'), messageOf(undefined)]).toEqual(['a', 'b', 'undefined']);
  });

  test.each([
    [{ message: 'no disk' }, 'no disk'],
    [{ name: 'Error', message: 'no disk' }, 'no disk'],
    [{ name: 'DiskError', message: 'no disk', code: 7 }, 'DiskError: no disk'],
    [{ error: { status: 503 } }, '{"error":{"status":503}}'],
    [['a', 1], '["a",1]'],
    [{ message: '' }, '{"message":""}'],
    [new URL('http://127.0.0.1/x'), '"http://127.0.0.1/x"'],
    [new Map([[1, 2]]), '[object Map]'],
    [Object.create(null), 'an object that cannot be shown, with: nothing'],
    [{ count: 12n, code: 7 }, 'an object that cannot be shown, with: count, code'],
  ])('has a message that says what is in it where an object was thrown: %o', (thrown, message) => {
    expect(messageOf(thrown)).toBe(message);
  });

  test('has a message without secrets, of bounded length, where an object was thrown', () => {
    const key = 'sk-abcdefghijklmnop';
    expect(messageOf({ message: `The key ${key} is wrong` })).toBe('The key [redacted] is wrong');
    expect(messageOf({ headers: { authorization: `Bearer ${key}` } })).not.toContain(key);
    const long = messageOf({ text: `${'😀'.repeat(400)}` });
    expect(long).toHaveLength(500);
    expect(long).toMatch(/^\{"text":"😀+.?…$/u);
    expect(long.isWellFormed()).toBe(true);
  });

  test('says the same without anything that a terminal would obey', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
        const json = harmlessJSON(JSON.stringify([value, text]));
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify([value, text])));
        expect(json).not.toMatch(/[^\P{Control}]|\p{Bidi_Control}|[\u2028\u2029]/u);
      }),
      { examples: [[null, 'c1 \u009b31m\u0085 turned \u202e \u2066 \u200f \u061c, esc \u001b[2J del \u007f']] },
    );
  });
});

describe('a fault', () => {
  test('is the same data however often it is thrown and caught', () => {
    const error = new FaultError('x.y', 'Why.', {
      retryable: true,
      runId: 'r',
      callId: 'c',
      details: { n: 1 },
      cause: new Error('deep'),
    });
    const fault = {
      code: 'x.y',
      message: 'Why.',
      retryable: true,
      runId: 'r',
      callId: 'c',
      details: { n: 1 },
      cause: 'deep',
    };
    expect(error.toFault()).toEqual(fault);
    expect(faultOf(error, 'other.code')).toEqual(fault);
  });

  test('is known by its mark, so a second copy of the package makes no difference', () => {
    const foreign = Object.assign(new Error('x'), { [Symbol.for('@troupe/fault')]: true });
    expect(isFaultError(foreign)).toBe(true);
    expect([isFaultError(new Error('x')), isFaultError(null), isFaultError('x')]).toEqual([false, false, false]);
  });

  test('of something thrown that is no error names its type', () => {
    expect(faultOf('just text', 'x.y')).toMatchObject({ message: 'just text', details: { errorType: 'string' } });
  });
});

describe('an event', () => {
  test('[BG-122] is of one closed list of types, of which three end a run', () => {
    const types = StoredEvent.options.map(({ shape }) => shape.type.value);
    expect(types).toEqual([
      ...['run.queued', 'run.started', 'run.paused', 'run.resumed', 'run.steered', 'run.recovered', 'run.detached'],
      'run.forked',
      ...['run.completed', 'run.failed', 'run.interrupted'],
      ...['turn.started', 'turn.attempted', 'turn.completed'],
      ...['call.started', 'call.completed', 'call.failed'],
      ...['question.asked', 'question.answered'],
      ...['child.requested', 'child.started', 'child.settled', 'child.refused'],
      ...['budget.warned', 'budget.exhausted', 'budget.raised', 'spawning.paused', 'spawning.resumed'],
      ...['context.compacted', 'memory.read', 'memory.written'],
      ...['policy.applied', 'warning.raised'],
    ]);
    expect(types.filter((type) => isTerminal({ type }))).toEqual(['run.completed', 'run.failed', 'run.interrupted']);
  });

  test('of another type, or without its envelope, is no event', () => {
    const event = {
      id: 'r:1',
      seq: 1,
      rootSeq: 1,
      at: 0,
      runId: 'r',
      rootId: 'r',
      depth: 0,
      agent: 'a',
      type: 'run.recovered',
    };
    expect(StoredEvent.safeParse(event).success).toBe(true);
    expect(StoredEvent.safeParse({ ...event, type: 'run.exploded' }).success).toBe(false);
    const { runId: _, ...bare } = event;
    expect(StoredEvent.safeParse(bare).success).toBe(false);
  });

  test('ends a run with one of three statuses', () => {
    expect(RunStatus.options.filter(isEnded)).toEqual(['completed', 'failed', 'interrupted']);
  });
});

test('the text of a message leaves its images and files out', () => {
  const content = [
    { type: 'text' as const, text: 'a' },
    { type: 'image' as const, url: 'x' },
    { type: 'text' as const, text: 'b' },
  ];
  expect([textOfMessage({ content }), textOfMessage({ content: 'c' })]).toEqual(['ab', 'c']);
});
