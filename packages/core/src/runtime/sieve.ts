/**
 * Sorts what a reader is shown, by its store and by this process: each stored event is told once, in its order, and nothing before it
 * is left out (L6, F-17).
 *
 * Events are numbered without a hole, those of a tree by `rootSeq`, those of a run by `seq`. One that is told here and is not the
 * next shows a gap: another process has stored what belongs there, and the store is read on before anything else is told.
 */
import { type EventQuery, isLive, isTerminal, type ReadEvent, type RunEvent, type StoredEvent } from '@troupe/protocol';

/**
 * What becomes of an event: it is told, the reader has it, or something has to be read before that can be said: the store from where it
 * was left (`gap`), or the event's tree alone, for a reader over all trees may be shown later what is stored (a query).
 */
type Verdict = 'news' | 'known' | 'gap' | { rootId: string; after: number };
/** What was read, up to its end, for an event since it was told. */
export type Sought = 'nothing' | 'store' | 'tree';

export type Sieve = {
  /** From where the store is to be read on. */
  readonly from: EventQuery;
  /** True for an event that the reader has asked for. */
  concerns(event: RunEvent): boolean;
  /**
   * Takes note of what the store gives; true when it is news. What it gives has no gaps.
   *
   * @param isOn True where the store is read on `from` where it was left.
   */
  read(event: ReadEvent, isOn: boolean): boolean;
  /**
   * Takes note of what is told here.
   *
   * @param isRelayed True for a live event of another process: what it follows is stored, and may not have been read.
   */
  hear(event: RunEvent, sought: Sought, isRelayed: boolean): Verdict;
  /**
   * What had better be read though nothing is missing, so that the sieve does not grow with whatever was ever told: it forgets trees that
   * were over long ago, once the store has given all of them or does not have them any more. Asked when nothing waits to be sorted, and
   * again once it was read.
   */
  check(): EventQuery | undefined;
  /** A tree was to be read from the last event of it that was told, and the store does not have that. */
  lacks(rootId: string): void;
};

/**
 * What is known of a tree, or of the one run: the place of the last event that was told, and of the last that the store gave; of its
 * runs the numbers of their last events, and how many have ended.
 */
type Line = { place: number | undefined; read: number; numbers: Map<string, number>; ended: number; began?: number };

