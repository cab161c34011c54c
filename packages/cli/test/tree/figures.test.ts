import { expect, test } from 'vitest';
import { costText, countsOf, markOf, statusOf, timeText, tokensText } from '../../src/tree/figures.ts';

test.each([
  [0, '0'],
  [999, '999'],
  [1_000, '1.0k'],
  [48_240, '48.2k'],
  [999_949, '999.9k'],
  [1_234_567, '1.23M'],
])('%d tokens are %s', (tokens, text) => {
  expect(tokensText(tokens)).toBe(text);
});

test.each([
  [0, '$0'],
  [0.00001, '<$0.0001'],
  [0.0123, '$0.0123'],
  [0.25, '$0.25'],
  [12.345, '$12.35'],
])('%d dollars are %s', (costUsd, text) => {
  expect(costText(costUsd)).toBe(text);
});

test.each([
  [-5, '0.0 s'],
  [400, '0.4 s'],
  [12_300, '12 s'],
  [59_600, '1:00 min'],
  [185_000, '3:05 min'],
  [3_723_000, '1:02:03 h'],
])('%d milliseconds are %s', (ms, text) => {
  expect(timeText(ms)).toBe(text);
});

test('names are counted, without what a terminal would obey', () => {
  expect(countsOf(['read', 'write', 'read', '\u001b[2Jodd'])).toBe('read ×2, write, odd');
});

test('every status has a sign of its own, and words that say why', () => {
  const statuses = ['queued', 'running', 'completed', 'failed', 'interrupted', 'paused'] as const;
  expect(new Set(statuses.map((status) => markOf({ status }, 0))).size).toBe(statuses.length);
  expect(markOf({ status: 'paused', exitReason: 'question' }, 0)).toBe('?');
  expect(markOf({ status: 'interrupting' }, 0)).toBe(markOf({ status: 'running' }, 0));
  expect(statusOf({ status: 'failed', exitReason: 'budget' })).toBe('failed: budget');
  expect(statusOf({ status: 'interrupted', exitReason: 'interrupted' })).toBe('interrupted');
  expect(statusOf({ status: 'interrupted', exitReason: 'closed' })).toBe('interrupted: closed');
  expect(statusOf({ status: 'paused', exitReason: 'question' })).toBe('waits for an answer');
});
