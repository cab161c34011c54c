import type { Screen } from './live-tree.ts';

/** Writes until the screen fails (a closed pipe, a terminal that is gone), and then no more. */
export const openWriter = (screen: Screen) => {
  let isBroken = false;
  let isFull = false;
  const onError = (): void => {
    isBroken = true;
  };
  const onDrain = (): void => {
    isFull = false;
  };
  screen.on('error', onError);
  screen.on('drain', onDrain);
  return {
    /** False while the screen is slower than what it was given: a picture can be left out then, a line cannot. */
    get isReady() {
      return !isBroken && !isFull;
    },
    get isBroken() {
      return isBroken;
    },
    write(text: string): boolean {
      if (isBroken) return true;
      try {
        isFull = !screen.write(text);
      } catch {
        isBroken = true;
      }
      return !isFull;
    },
    close(): void {
      screen.off('drain', onDrain);
      // What was written last may still fail, after this.
      setTimeout(() => screen.off('error', onError), 1_000).unref();
    },
  };
};
