import { expect, test } from 'vitest';
import { type Activity, type Member, standing } from '../../src/subagents/roster.ts';

const run = (runId: string, startedAt?: number): Activity => ({
  runId,
  model: null,
  askedAt: 0,
  ...(startedAt !== undefined && { startedAt }),
});
const record = { delivered: [{ runId: 'left', how: 'steered' }] } as unknown as Member['record'];
const how = (open: Activity[], last: Member['last'] = null) => {
  const { state, activity, isStopping } = standing({ record, open, last, isStopping: true });
  return [state, activity?.runId, isStopping];
};
const failed: Member['last'] = { state: 'failed', activity: run('before', 1) };

test.each([
  ['never ran', [], null, ['idle', undefined, undefined]],
  ['has ended', [], failed, ['failed', 'before', undefined]],
  ['is to begin', [run('a'), run('b')], failed, ['pending', 'a', true]],
  ['is woken before what it was asked has begun', [run('a'), run('wake', 2)], failed, ['running', 'wake', true]],
  ['was steered, and waits for the old run', [run('left', 1), run('a')], failed, ['pending', 'a', true]],
  ['was steered to what has ended already', [run('left', 1)], failed, ['failed', 'before', undefined]],
] as const)('[SB-060] one that %s stands so', (_, open, last, expected) => {
  expect(how([...open], last)).toEqual(expected);
});
