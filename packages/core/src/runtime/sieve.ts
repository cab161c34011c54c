/**
 * Sorts what a reader is shown, by its store and by this process: each stored event is told once, in its order, and nothing before it
 * is left out (L6, F-17).
 *
 * Events are numbered without a hole, those of a tree by `rootSeq`, those of a run by `seq`. One that is told here and is not the
 * next shows a gap: another process has stored what belongs there, and the store is read on before anything else is told.
 */
import { type EventQuery, isLive, type ReadEvent, type RunEvent, type StoredEvent } from '@troupe/protocol';

/** What becomes of an event: it is told, the reader has it, or the store has to be read before that can be said. */
type Verdict = 'news' | 'known' | 'gap';

export type Sieve = {
  /** From where the store is to be read on. */
  readonly from: EventQuery;
  /** True for an event that the reader has asked for. */
  concerns(event: RunEvent): boolean;
  /** Takes note of what the store gives; true when it is news. What it gives has no gaps. */
  read(event: ReadEvent): boolean;
  /**
   * Takes note of what is told here.
   *
   * @param isSought True when the store has been read, up to its end, since the event was told.
   * @param isRelayed True for a live event of another process: what it follows is stored, and may not have been read.
   */
  hear(event: RunEvent, isSought: boolean, isRelayed: boolean): Verdict;
};

export const openSieve = (query: EventQuery): Sieve => {
  /** Of each tree, or of the one run, the place of the last event that was told. */
  const places = new Map<string, number>();
  /** Of each run the number of its last event: live parts come behind those that they follow, or not at all. */
  const numbers = new Map<string, number>();
  let last: string | undefined;

  if ('rootId' in query) places.set(query.rootId, query.after ?? 0);
  if ('runId' in query) {
    places.set(query.runId, query.after ?? 0);
    numbers.set(query.runId, query.after ?? 0);
  }
  /** Where a tree begins for a reader that has had nothing of it. What stands before a cursor is nowhere to be read. */
  const beginning = 'rootId' in query || 'runId' in query || query.after === undefined ? 0 : undefined;
  const lineOf = ({ rootId, runId }: StoredEvent): string => ('runId' in query ? runId : rootId);
  const placeOf = ({ rootSeq, seq }: StoredEvent): number => ('runId' in query ? seq : rootSeq);
  const placeBefore = (event: StoredEvent): number | undefined => places.get(lineOf(event)) ?? beginning;

  const pass = (event: StoredEvent): void => {
    places.set(lineOf(event), placeOf(event));
    numbers.set(event.runId, event.seq);
  };

  return {
    get from() {
      if ('rootId' in query) return { rootId: query.rootId, after: places.get(query.rootId) ?? 0 };
      if ('runId' in query) return { runId: query.runId, after: places.get(query.runId) ?? 0 };
      return last === undefined ? query : { after: last };
    },
    concerns({ rootId, runId }) {
      if ('rootId' in query) return rootId === query.rootId;
      return 'runId' in query ? runId === query.runId : true;
    },
    read(event) {
      // Only what was read says where to read on: between events that are told others may be stored elsewhere.
      last = event.cursor;
      if (placeOf(event) <= (placeBefore(event) ?? 0)) return false;
      pass(event);
      return true;
    },
    hear(event, isSought, isRelayed) {
      if (isLive(event)) {
        const number = numbers.get(event.runId) ?? 0;
        if (isRelayed && event.seq > number) {
          if (!isSought) return 'gap';
          // What it follows cannot be read yet, unless that is older than where the reader began.
          if (beginning !== undefined || numbers.has(event.runId)) return 'known';
          numbers.set(event.runId, event.seq);
        }
        return event.seq >= number ? 'news' : 'known';
      }
      // The end of a run that could not be stored has no place, and no store gives it.
      if (event.rootSeq === 0) return 'news';
      const before = placeBefore(event);
      // Of a tree that nothing was read of, it stands at the reader's cursor or before it.
      if (before === undefined) return isSought ? 'known' : 'gap';
      if (placeOf(event) <= before) return 'known';
      // What is not found where it was stored has been forgotten since.
      if (placeOf(event) > before + 1 && !isSought) return 'gap';
      pass(event);
      return 'news';
    },
  };
};
