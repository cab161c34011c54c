import type { RunEvent } from '@troupe/protocol';
import { openIntake, type Reading, type ReadOptions } from './intake.ts';

/** Stored events, then live ones: no gap, no double (F-17), however slowly they are read. Leaving early frees everything. */
export const openReader = (reading: Reading, options: ReadOptions = {}): AsyncIterator<RunEvent> => {
  let wake = (): void => {};
  // Whoever waits for the next event waits for what comes from elsewhere, too.
  const intake = openIntake({ ...reading, keepAlive: true }, options, () => wake());

  const step = async (): Promise<IteratorResult<RunEvent>> => {
    for (;;) {
      const taken = intake.take();
      if (taken === 'later')
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      else if (taken instanceof Promise) await taken;
      else if (taken !== 'over') return { done: false, value: taken };
      else {
        await intake.leave();
        return { done: true, value: undefined };
      }
    }
  };

  let last: Promise<unknown> = Promise.resolve();
  return {
    next() {
      const result = last.then(step);
      last = result.catch(() => {});
      return result;
    },
    async return() {
      await intake.leave();
      return { done: true, value: undefined };
    },
  };
};
