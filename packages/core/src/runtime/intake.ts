/**
 * Where a reader takes its events from, one at a time: what was stored is fetched when it is asked for, what is told meanwhile is held.
 * A reader that falls too far behind has nothing held for it any more, is told so, and reads on from the store: it slows no run and
 * misses no stored event. What other processes store is read once everything told here is, or where something told here shows a gap.
 * Live events of other processes come by the store's relay, behind what they follow.
 */
import {
  type EventQuery,
  isFaultError,
  isLive,
  isTerminal,
  isWithin,
  type LiveRelay,
  type ReadEvent,
  type RunEvent,
  type RunStore,
} from '@troupe/protocol';
import { type Observable, Subscription } from 'rxjs';
import { openSieve, type Sought } from './sieve.ts';

export type ReadOptions = {
  /** False: it ends where what is stored ends. Default: it goes on with what comes. */
  follow?: boolean;
  /** How many events are held for a reader that does not ask for them, or whose store is slow. Default: 10,000. */
  bound?: number;
  /**
   * Called when a reader is further behind: `dropped` events were let go. Stored ones among them are read again from the store; live
   * parts, such as `text.streamed`, are not told to it.
   */
  lagged?: (behind: { dropped: number }) => void;
};

/** What somebody reads. */
export type Reading = {
  store: Pick<RunStore, 'events' | 'changes'>;
  query: EventQuery;
  /** What this process tells, of the query or of more. */
  live$: Observable<RunEvent>;
  /** What other processes tell, for those who want live events of theirs. */
  relay?: LiveRelay | undefined;
  /** Whether the process waits for what others store, as long as this is read. */
  keepAlive?: boolean;
  /** Only what this run and those below it say, up to its last event. */
  within?: string;
  /** Trees that are over of which is remembered what was told. Default: 10,000. */
  mostOver?: number;
};

/** `later`: nothing is there now. A promise: the store has to be waited for. */
type Taken = RunEvent | Promise<void> | 'later' | 'over';

export type Intake = {
  /** The next event. Throws what the store or the live events have failed with. */
  take(): Taken;
  /** Frees everything. */
  leave(): Promise<void>;
};

type Source = Iterator<ReadEvent> | AsyncIterator<ReadEvent>;

/** The tree that is read; none where all are. A run's id begins with that of its root. */
const treeOf = (query: EventQuery): string | undefined => {
  if ('rootId' in query) return query.rootId;
  return 'runId' in query ? query.runId.replace(/\/.*/, '') : undefined;
};

