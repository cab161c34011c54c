import { expect, test, vi } from 'vitest';
import { LazyAbort } from '../../src/actors/lazy-abort.ts';

const gone = new Error('gone');

test('a signal that is asked for in time hears the first reason', () => {
  const abort = new LazyAbort();
  const { signal } = abort;
  expect([signal.aborted, abort.aborted]).toEqual([false, false]);
  abort.abort(() => gone);
  abort.abort(() => new Error('again'));
  expect([signal.aborted, abort.aborted, signal.reason]).toEqual([true, true, gone]);
});

test('a signal that is asked for afterwards is aborted for the same reason, and for a usual one where none was given', () => {
  const abort = new LazyAbort();
  abort.abort(() => gone);
  expect([abort.signal.aborted, abort.signal.reason]).toEqual([true, gone]);
  const silent = new LazyAbort();
  silent.abort();
  expect([silent.signal.aborted, (silent.signal.reason as Error).name]).toEqual([true, 'AbortError']);
});

test('no reason is made where nobody has a signal', () => {
  const why = vi.fn<() => Error>(() => gone);
  const abort = new LazyAbort();
  abort.abort(why);
  expect([abort.aborted, why.mock.calls.length]).toEqual([true, 0]);
});
