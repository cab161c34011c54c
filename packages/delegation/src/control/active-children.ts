/**
 * Which children are at work, kept from what the runtime tells. Trees that were there before are read from the store, each from its
 * beginning and on, whichever process executes them; new ones are heard as they begin. No tree is heard both ways.
 */
import type { Runtime } from '@troupe/core';
import { isTerminal, type RunEvent, unfinished } from '@troupe/protocol';
import { finalize, type Observable, Subject, Subscription, takeWhile } from 'rxjs';
import { openWatch, type WatchedChild } from '../relay/watched-child.ts';

export type ActiveChildren = {
  readonly children: ReadonlyMap<string, WatchedChild>;
  /** Tells that something has changed; completes when nothing more is heard. */
  readonly changed$: Observable<void>;
  /** Resolves when those are known that were there before. Rejects when the store could not say so. */
  readonly ready: Promise<void>;
  /** Forgets a child that turned out to have ended. */
  forget(runId: string): void;
  close(): void;
};

export const openActiveChildren = (runtime: Runtime): ActiveChildren => {
  const watch = openWatch();
  const changed$ = new Subject<void>();
  const subscriptions = new Subscription();
  /** Trees that are read from the store. */
  const read = new Set<string>();
  /** Trees that were heard from their beginning; of interest until it is known which ones were there before. */
  let whole: Set<string> | undefined = new Set();

  const take = (event: RunEvent): void => {
    if (watch.take(event)) changed$.next();
  };
  const hear = (event: RunEvent): void => {
    if (event.parentId === undefined && event.seq === 1) whole?.add(event.rootId);
    if (whole ? whole.has(event.rootId) : !read.has(event.rootId)) take(event);
  };
  const isAtWork = (rootId: string): boolean => {
    for (const child of watch.children.values()) if (child.rootId === rootId) return true;
    return false;
  };
  const follow = (rootId: string): void => {
    let hasEnded = false;
    /** A child that was let go may outlive its root. */
    const goesOn = (event: RunEvent): boolean => {
      take(event);
      hasEnded ||= event.runId === rootId && isTerminal(event);
      return !hasEnded || isAtWork(rootId);
    };
    read.add(rootId);
    const events$ = runtime.events({ rootId }).pipe(
      takeWhile(goesOn),
      finalize(() => read.delete(rootId)),
    );
    subscriptions.add(events$.subscribe());
  };
  const forget = (runId?: string): void => {
    watch.forget(runId);
    changed$.next();
  };
  const close = (): void => {
    subscriptions.unsubscribe();
    forget();
    changed$.complete();
  };

  subscriptions.add(runtime.events$.subscribe({ next: hear, complete: close }));
  const ready = (async (): Promise<void> => {
    try {
      const rows = await runtime.runs.list({ status: unfinished, limit: Number.MAX_SAFE_INTEGER });
      const heard = whole;
      whole = undefined;
      for (const rootId of new Set(rows.map((row) => row.rootId)))
        if (!subscriptions.closed && !heard?.has(rootId)) follow(rootId);
    } finally {
      whole = undefined;
    }
  })();
  // Whoever waits for it is told; nobody has to.
  ready.catch(() => {});
  return {
    children: watch.children,
    changed$,
    ready,
    forget,
    close,
  };
};
