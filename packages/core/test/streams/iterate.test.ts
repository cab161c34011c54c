import { of, Subject, throwError } from 'rxjs';
import { expect, test } from 'vitest';
import { iterate } from '../../src/streams/iterate.ts';

test('nothing is lost between two reads', async () => {
  const source$ = new Subject<number>();
  const reader = iterate(source$);
  for (const n of [1, 2, 3]) source$.next(n);
  expect([await reader.next(), await reader.next()]).toEqual([
    { done: false, value: 1 },
    { done: false, value: 2 },
  ]);
  source$.complete();
  expect(await reader.next()).toEqual({ done: false, value: 3 });
  expect(await reader.next()).toEqual({ done: true, value: undefined });
});

test('readers that wait are served in order, and let go at the end', async () => {
  const source$ = new Subject<number>();
  const reader = iterate(source$);
  const reads = [reader.next(), reader.next(), reader.next()];
  source$.next(1);
  source$.next(2);
  source$.complete();
  expect(await Promise.all(reads)).toEqual([
    { done: false, value: 1 },
    { done: false, value: 2 },
    { done: true, value: undefined },
  ]);
});

test('an error comes after the values before it, and again for who asks again', async () => {
  const source$ = new Subject<number>();
  const reader = iterate(source$);
  source$.next(1);
  source$.error(new Error('broken'));
  expect(await reader.next()).toEqual({ done: false, value: 1 });
  await expect(reader.next()).rejects.toThrow('broken');
  await expect(reader.next()).rejects.toThrow('broken');
});

test('an error reaches a reader that waits', async () => {
  const source$ = new Subject<number>();
  const read = iterate(source$).next();
  source$.error(new Error('broken'));
  await expect(read).rejects.toThrow('broken');
  await expect(iterate(throwError(() => new Error('at once'))).next()).rejects.toThrow('at once');
});

test('leaving early unsubscribes, and gives nothing more', async () => {
  const source$ = new Subject<number>();
  const reader = iterate(source$);
  for (const n of [1, 2, 3]) source$.next(n);
  for await (const n of { [Symbol.asyncIterator]: () => reader }) if (n === 2) break;
  expect(source$.observed).toBe(false);
  expect(await reader.next()).toEqual({ done: true, value: undefined });
});

test('a source that is complete at once is read whole', async () => {
  const heard: number[] = [];
  for await (const n of { [Symbol.asyncIterator]: () => iterate(of(1, 2)) }) heard.push(n);
  expect(heard).toEqual([1, 2]);
});
