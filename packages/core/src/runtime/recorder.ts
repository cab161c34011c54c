/**
 * Written, then told (L6): stamps what a run says, hands it to the store, and tells it once the store has it.
 * Every stored event passes here, and so does every live one; secrets pass nowhere.
 */
import {
  type Clock,
  type Commit,
  faultOf,
  isFaultError,
  type LiveDraft,
  type LiveEvent,
  type Logger,
  type NewEvent,
  type RunEvent,
  type RunStore,
  redact,
  type StoredEvent,
} from '@troupe/protocol';
import type { Draft } from '../agent/context.ts';
import { type Feed, openFeed } from '../run/feed.ts';
import { enter } from '../run/ledger.ts';
import { type LiveRun, rowOf } from '../run/live-run.ts';

type Terminal = { type: 'run.completed' | 'run.failed' | 'run.interrupted'; [key: string]: unknown };

export type Recorder = {
  /** Records one step: all of it or nothing. A terminal draft is the last that a run records. */
  record(run: LiveRun, drafts: readonly (Draft | Terminal)[]): void;
  tellLive(run: LiveRun, draft: LiveDraft): void;
  /** The feed of a tree; opened on first use. */
  feedOf(rootId: string): Feed;
  /** Completes and forgets the feed of a tree that has nothing more to say. */
  closeFeed(rootId: string): void;
  /** Completes every feed: nothing more is told. */
  end(): void;
  /** Resolves when everything recorded so far is stored and told. */
  flushed(): Promise<void>;
};

export const openRecorder = (
  { clock, store, logger }: { clock: Clock; store: RunStore; logger: Logger },
  on: {
    told(event: RunEvent): void;
    /** The store refused a run's step: the run cannot go on here. */
    broken(run: LiveRun, error: unknown): void;
  },
): Recorder => {
  const feeds = new Map<string, Feed>();
  let over = false;
  const writing = new Set<Promise<unknown>>();
  /** The last write of each tree that is not acknowledged: its commits go out one after another, so they are told in the store's order. */
  const tails = new Map<string, Promise<void>>();

  const feedOf = (rootId: string): Feed => {
    const known = feeds.get(rootId);
    if (known) return known;
    const made = openFeed(on.told);
    if (over) made.events$.complete();
    feeds.set(rootId, made);
    return made;
  };

  const envelope = (run: LiveRun, at: number) => ({
    runId: run.runId,
    rootId: run.rootId,
    ...(run.parentId !== undefined && { parentId: run.parentId }),
    ...(run.callId !== undefined && { callId: run.callId }),
    depth: run.depth,
    agent: run.agent.name,
    at,
  });

  const stamp = (run: LiveRun, draft: Draft | Terminal, at: number): NewEvent => {
    run.seq += 1;
    const { waitedMs } = run.ledger;
    const event = {
      id: `${run.runId}:${run.seq}`,
      seq: run.seq,
      ...envelope(run, at),
      ...(waitedMs > 0 && { waitedMs }),
      ...filled(run, draft, at),
    };
    return redact(event) as NewEvent;
  };

  const record = (run: LiveRun, drafts: readonly (Draft | Terminal)[]): void => {
    if (run.suspended || run.ended || run.broken || drafts.length === 0) return;
    const at = clock.now();
    const expectedSeq = run.seq;
    const events = drafts.map((draft) => {
      const event = stamp(run, draft, at);
      enter(run.ledger, event as StoredEvent);
      return event;
    });
    run.part = 0;
    const commit: Commit = {
      runId: run.runId,
      rootId: run.rootId,
      epoch: run.epoch,
      expectedSeq,
      events,
      row: rowOf(run),
    };
    write(run, commit);
  };

  const write = (run: LiveRun, commit: Commit): void => {
    const feed = feedOf(run.rootId);
    const ahead = tails.get(run.rootId);
    if (run.writing || ahead)
      return later(
        run,
        feed,
        Promise.all([run.writing, ahead]).then(() => store.commit({ ...commit, epoch: run.epoch })),
      );
    try {
      const stored = store.commit(commit);
      if (stored instanceof Promise) later(run, feed, stored);
      else feed.push(acknowledged(run, stored));
    } catch (error) {
      on.broken(run, error);
    }
  };

  const acknowledged = (run: LiveRun, stored: StoredEvent[]): StoredEvent[] => {
    run.stored += stored.length;
    return stored;
  };

  const later = (run: LiveRun, feed: Feed, commit: Promise<StoredEvent[]>): void => {
    const stored = commit.then((events) => acknowledged(run, events));
    feed.push(stored);
    const done: Promise<void> = stored.then(
      () => {},
      (error: unknown) => on.broken(run, error),
    );
    run.writing = done;
    tails.set(run.rootId, done);
    writing.add(done);
    void done.then(() => {
      writing.delete(done);
      if (tails.get(run.rootId) === done) tails.delete(run.rootId);
      if (run.writing === done) run.writing = undefined;
    });
  };

  return {
    record,
    feedOf,
    closeFeed(rootId) {
      feeds.get(rootId)?.events$.complete();
      feeds.delete(rootId);
    },
    tellLive(run, draft) {
      if (run.ended || run.suspended || run.broken) return;
      run.part += 1;
      const event = { ...envelope(run, clock.now()), ...draft, live: true, seq: run.seq, part: run.part };
      feedOf(run.rootId).push([redact(event) as LiveEvent]);
    },
    end() {
      over = true;
      for (const { events$ } of feeds.values()) events$.complete();
    },
    async flushed() {
      while (writing.size > 0) await Promise.all(writing);
      // What is stored is told in the next microtask.
      await Promise.resolve();
      if ([...feeds.values()].some((feed) => feed.busy)) await Promise.resolve();
      logger satisfies Logger;
    },
  };
};

/** What only the recorder knows of an event: the job, the moment of a question. */
const filled = (run: LiveRun, draft: Draft | Terminal, at: number): object => {
  if (draft.type === 'run.queued') return { ...draft, job: run.job };
  if (draft.type === 'run.started')
    return { ...draft, job: run.job, ...(run.sessionKey !== undefined && { sessionKey: run.sessionKey }) };
  if (draft.type === 'question.asked') return { ...draft, question: { ...draft.question, askedAt: at } };
  return draft;
};

/**
 * The end of a run whose step could not be stored: told all the same, so that nobody waits for ever; the stored run stays as it
 * was. Such events have no place in the tree: their `rootSeq` is 0.
 */
export const unstoredEnd = (run: LiveRun, error: unknown, at: number): StoredEvent[] => {
  const { runId, rootId, parentId, depth, agent, ledger, job, model, stored } = run;
  const why = faultOf(error, 'store.unavailable').message;
  const fault = {
    code: 'store.unavailable',
    message: isFaultError(error) ? why : `Run "${runId}" could not be stored: ${why}`,
    retryable: false,
    runId,
  };
  const stamp = (seq: number) => ({
    id: `${runId}:${seq}`,
    seq,
    rootSeq: 0,
    at,
    runId,
    rootId,
    ...(parentId !== undefined && { parentId }),
    depth,
    agent: agent.name,
  });
  const { usage } = ledger;
  if (stored > 0) return [{ type: 'run.failed', ...stamp(stored + 1), exitReason: 'error', fault, usage }];
  return [
    { type: 'run.started', ...stamp(1), job, model, budget: {} },
    { type: 'run.failed', ...stamp(2), exitReason: 'error', fault, usage },
  ];
};
