/**
 * Written, then told (L6): stamps what a run says, hands it to the store, and tells it once the store has it.
 * Every stored event passes here, and so does every live one; secrets pass nowhere.
 *
 * What the runs of one tree record in one tick goes to the store as one commit: a parent and the child it starts, a child's end
 * and what its parent makes of it stand there together or not at all (L7). What they record while a commit of the tree is under way
 * goes together, too, once it is answered: a wide tree pays for few commits.
 */
import {
  type Checkpoint,
  type Clock,
  type Commit,
  faultOf,
  isFaultError,
  type LiveDraft,
  type LiveEvent,
  type Mail,
  type NewEvent,
  type RunEvent,
  type RunStore,
  redact,
  type StoredEvent,
} from '@troupe/protocol';
import type { Draft } from '../agent/context.ts';
import { isNoProgress } from '../agent/stalls.ts';
import { withResolvers } from '../es2024.ts';
import type { Place } from '../run/checkpoint.ts';
import { type Feed, openFeed } from '../run/feed.ts';
import { foldHeard } from '../run/journal.ts';
import { enter } from '../run/ledger.ts';
import { type LiveRun, rowOf } from '../run/live-run.ts';

type Terminal = { type: 'run.completed' | 'run.failed' | 'run.interrupted'; [key: string]: unknown };

export type Recorder = {
  /**
   * Records one step: all of it or nothing. A terminal draft is the last that a run records.
   *
   * @param step Of a step of its machine: what it goes on from. Without it and without events nothing that it heard is recorded yet.
   * @param mail What it leaves for others.
   */
  record(run: LiveRun, drafts: readonly (Draft | Terminal)[], step?: Step, mail?: readonly Mail[]): void;
  /** Stores a tree that is whole already, and tells its events. @param told Called with them before they are told. */
  copy(rootId: string, commits: readonly Commit[], told: (events: readonly StoredEvent[]) => void): Promise<void>;
  /** Tells a live part. Deltas come without secrets: only who streams a text knows of one that several of them hold together. */
  tellLive(run: LiveRun, draft: LiveDraft): void;
  /** The feed of a tree; opened on first use. */
  feedOf(rootId: string): Feed;
  /** Completes and forgets the feed of a tree that has nothing more to say. */
  closeFeed(rootId: string): void;
  /** Completes every feed: nothing more is told. */
  end(): void;
  /** Resolves when what was recorded so far, by one tree or by all, is stored, or was refused. */
  written(rootId?: string): Promise<void>;
  /** True while something of a tree waits to be told. */
  isBusy(rootId: string): boolean;
  /** Resolves when everything recorded so far is stored and told. */
  flushed(): Promise<void>;
};

/** `checkpoint`: none where the one before will do. */
type Step = { checkpoint: Checkpoint | undefined };
type Entry = { run: LiveRun; commit: Commit };

/** Events that are told one after another: live ones come between two passages of a commit. */
type Passage = { tell(events: readonly StoredEvent[]): void; events: number };

/** What a tree has recorded since its last commit, in order. */
type Group = {
  readonly steps: Entry[];
  readonly passages: Passage[];
  /** Where the next event is told; absent when something live was told behind the last one. */
  passage: Passage | undefined;
  readonly latest: Map<LiveRun, Commit>;
  /** Shared by all that the tree records until the store refuses one of them: what follows is refused with it. */
  readonly tree: { refusal?: { error: unknown } };
  /** Resolves when the store has answered, whatever it says. */
  readonly done: Promise<void>;
  close(stored: readonly StoredEvent[]): void;
};

