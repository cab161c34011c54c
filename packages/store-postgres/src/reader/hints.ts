/** What other stores tell this one: that something was left for it, or more than that. It is listened for while somebody wants to know. */
import { clearTimeout, setTimeout } from 'node:timers';
import type { Ears, Hearing } from './listen.ts';

/** Milliseconds: between two times that it is passed on, however much is heard · how long is listened on for nobody. */
const [restMs, lingerMs] = [10, 2_000];

export type Hints = {
  /** One more wants to know, from now on. */
  want(): void;
  /** One less does. */
  leave(): void;
  stop(): void;
};

/** @param openEars Begins to listen. */
export const openHints = (openEars: (hearing: Hearing) => Ears, on: Hearing): Hints => {
  let wanted = 0;
  let ears: Ears | undefined;
  let leaving: NodeJS.Timeout | undefined;
  let resting: NodeJS.Timeout | undefined;
  let isHeard = false;

  /** Passes it on at once, and after a rest all that was heard meanwhile as one. */
  const hear = (): void => {
    isHeard = resting !== undefined;
    if (isHeard) return;
    resting = setTimeout(() => {
      resting = undefined;
      if (isHeard) hear();
    }, restMs).unref();
    on.onHint();
  };
  const stop = (): void => {
    clearTimeout(leaving);
    clearTimeout(resting);
    resting = undefined;
    ears?.close();
    ears = undefined;
  };

  return {
    want() {
      wanted += 1;
      clearTimeout(leaving);
      ears ??= openEars({ ...on, onHint: hear });
    },
    leave() {
      wanted -= 1;
      if (wanted > 0) return;
      clearTimeout(leaving);
      leaving = setTimeout(stop, lingerMs).unref();
    },
    stop,
  };
};
