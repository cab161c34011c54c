import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { complaints, unavailable } from '../src/trouble.ts';

describe('complaints', () => {
  test('are made once a minute, of each kind', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const said: string[] = [];
    const complain = complaints({ warn: (message) => void said.push(message), error() {} }, 'the database "d" at h:1');
    const error = new Error('connect ECONNREFUSED');
    for (const _ of [1, 2, 3]) complain('work could not be fetched', error);
    complain('nothing is heard', error);
    vi.advanceTimersByTime(59_999);
    complain('nothing is heard', error);
    vi.advanceTimersByTime(1);
    complain('nothing is heard', error);
    const told = (what: string) =>
      `The engine in the database "d" at h:1: ${what}. It is tried again. (connect ECONNREFUSED)`;
    expect(said).toEqual([told('work could not be fetched'), told('nothing is heard'), told('nothing is heard')]);
  });

  test('to a logger that throws change nothing', () => {
    const warn = () => {
      throw new Error('the disk is full');
    };
    complaints({ warn, error() {} }, 'the database')('work could not be fetched', new Error('gone'));
  });
});

test('a host with several addresses is refused for each of them', () => {
  const error = new AggregateError([
    new Error('connect ECONNREFUSED ::1:1'),
    new Error('connect ECONNREFUSED 127.0.0.1:1'),
  ]);
  expect(unavailable(error, 'the database "d" at localhost:1', 'run "r" could not be dispatched')).toMatchObject({
    code: 'placement.unavailable',
    retryable: true,
    message:
      'The engine in the database "d" at localhost:1 could not be reached, and run "r" could not be dispatched: connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1. See that the server runs and can be reached from here, then try again.',
  });
});
