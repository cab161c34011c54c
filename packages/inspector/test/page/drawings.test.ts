import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  activityOf,
  ageText,
  amountText,
  costText,
  countText,
  kindText,
  receiptText,
  spanText,
  spentAt,
  standingOf,
  tightest,
} from '../../page/src/model/words.ts';
import { sequenceOf } from '../../page/src/timeline/lanes.ts';
import { spansOf, tickSteps } from '../../page/src/timeline/spans.ts';
import type { ActorLine, Happening } from '../../src/wire.ts';
import { happening, runLine } from './lines.ts';

const log = (...parts: Partial<Happening>[]) => parts.map((part, index) => happening(index + 1, part));

describe('The timeline', () => {
  test('has a bar for each turn, call and wait, from its beginning to its end', () => {
    const { spans, spots, from, to } = spansOf(
      log(
        { type: 'run.started' },
        { type: 'turn.started' },
        { type: 'turn.completed' },
        { type: 'call.started', from: 'run', to: 'tool:grep', text: '{"for":"retry"}' },
        { type: 'call.failed', from: 'tool:grep', to: 'run' },
        { type: 'run.paused' },
        { type: 'run.resumed' },
        { type: 'run.completed' },
      ),
    );
    expect(spans).toMatchObject([
      { kind: 'thinking', from: 200, to: 300 },
      { kind: 'calling', from: 400, to: 500, text: 'grep {"for":"retry"}' },
      { kind: 'waiting', from: 600, to: 700 },
    ]);
    expect(spots).toMatchObject([{ kind: 'done', at: 800 }]);
    expect([from, to]).toEqual([100, 800]);
  });

  test('leaves open what goes on, and closes everything with its run', () => {
    const open = log({ type: 'turn.started' }, { type: 'call.started', to: 'tool:grep' });
    expect(spansOf(open).spans.map(({ to }) => to)).toEqual([undefined, undefined]);
    expect(spansOf([...open, happening(9, { type: 'run.interrupted' })]).spans.map(({ to }) => to)).toEqual([900, 900]);
  });

  test('tells calls of several tools apart, and those of one tool by their order', () => {
    const { spans } = spansOf(
      log(
        { type: 'call.started', from: 'run', to: 'tool:a' },
        { type: 'call.started', from: 'run', to: 'tool:b', text: '{}' },
        { type: 'call.started', from: 'run', to: 'tool:a' },
        { type: 'call.completed', from: 'tool:b', to: 'run' },
        { type: 'call.completed', from: 'tool:a', to: 'run' },
      ),
    );
    expect(spans.map(({ to }) => to)).toEqual([500, 400, undefined]);
    expect(spans.map(({ text }) => text)).toEqual(['a', 'b', 'a']);
  });

  test('is drawn from any part of a history, none of its bars ending before it begins', () => {
    const types = ['turn.started', 'turn.completed', 'call.started', 'call.completed', 'run.paused', 'run.resumed'];
    const any = fc.array(
      fc.record({ type: fc.constantFrom(...types, 'run.failed'), rowId: fc.constantFrom('a', 'b') }),
    );
    fc.assert(
      fc.property(any, (parts) => {
        for (const { from, to = from } of spansOf(log(...parts)).spans) expect(to).toBeGreaterThanOrEqual(from);
      }),
    );
    expect(spansOf([])).toEqual({ spans: [], spots: [], from: 0, to: 0 });
  });

  test('has lines at round times, as many as there is room for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 ** 10 }), fc.integer({ min: 1, max: 20 }), (spanMs, count) => {
        expect(spanMs / tickSteps(spanMs, count)).toBeLessThanOrEqual(count);
      }),
    );
    expect([tickSteps(10_000, 5), tickSteps(3_600_000, 6)]).toEqual([2_000, 600_000]);
  });
});

