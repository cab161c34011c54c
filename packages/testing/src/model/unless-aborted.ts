import { FaultError } from '@troupe/protocol';

/**
 * Waits for something that `start` begins and can take back. Aborting ends the wait at once with `model.aborted`;
 * what `start` gave is called however the wait ends.
 */
export const unlessAborted = async <T>(
  signal: AbortSignal,
  start: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void,
): Promise<T> => {
  if (signal.aborted) throw aborted();
  let release: () => void = () => {};
  let stop: () => void = () => {};
  try {
    return await new Promise<T>((resolve, reject) => {
      stop = () => reject(aborted());
      signal.addEventListener('abort', stop, { once: true });
      release = start(resolve, reject);
    });
  } finally {
    signal.removeEventListener('abort', stop);
    release();
  }
};

const aborted = () => new FaultError('model.aborted', 'The turn was aborted.');
