import type { RunEvent } from '@troupe/protocol';
import { Observable } from 'rxjs';
import { openIntake, type Reading, type ReadOptions } from './intake.ts';

/**
 * Stored events, then live ones: no gap, no double (F-17). Each is told as soon as it is there; of a store that answers at once,
 * while somebody subscribes.
 */
export const eventsFrom = (reading: Reading, options: ReadOptions = {}): Observable<RunEvent> =>
  new Observable((subscriber) => {
    let isBusy = true;
    const tell = (): void => {
      if (isBusy) return;
      isBusy = true;
      try {
        while (!subscriber.closed) {
          const taken = intake.take();
          if (taken === 'later') break;
          if (taken instanceof Promise) return void taken.then(goOn, fail);
          if (taken === 'over') subscriber.complete();
          else subscriber.next(taken);
        }
      } catch (error) {
        fail(error);
      }
      isBusy = false;
    };
    const goOn = (): void => {
      isBusy = false;
      tell();
    };
    const fail = (error: unknown): void => subscriber.error(error);

    const intake = openIntake(reading, options, tell);
    subscriber.add(() => void intake.leave().catch(() => {}));
    goOn();
  });