describe('The message sequence', () => {
  const told = log(
    { type: 'run.started', from: 'person', to: 'run' },
    { type: 'call.started', from: 'run', to: 'tool:grep' },
    { type: 'turn.started', from: 'run', to: 'model' },
    { type: 'run.started', rowId: 'run/1', from: 'run', to: 'run/1' },
    { type: 'turn.started', rowId: 'run/1', from: 'run/1', to: 'model' },
  );
  const names = new Map([
    ['run', 'lead'],
    ['run/1', 'writer'],
  ]);

  test('has people first, then runs, then the model, then tools', () => {
    const { lanes, messages } = sequenceOf(told, names);
    expect(lanes.map(({ name }) => name)).toEqual(['person', 'lead', 'writer', 'model', 'grep']);
    expect(messages.map(({ from, to }) => [from, to])).toEqual([
      [0, 1],
      [1, 4],
      [1, 3],
      [1, 2],
      [2, 3],
    ]);
  });

  test('of one run has only what concerns it', () => {
    const { lanes, messages } = sequenceOf(told, names, 'run/1');
    expect(lanes.map(({ id }) => id)).toEqual(['run', 'run/1', 'model']);
    expect(messages).toHaveLength(2);
  });
});

describe('Numbers and states in words', () => {
  test('of counts, costs and spans of time', () => {
    expect([9_999, 12_345, 1_200_000].map(countText)).toEqual(['9,999', '12.3K', '1.2M']);
    expect([null, undefined, 0, 0.0031, 0.5, 1_234].map(costText)).toEqual([
      '–',
      '–',
      '$0',
      '$0.0031',
      '$0.50',
      '$1,234',
    ]);
    expect([840, 12_000, 200_000, 3_720_000, 90_000_000].map(spanText)).toEqual([
      '840 ms',
      '12 s',
      '3 m 20 s',
      '1 h 2 m',
      '1 d 1 h',
    ]);
    expect([-5, 99_000, 100_000, 7_200_000, 200_000_000].map(ageText)).toEqual(['0s', '99s', '1m', '2h', '2d']);
    expect([amountText('costUsd', 1), amountText('activeMs', 1_500), amountText('turns', 3)]).toEqual([
      '$1.00',
      '1 s',
      '3',
    ]);
    expect([kindText('toolCalls'), kindText('other')]).toEqual(['Tool calls', 'other']);
  });

  test('of what a run does and how it stands', () => {
    const line = (parts: Parameters<typeof runLine>[1]) => runLine('run', parts);
    expect(activityOf(line({ turn: 0 }))).toBe('starting');
    expect(activityOf(line({ turn: 3, tools: ['grep', 'read'] }))).toBe('turn 3 · grep +1');
    expect(activityOf(line({ status: 'paused', questions: ['q'] }))).toBe('asks a person');
    expect(activityOf(line({ status: 'failed', exitReason: 'max_turns' }))).toBe('max turns');
    expect(activityOf(line({ status: 'completed', exitReason: 'answered' }))).toBe('completed');
    const statuses = ['queued', 'running', 'paused', 'interrupting', 'completed', 'failed', 'interrupted'] as const;
    expect(statuses.map((status) => standingOf(line({ status })))).toEqual([
      'waiting',
      'busy',
      'waiting',
      'busy',
      'done',
      'failed',
      'stopped',
    ]);
    const actor: ActorLine = {
      kind: 'actor',
      id: 'x',
      rootId: 'x',
      name: 'x',
      createdAt: 0,
      lastAt: 0,
      status: 'error',
      state: '',
      seq: 0,
    };
    expect([standingOf(actor), activityOf(actor), standingOf({ ...actor, status: 'new' })]).toEqual([
      'failed',
      'error',
      'busy',
    ]);
  });

  test('of a budget: what grows by itself, and the limit that is closest', () => {
    const active = { kind: 'activeMs', spent: 1_000, limit: 10_000, since: 5_000 };
    const turns = { kind: 'turns', spent: 6, limit: 10 };
    expect(spentAt(active, 8_000)).toBe(4_000);
    expect(tightest([active, turns], 8_000)).toBe(turns);
    expect(tightest([active, turns], 12_000)).toBe(active);
    expect(tightest([turns, { kind: 'children', spent: 0, limit: 0 }], 0)).toMatchObject({ kind: 'children' });
    expect(tightest([], 0)).toBeUndefined();
  });

  test('of receipts', () => {
    expect(receiptText({ status: 'accepted' })).toBe('accepted');
    expect(receiptText({ status: 'deferred', until: 'turn.completed' })).toBe('accepted, takes effect after this turn');
    expect(receiptText({ status: 'rejected', reason: 'the run has ended' })).toBe('refused: the run has ended');
  });
});
