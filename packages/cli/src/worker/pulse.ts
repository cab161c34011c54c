import type { RunStore } from '@troupe/protocol';
import { fromCallback } from 'xstate';

/** Asks a store for something small, again and again, and tells whenever it has answered. */
export const pulseOf = (store: Pick<RunStore, 'holder'>, everyMs: number) =>
  fromCallback(({ sendBack }) => {
    let isAsking = false;
    const ask = async (): Promise<void> => {
      if (isAsking) return;
      isAsking = true;
      try {
        await store.holder('');
        sendBack({ type: 'answered' });
      } catch {
        // Silence is what this is about.
      }
      isAsking = false;
    };
    const timer = setInterval(() => void ask(), everyMs);
    return () => clearInterval(timer);
  });