/** @param wake Called when it may be worth taking again. */
export const openIntake = (
  { store, query, live$, relay, within, keepAlive = false, mostOver }: Reading,
  { follow = true, bound = 10_000, lagged }: ReadOptions,
  wake: () => void,
): Intake => {
  const sieve = openSieve(query, mostOver);
  let held: RunEvent[] = [];
  let taken: RunEvent[] = [];
  let mustRead = true;
  let mayRead = false;
  let source: Source | undefined;
  let answer: IteratorResult<ReadEvent> | undefined;
  /** What is looked for, and where. */
  let sought: { event: RunEvent; in: Sought } | undefined;
  /** Whether it is read on from where it was left; the tree that is looked for, and whether something of it was found. */
  let isOn = true;
  let checked: string | undefined;
  let isFound = false;
  let ended: { error: unknown } | 'over' | undefined = follow ? undefined : 'over';

  /** Of a root, all that the query asks for is its own or below it. */
  const isAll = within === undefined || ('rootId' in query && query.rootId === within);
  const isWanted = ({ runId }: RunEvent): boolean => isAll || isWithin(runId, within);
  const isLast = (event: RunEvent): boolean => event.runId === within && isTerminal(event);

  const end = (how: NonNullable<typeof ended>): void => {
    ended ??= how;
    wake();
  };
  const hold = (event: RunEvent): void => {
    // Stored events of other runs of the tree show its gaps.
    if (!sieve.concerns(event) || (isLive(event) && !isWanted(event))) return;
    if (held.length >= bound) {
      // What no store has is kept, or nobody would ever hear of it.
      const kept = held.filter((each) => !isLive(each) && each.rootSeq === 0);
      const dropped = held.length - kept.length;
      held = kept;
      mustRead = true;
      lagged?.({ dropped });
    }
    held.push(event);
    if (isLast(event)) listening.unsubscribe();
    wake();
  };

  /** What other processes tell. */
  const relayed = new WeakSet<RunEvent>();

  const listening = new Subscription();
  const mayHaveMore = (): void => {
    mayRead = true;
    wake();
  };
  const listen = (): void => {
    listening.add(store.changes?.(mayHaveMore, { keepAlive }));
    listening.add(
      relay?.listen(treeOf(query), (event) => {
        if (!event) return mayHaveMore();
        relayed.add(event);
        hold(event);
      }),
    );
    listening.add(
      live$.subscribe({
        next: hold,
        error: (error: unknown) => end({ error }),
        complete: () => end('over'),
      }),
    );
  };
  if (follow) listen();

  const leave = async (): Promise<void> => {
    listening.unsubscribe();
    ended ??= 'over';
    held = [];
    taken = [];
    mustRead = false;
    mayRead = false;
    const left = source;
    source = undefined;
    wake();
    await left?.return?.();
  };
  /** What the store fails with ends the reading; once nothing more is told, a store that was closed is just the end. */
  const fail = (error: unknown): void => {
    const isEnd = follow && ended === 'over' && isFaultError(error) && error.code === 'store.closed';
    if (!isEnd) ended = { error };
    // It has no end that somebody could wait for.
    source = undefined;
    void leave();
    if (!isEnd) throw error;
  };
  const give = (event: RunEvent): RunEvent => {
    // Nobody waits for what a store has to say at the end of a reading.
    if (isLast(event)) leave().catch(() => {});
    return event;
  };

  const read = (query: EventQuery): void => {
    isOn = !('rootId' in query) || 'rootId' in sieve.from;
    source = iteratorOf(store.events(query));
  };

  const next = (): Taken => {
    for (;;) {
      if (source) {
        const reading = source;
        const step = answer ?? reading.next();
        answer = undefined;
        if (step instanceof Promise)
          return step.then(
            (given) => {
              answer = given;
            },
            // Whoever has left hears of nothing.
            (error: unknown) => (source === reading ? fail(error) : undefined),
          );
        if (step.done) {
          if (checked !== undefined && !isFound) sieve.lacks(checked);
          source = checked = undefined;
          continue;
        }
        isFound = true;
        if (sieve.read(step.value, isOn) && isWanted(step.value)) return give(step.value);
        continue;
      }
      const event = taken.pop();
      if (event) {
        const verdict = sieve.hear(event, sought?.event === event ? sought.in : 'nothing', relayed.has(event));
        if (verdict === 'news' && isWanted(event)) return give(event);
        if (verdict === 'news' || verdict === 'known') continue;
        taken.push(event);
        sought = { event, in: verdict === 'gap' ? 'store' : 'tree' };
        read(verdict === 'gap' ? sieve.from : verdict);
        continue;
      }
      if (mustRead) {
        mustRead = false;
        read(sieve.from);
        continue;
      }
      if (held.length > 0) {
        // Taken from the end, which costs the same however many there are.
        [taken, held] = [held.reverse(), taken];
        continue;
      }
      if (mayRead) {
        mayRead = false;
        mustRead = true;
        continue;
      }
      if (typeof ended === 'object') throw ended.error;
      if (ended) return ended;
      const check = sieve.check();
      if (!check) return 'later';
      if ('rootId' in check) checked = check.rootId;
      isFound = false;
      read(check);
    }
  };

  return {
    take() {
      try {
        return next();
      } catch (error) {
        fail(error);
        return 'over';
      }
    },
    leave,
  };
};

const iteratorOf = (events: Iterable<ReadEvent> | AsyncIterable<ReadEvent>): Source =>
  Symbol.asyncIterator in events ? events[Symbol.asyncIterator]() : events[Symbol.iterator]();
