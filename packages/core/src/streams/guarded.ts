import { Observable, type Observer, type OperatorFunction, Subscriber } from 'rxjs';

/**
 * The same stream, whose subscribers cannot break anything: what one of them throws, at once or from a promise that it gives
 * back, is handed to `caught`, and the others, and the run, go on (L8). Streams piped from it are guarded, too.
 */
export const guarded = <T>(source$: Observable<T>, caught: (error: unknown) => void): Observable<T> => {
  const attempt = <A extends unknown[]>(handler: ((...args: A) => unknown) | undefined | null) =>
    handler &&
    ((...args: A): void => {
      try {
        const given = handler(...args);
        if (given instanceof Promise) given.catch(caught);
      } catch (error) {
        caught(error);
      }
    });
  const stream$ = new Observable<T>((subscriber) => source$.subscribe(subscriber));
  const subscribe = stream$.subscribe.bind(stream$);
  stream$.subscribe = ((
    first?: Partial<Observer<T>> | ((value: T) => void) | null,
    error?: (error: unknown) => void,
    complete?: () => void,
  ) => {
    if (first instanceof Subscriber) return subscribe(first);
    const observer: Partial<Observer<T>> =
      typeof first === 'object' && first
        ? first
        : { ...(first && { next: first }), ...(error && { error }), ...(complete && { complete }) };
    return subscribe({
      next: attempt(observer.next?.bind(observer)) ?? (() => {}),
      error: attempt(observer.error?.bind(observer)) ?? caught,
      complete: attempt(observer.complete?.bind(observer)) ?? (() => {}),
    });
  }) as typeof stream$.subscribe;
  const pipe = stream$.pipe.bind(stream$) as (...steps: OperatorFunction<unknown, unknown>[]) => Observable<unknown>;
  stream$.pipe = ((...steps: OperatorFunction<unknown, unknown>[]) =>
    guarded(pipe(...steps), caught)) as typeof stream$.pipe;
  return stream$;
};