/** @param mostOver Trees that are over and not forgotten yet: what is told late is of these. */
export const openSieve = (query: EventQuery, mostOver = 10_000): Sieve => {
  const lines = new Map<string, Line>();
  /** Trees of which nothing goes on, as they ended. */
  const over = new Set<string>();
  /** How many of them there are when the store is read for their sake; those of them that it may not have given, while it is. */
  let wantedAt = 2 * mostOver;
  let unread: string[] | undefined;
  /** Runs whose beginning the store has not given yet, though it was told: what streams of them comes too early. */
  const early = new Set<string>();
  let hasForgotten = false;
  let last: string | undefined;

  const open = (key: string, place?: number): Line => {
    const line: Line = { place, read: 0, numbers: new Map(), ended: 0 };
    lines.set(key, line);
    return line;
  };
  if ('rootId' in query) open(query.rootId, query.after ?? 0);
  if ('runId' in query) open(query.runId, query.after ?? 0).numbers.set(query.runId, query.after ?? 0);

  const isOfAll = !('rootId' in query || 'runId' in query);
  /** What stands before a cursor is nowhere to be read. */
  const isWhole = !isOfAll || query.after === undefined;
  const keyOf = ({ rootId, runId }: RunEvent): string => ('runId' in query ? runId : rootId);
  const placeOf = ({ rootSeq, seq }: StoredEvent): number => ('runId' in query ? seq : rootSeq);
  /** The place that was told before; `undefined` where only the store can say whether it was, or will be. */
  const placeBefore = (event: StoredEvent): number | undefined =>
    lines.get(keyOf(event))?.place ?? (isWhole && !hasForgotten ? 0 : undefined);

  const pass = (event: StoredEvent): void => {
    const key = keyOf(event);
    const line = lines.get(key) ?? open(key);
    early.delete(event.runId);
    line.place = placeOf(event);
    if (line.place === 1) line.began = event.at;
    line.numbers.set(event.runId, event.seq);
    if (!isOfAll) return;
    if (isTerminal(event)) line.ended += 1;
    over.delete(key);
    if (line.ended === line.numbers.size) over.add(key);
  };
  /** One of its id was forgotten, and it begins: nothing of it was told. */
  const renew = (event: StoredEvent): void => {
    const key = keyOf(event);
    const line = lines.get(key);
    if (placeOf(event) !== 1 || line?.began === undefined || line.began === event.at) return;
    over.delete(key);
    open(key, 0);
  };
  /** Of these most were told long ago, and nothing more comes. */
  const defer = (runId: string): void => {
    early.add(runId);
    for (const oldest of early) {
      if (early.size <= mostOver) return;
      early.delete(oldest);
    }
  };
  const forget = (key: string): void => {
    over.delete(key);
    lines.delete(key);
    hasForgotten = true;
  };
  /** What the store has not given yet it may still give: nobody would know that it was told. */
  const isRead = (line: Line | undefined): boolean => line?.read === line?.place;
  /** While very much is read, from the front only, and many at once: what was taken from the front of a set is walked over again. */
  const forgetRead = (): void => {
    if (over.size < 2 * mostOver) return;
    for (const key of over) {
      if (over.size <= mostOver || !isRead(lines.get(key))) return;
      forget(key);
    }
  };

  return {
    get from() {
      if ('rootId' in query) return { rootId: query.rootId, after: lines.get(query.rootId)?.place ?? 0 };
      if ('runId' in query) return { runId: query.runId, after: lines.get(query.runId)?.place ?? 0 };
      return last === undefined ? query : { after: last };
    },
    concerns({ rootId, runId }) {
      if ('rootId' in query) return rootId === query.rootId;
      return 'runId' in query ? runId === query.runId : true;
    },
    read(event, isOn) {
      // Only what was read says where to read on: between events that are told others may be stored elsewhere.
      if (isOn) last = event.cursor;
      renew(event);
      const isNews = placeOf(event) > (placeBefore(event) ?? 0);
      if (isNews) pass(event);
      const line = lines.get(keyOf(event));
      if (line && isOfAll && isOn) line.read = placeOf(event);
      if (isTerminal(event)) forgetRead();
      return isNews;
    },
    hear(event, sought, isRelayed) {
      if (isLive(event)) {
        if (early.has(event.runId)) return 'known';
        const numbers = lines.get(keyOf(event))?.numbers;
        const number = numbers?.get(event.runId) ?? 0;
        if (isRelayed && event.seq > number) {
          if (sought === 'nothing') return 'gap';
          // What it follows cannot be read yet, unless that is older than where the reader began.
          if (isWhole || numbers?.has(event.runId)) return 'known';
          (lines.get(keyOf(event)) ?? open(keyOf(event))).numbers.set(event.runId, event.seq);
        }
        return event.seq >= number ? 'news' : 'known';
      }
      // The end of a run that could not be stored has no place, and no store gives it.
      if (event.rootSeq === 0) return 'news';
      renew(event);
      const before = placeBefore(event);
      // Of a tree that nothing is known of, it stands where the reader began or before that, or was told: the store does not give it.
      if (before === undefined) {
        if (sought === 'nothing') return 'gap';
        if (isWhole) defer(event.runId);
        return 'known';
      }
      if (placeOf(event) <= before) return 'known';
      if (placeOf(event) > before + 1) {
        if (sought === 'nothing') return 'gap';
        if (sought === 'store' && isOfAll) return { rootId: event.rootId, after: before };
        // What is not found where it was stored has been forgotten since.
      }
      pass(event);
      return 'news';
    },
    check() {
      if (!unread) {
        if (over.size < wantedAt) return undefined;
        unread = [...over].slice(0, -mostOver);
        return this.from;
      }
      for (let key = unread.pop(); key !== undefined; key = unread.pop()) {
        const line = lines.get(key);
        if (!over.has(key)) continue;
        if (!isRead(line)) return { rootId: key, after: (line?.place ?? 1) - 1 };
        forget(key);
      }
      unread = undefined;
      wantedAt = over.size + mostOver;
      return undefined;
    },
    lacks: forget,
  };
};
