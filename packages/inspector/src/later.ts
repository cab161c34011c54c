import type { Clock } from '@troupe/protocol';

/** Timers that do not keep the process alive. */
export const quietTimers = (clock: Clock): Pick<Clock, 'setTimeout' | 'clearTimeout'> => ({
  setTimeout(act, ms) {
    const timer = clock.setTimeout(act, ms);
    (timer as { unref?(): void } | undefined)?.unref?.();
    return timer;
  },
  clearTimeout: (timer) => clock.clearTimeout(timer),
});

/** One of them. Gives back how to stop it. */
export const later = (clock: Clock, ms: number, act: () => void): (() => void) => {
  const timer = quietTimers(clock).setTimeout(act, ms);
  return () => clock.clearTimeout(timer);
};
