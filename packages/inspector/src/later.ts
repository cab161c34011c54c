import type { Clock } from '@troupe/protocol';

/** A timer that does not keep the process alive. Gives back how to stop it. */
export const later = (clock: Clock, ms: number, act: () => void): (() => void) => {
  const timer = clock.setTimeout(act, ms);
  (timer as { unref?(): void } | undefined)?.unref?.();
  return () => clock.clearTimeout(timer);
};
