/** What has changed since the last frame, gathered, so that each row is told at most once in a frame. */
import type { Happening } from '../wire.ts';

/** No row is both changed and gone: what it was told last counts. */
export type Frame = { ids: Set<string>; gone: Set<string>; happenings: Happening[]; missed: number };

/** Happenings that one frame holds: the last of them; more in 50 ms nobody can see. */
const most = 200;

export type Gathered = {
  row(id: string): void;
  gone(id: string): void;
  happened(happening: Happening): void;
  /** Everything until now; it starts anew. */
  take(): Frame;
};

export const noFrame = (): Frame => ({ ids: new Set(), gone: new Set(), happenings: [], missed: 0 });

const noteRow = ({ ids, gone }: Frame, id: string): void => {
  gone.delete(id);
  ids.add(id);
};
const noteGone = ({ ids, gone }: Frame, id: string): void => {
  ids.delete(id);
  gone.add(id);
};

/** What rows have come to in a frame, after those before it. */
export const addRows = (to: Frame, { ids, gone }: Pick<Frame, 'ids' | 'gone'>): void => {
  for (const id of gone) noteGone(to, id);
  for (const id of ids) noteRow(to, id);
};

export const gather = (): Gathered => {
  let frame = noFrame();
  return {
    row: (id) => noteRow(frame, id),
    gone: (id) => noteGone(frame, id),
    happened(happening) {
      frame.happenings.push(happening);
      if (frame.happenings.length <= 2 * most) return;
      frame.missed += frame.happenings.length - most;
      frame.happenings = frame.happenings.slice(-most);
    },
    take() {
      const taken = frame;
      frame = noFrame();
      const over = Math.max(0, taken.happenings.length - most);
      return { ...taken, missed: taken.missed + over, happenings: taken.happenings.slice(over) };
    },
  };
};
