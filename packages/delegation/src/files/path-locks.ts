import { systemClock } from '@troupe/core';
import { type Clock, FaultError } from '@troupe/protocol';

/** Those who want one name. */
type Line = {
  /** Settles when everybody who asked for the name so far is done with it. */
  tail?: Promise<void>;
  /** Who holds the name, though nobody waits for that work any more and it was given time to end. */
  late?: string;
  /** Those behind, each told of it. */
  waiting: Set<(late: string) => void>;
};

/** Whose work it is. */
export type Holding = {
  /** Ends the wait. Aborted later, it says that nobody waits for the work any more. */
  signal?: AbortSignal | undefined;
  /** Who it is, as others are told. */
  by?: string | undefined;
};

const taken = (name: string, late: string): FaultError =>
  new FaultError(
    'files.held',
    `${name} cannot be written now: ${late} began to write it, and was ended before that was done. It may still write, so nothing else was written. Try again later, or write another file.`,
    { retryable: true, details: { path: name, holder: late } },
  );

/**
 * Locks by name, first come, first served. Names that nobody holds or waits for cost nothing.
 *
 * A waiter that gives up leaves its place to those behind it, who wait for those before it all the same.
 *
 * Nobody can tell whether work that was aborted and goes on still writes: the name stays its own until it has ended, for what two write
 * at once is lost to both. Others wait `graceMs` for that, and are refused then, which loses nothing.
 */
export const pathLocks = ({
  clock = systemClock,
  graceMs = 5_000,
}: {
  clock?: Clock | undefined;
  graceMs?: number | undefined;
} = {}) => {
  const lines = new Map<string, Line>();

  const locked = async <T>(name: string, work: () => Promise<T>, holding: Holding): Promise<T> => {
    const { signal } = holding;
    signal?.throwIfAborted();
    const line: Line = lines.get(name) ?? { waiting: new Set() };
    if (line.late !== undefined) throw taken(name, line.late);
    const before = line.tail;
    let release = () => {};
    const mine = new Promise<void>((resolve) => {
      release = resolve;
    });
    const tail = before ? before.then(() => mine) : mine;
    line.tail = tail;
    lines.set(name, line);
    // Not where the lock is released: of a waiter that gave up, those before it may still be at work.
    void tail.then(() => {
      if (line.tail === tail) lines.delete(name);
    });
    try {
      if (before) await turn(name, before, line, signal);
      signal?.throwIfAborted();
      return await watched(line, work, holding);
    } finally {
      release();
    }
  };

  /** Says that it is late where it goes on for too long after its signal was aborted. */
  const watched = async <T>(line: Line, work: () => Promise<T>, { signal, by = 'other work' }: Holding): Promise<T> => {
    let timer: unknown;
    const abort = (): void => {
      timer = clock.setTimeout(() => {
        line.late = by;
        for (const giveUp of [...line.waiting]) giveUp(by);
      }, graceMs);
      // What hangs keeps no process alive.
      (timer as { unref?: () => void } | undefined)?.unref?.();
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await work();
    } finally {
      signal?.removeEventListener('abort', abort);
      clock.clearTimeout(timer);
      delete line.late;
    }
  };

  return {
    /** Holds all the names while `work` goes on. They are taken in one order, whatever order they are given in: no deadlock. */
    hold: <T>(names: readonly string[], work: () => Promise<T>, holding: Holding = {}): Promise<T> =>
      [...new Set(names)]
        .toSorted()
        .reduceRight<() => Promise<T>>((inner, name) => () => locked(name, inner, holding), work)(),
  };
};

/** Resolves when those before are done; rejects when its signal is aborted, or when one of them is late. */
const turn = (name: string, before: Promise<void>, { waiting }: Line, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    const leave = (): void => {
      signal?.removeEventListener('abort', abort);
      waiting.delete(giveUp);
    };
    const abort = (): void => {
      leave();
      reject(signal?.reason as unknown);
    };
    const giveUp = (late: string): void => {
      leave();
      reject(taken(name, late));
    };
    signal?.addEventListener('abort', abort, { once: true });
    waiting.add(giveUp);
    void before.then(() => {
      leave();
      resolve();
    });
  });
