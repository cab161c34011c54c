/** What has changed since the last frame, gathered, so that each row is told at most once in a frame. */
import type { Happening } from '../wire.ts';

export type Frame = { ids: Set<string>; gone: string[]; happenings: Happening[]; missed: number };

/** Happenings that one frame holds: the last of them; more in 50 ms nobody can see. */
const most = 200;

export type Gathered = {
  row(id: string): void;
  gone(id: string): void;
  happened(happening: Happening): void;
  /** Everything until now; it starts anew. */
  take(): Frame;
};

export const gather = (): Gathered => {
  const empty = (): Frame => ({ ids: new Set(), gone: [], happenings: [], missed: 0 });
  let frame = empty();
  return {
    row: (id) => void frame.ids.add(id),
    gone(id) {
      frame.ids.delete(id);
      frame.gone.push(id);
    },
    happened(happening) {
      frame.happenings.push(happening);
      if (frame.happenings.length <= 2 * most) return;
      frame.missed += frame.happenings.length - most;
      frame.happenings = frame.happenings.slice(-most);
    },
    take() {
      const taken = frame;
      frame = empty();
      const over = Math.max(0, taken.happenings.length - most);
      return { ...taken, missed: taken.missed + over, happenings: taken.happenings.slice(over) };
    },
  };
};