export const openRecorder = (
  { clock, store, owner }: { clock: Clock; store: RunStore; owner: string },
  on: {
    told(event: RunEvent): void;
    /** The store refused a commit of a tree: nothing of the tree can go on here. `runs` are those that the commit was about. */
    broken(rootId: string, runs: readonly LiveRun[], error: unknown): void;
  },
): Recorder => {
  const feeds = new Map<string, Feed>();
  let over = false;
  /** Of each tree, what has not been handed to the store. */
  const groups = new Map<string, Group>();
  const trees = new Map<string, Group['tree']>();
  const writing = new Set<Promise<void>>();
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

  const stamp = (run: LiveRun, draft: Draft | Terminal, at: number): NewEvent => {
    run.seq += 1;
    const { waitedMs } = run.ledger;
    // One spread, and first: V8 copies an object that begins another one ten times as fast as one in its middle.
    const place = { ...run.envelope, id: `${run.envelope.runId}:${run.seq}`, seq: run.seq, at };
    // The envelope holds no secrets: what is said may.
    return Object.assign(place, waitedMs > 0 && { waitedMs }, redact(filled(run, draft, at))) as NewEvent;
  };

  const record: Recorder['record'] = (run, drafts, step, mail) => {
    const isEmpty = drafts.length === 0 && !step && !mail && run.receipts.length === 0;
    if (run.suspended || run.ended || run.broken || isEmpty) return;
    const at = clock.now();
    // What was asked from elsewhere, and came to nothing, is no step.
    if ((drafts.length > 0 || step) && !drafts.some(isNoProgress)) run.progressAt = at;
    const expectedSeq = run.seq;
    const events = drafts.map((draft) => {
      const event = stamp(run, draft, at);
      enter(run.ledger, event as StoredEvent);
      return event;
    });
    run.part = 0;
    const group = groups.get(run.rootId) ?? openGroup(run.rootId);
    passageOf(group, run.rootId).events += events.length;
    const { runId, rootId, epoch } = run;
    const row = rowOf(run);
    // A receipt alone is no step: what was heard goes with the state that it led to.
    const journal = drafts.length > 0 || step ? run.heard : [];
    if (journal === run.heard) run.heard = [];
    run.heardSinceEvent = drafts.length > 0 ? 0 : run.heardSinceEvent + journal.length;
    const checkpoint: (Checkpoint & { place?: Place }) | undefined = step?.checkpoint;
    if (checkpoint) checkpoint.place = { seq: run.seq, heard: run.heardSinceEvent };
    for (const entry of journal) entry.heard = foldHeard(entry.heard, drafts, expectedSeq);
    const { receipts } = run;
    run.receipts = [];
    const last = group.steps.at(-1);
    const before = group.latest.get(run);
    // Of all the checkpoints of one commit the last one counts; contexts of wide runs are large.
    if (before && checkpoint) delete before.checkpoint;
    if (last && last.commit === before) {
      before.events.push(...events);
      before.journal?.push(...journal);
      before.receipts?.push(...receipts);
      Object.assign(before, { row, ...(checkpoint && { checkpoint }) });
      if (mail) before.mail = [...(before.mail ?? []), ...mail];
    } else {
      const commit: Commit = { runId, rootId, owner, epoch, expectedSeq, events, journal, receipts, row };
      if (checkpoint) commit.checkpoint = checkpoint;
      if (mail) commit.mail = mail;
      group.steps.push({ run, commit });
      group.latest.set(run, commit);
    }
    run.writing = group.done;
  };

  const passageOf = (group: Group, rootId: string): Passage => {
    if (group.passage) return group.passage;
    const passage = { tell: feedOf(rootId).reserve(), events: 0 };
    group.passages.push(passage);
    group.passage = passage;
    return passage;
  };

  const openGroup = (rootId: string): Group => {
    const { promise: done, resolve } = withResolvers<void>();
    const steps: Entry[] = [];
    const tree = trees.get(rootId) ?? {};
    trees.set(rootId, tree);
    const passages: Passage[] = [];
    const group: Group = {
      steps,
      passages,
      passage: undefined,
      latest: new Map(),
      tree,
      done,
      close(stored) {
        let from = 0;
        for (const { tell, events } of passages) {
          tell(stored.slice(from, from + events));
          from += events;
        }
        writing.delete(done);
        if (tails.get(rootId) === done) tails.delete(rootId);
        for (const { run } of steps) if (run.writing === done) run.writing = undefined;
        resolve();
      },
    };
    groups.set(rootId, group);
    writing.add(done);
    const ahead = tails.get(rootId);
    tails.set(rootId, done);
    if (ahead) void ahead.then(() => write(rootId, group));
    else queueMicrotask(() => write(rootId, group));
    return group;
  };

  const write = (rootId: string, group: Group): void => {
    groups.delete(rootId);
    const { refusal } = group.tree;
    if (refusal) return refused(rootId, group, refusal.error);
    try {
      // What stays in this process is blanked when it is read: it may be large, and most of it is never looked at.
      if (store.lasting)
        for (const { commit } of group.steps) if (commit.checkpoint) commit.checkpoint = redact(commit.checkpoint);
      const stored = store.commit(group.steps.map(({ commit }) => commit));
      if (stored instanceof Promise)
        stored.then(
          (events) => written(group, events),
          (error: unknown) => refused(rootId, group, error),
        );
      else written(group, stored);
    } catch (error) {
      refused(rootId, group, error);
    }
  };

  const written = (group: Group, stored: readonly StoredEvent[]): void => {
    for (const { run, commit } of group.steps) run.stored += commit.events.length;
    group.close(stored);
  };

  const refused = (rootId: string, group: Group, error: unknown): void => {
    group.tree.refusal = { error };
    if (trees.get(rootId) === group.tree) trees.delete(rootId);
    on.broken(
      rootId,
      group.steps.map(({ run }) => run),
      error,
    );
    group.close([]);
  };

  return {
    record,
    feedOf,
    closeFeed(rootId) {
      feeds.get(rootId)?.events$.complete();
      feeds.delete(rootId);
      trees.delete(rootId);
    },
    async copy(rootId, commits, told) {
      const tell = feedOf(rootId).reserve();
      try {
        const stored = await store.commit(commits);
        told(stored);
        tell(stored);
      } catch (error) {
        tell([]);
        throw error;
      }
    },
    tellLive(run, draft) {
      if (run.ended || run.suspended || run.broken) return;
      run.part += 1;
      // What is recorded from now on comes behind this.
      const group = groups.get(run.rootId);
      if (group) group.passage = undefined;
      const at = clock.now();
      run.progressAt = at;
      const place = { ...run.envelope, at, live: true as const, seq: run.seq, part: run.part };
      const event = saidAt(place, draft) as LiveEvent;
      const feed = feedOf(run.rootId);
      // A tool tells its progress wherever it is.
      if (event.type === 'call.progressed') feed.push(event);
      else feed.tell(event);
    },
    async written(rootId) {
      await (rootId === undefined ? Promise.all(writing) : tails.get(rootId));
    },
    isBusy: (rootId) => feeds.get(rootId)?.isBusy() ?? false,
    end() {
      over = true;
      for (const { events$ } of feeds.values()) events$.complete();
    },
    async flushed() {
      while (writing.size > 0) await Promise.all(writing);
      // What is stored is told in the next microtask.
      await Promise.resolve();
      if ([...feeds.values()].some((feed) => feed.isBusy())) await Promise.resolve();
    },
  };
};

/** A live event of its place and what was said. There may be hundreds of thousands a second: nothing is copied. */
const saidAt = <P extends object>(place: P, draft: LiveDraft): P & LiveDraft => {
  if (draft.type === 'call.progressed') return Object.assign(place, redact(draft));
  const event = place as P & { type: LiveDraft['type']; delta: string };
  event.type = draft.type;
  event.delta = draft.delta;
  return event as P & LiveDraft;
};

/** What only the recorder knows of an event: the job, the moment of a question. */
const filled = (run: LiveRun, draft: Draft | Terminal, at: number): object => {
  if (draft.type === 'run.queued') return { ...draft, job: run.job };
  if (draft.type === 'run.started')
    return {
      ...draft,
      job: run.job,
      ...(run.sessionKey !== undefined && { sessionKey: run.sessionKey }),
      ...(run.origin && { origin: run.origin }),
    };
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
