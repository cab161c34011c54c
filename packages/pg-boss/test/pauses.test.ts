import { expect, test } from 'vitest';
import { lostPauseMs, rejectedPauseMs } from '../src/pauses.ts';

const pausesOf = (pauseMs: (attempts: number) => number) => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 2_000].map(pauseMs);

test('a run that was rejected waits 1, 2, 4 … 30 s', () => {
  const seconds = [1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30];
  expect(pausesOf(rejectedPauseMs)).toEqual(seconds.map((each) => each * 1_000));
});

test('a run whose worker is lost does not wait, until that has happened three times in a row', () => {
  const seconds = [0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30];
  expect(pausesOf(lostPauseMs)).toEqual(seconds.map((each) => each * 1_000));
});
