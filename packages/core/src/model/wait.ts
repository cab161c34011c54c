import { FaultError, type ModelOptions } from '@troupe/protocol';

/** Waits on the clock of a turn. Aborting ends the wait at once with `model.aborted`, and leaves no timer behind. */
export const wait = (ms: number, { clock, signal }: Pick<ModelOptions, 'clock' | 'signal'>): Promise<void> =>
  new Promise((resolve, reject) => {
    const abort = () => {
      clock.clearTimeout(timer);
      reject(new FaultError('model.aborted', 'The turn was aborted while it waited for its next attempt.'));
    };
    const timer = clock.setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
