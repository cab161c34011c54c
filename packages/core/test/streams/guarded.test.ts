import { filter, map, of, Subject } from 'rxjs';
import { expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { guarded } from '../../src/streams/guarded.ts';

/** A stream, what its subscribers threw, and the guarded stream. */
const open = () => {
  const source$ = new Subject<number>();
  const caught: string[] = [];
  return { source$, caught, stream$: guarded(source$, (error) => caught.push((error as Error).message)) };
};

test('[BG-121] a subscriber that throws is told of, hears the next value, and hurts no other', () => {
  const { source$, caught, stream$ } = open();
  const heard: number[] = [];
  const other: number[] = [];
  stream$.subscribe((value) => {
    heard.push(value);
    throw new Error(`at ${value}`);
  });
  stream$.subscribe({ next: (value) => other.push(value) });
  source$.next(1);
  source$.next(2);
  expect([heard, other, caught]).toEqual([
    [1, 2],
    [1, 2],
    ['at 1', 'at 2'],
  ]);
});

test('[BG-121] a subscriber that fails later is told of, too', async () => {
  const { source$, caught, stream$ } = open();
  const later = async () => {
    await settle(1);
    throw new Error('later');
  };
  stream$.subscribe(() => later() as never);
  source$.next(1);
  await settle();
  expect(caught).toEqual(['later']);
});

test('whatever a subscriber does at the end is caught, and an error that nobody handles is told', () => {
  const { source$, caught, stream$ } = open();
  stream$.subscribe({
    complete: () => {
      throw new Error('complete');
    },
  });
  stream$.subscribe({
    error: () => {
      throw new Error('handler');
    },
  });
  stream$.subscribe(() => {});
  source$.error(new Error('source'));
  expect(caught.sort()).toEqual(['handler', 'source', 'source']);
  const ended = open();
  ended.stream$.subscribe({
    complete: () => {
      throw new Error('complete');
    },
  });
  ended.source$.complete();
  expect(ended.caught).toEqual(['complete']);
});

test('it is an ordinary stream: it can be piped, and left', () => {
  const { source$, stream$ } = open();
  const heard: number[] = [];
  const subscription = stream$
    .pipe(
      filter((n) => n > 1),
      map((n) => n * 10),
    )
    .subscribe((n) => heard.push(n));
  source$.next(1);
  source$.next(2);
  subscription.unsubscribe();
  source$.next(3);
  expect(heard).toEqual([20]);
  expect(source$.observed).toBe(false);
});

test('a handler keeps its object', () => {
  const reader = {
    heard: [] as number[],
    next(value: number) {
      this.heard.push(value);
    },
  };
  guarded(of(1, 2), () => {}).subscribe(reader);
  expect(reader.heard).toEqual([1, 2]);
});

test('[L8] a subscriber or a step behind a pipe that throws is told of, and hurts no other', () => {
  const { source$, caught, stream$ } = open();
  const other: number[] = [];
  stream$.pipe(map((value) => value * 10)).subscribe((value) => {
    throw new Error(`at ${value}`);
  });
  const broken$ = stream$.pipe(
    map((value) => {
      if (value === 2) throw new Error('step');
      return value;
    }),
  );
  broken$.subscribe((value) => other.push(value));
  stream$.subscribe((value) => other.push(value * 100));
  source$.next(1);
  source$.next(2);
  expect(caught).toEqual(['at 10', 'at 20', 'step']);
  expect(other).toEqual([1, 100, 200]);
});
