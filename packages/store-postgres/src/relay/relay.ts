/**
 * Live events go from the store whose process tells them to the stores whose processes follow their tree, and so does that something was
 * stored of it. Who follows says so to all, again and again; nobody sends anything to anybody else. What gets lost is lost: all of it
 * stands in what is stored afterwards, and is found by looking.
 */
import type { LiveEvent, LiveRelay } from '@troupe/protocol';
import { everybody } from '../writer/tell.ts';
import { type Message, messageIn } from './message.ts';
import { fits, pack, unpack } from './pack.ts';

/** Milliseconds: between two times that somebody says what is followed · at least, however much changes · until who says no more is forgotten. */
const [againMs, restMs, forgottenMs] = [5_000, 250, 15_000];
/** Milliseconds that those who follow are given to say so, once they can be heard: what is told until then is kept for them. */
const knownMs = 500;
/** How long what is told is gathered, in milliseconds, and how many events and texts are sent then to one store: more is left out. */
const [gatherMs, mostEvents, mostTexts] = [30, 2_000, 16];
/** Stores whose last text is remembered. */
const mostSenders = 1_000;

type Follower = {
  /** Absent for all of them. */
  roots: ReadonlySet<string> | undefined;
  until: number;
  /** What is to be sent: live events, and of which trees something was stored. */
  events: LiveEvent[];
  stored: Set<string>;
};

type Heard = Parameters<LiveRelay['listen']>[1];

export type Relay = LiveRelay & {
  /** Something was stored of a tree. */
  stored(rootId: string): void;
  /** Takes what another store has sent. */
  take(text: string): void;
  /** It hears others from now on: what they said before is not known. */
  begin(): void;
  stop(): void;
};

type Around = {
  /** By what other stores know this one. */
  self: string;
  /** Sends a text to one store, or to everybody. Nobody waits for it, and it may be lost. */
  send(text: string, to: string): void;
  /** Others are to be heard from now on, or need not be. */
  want(): void;
  leave(): void;
};

export const openRelay = ({ self, send, want, leave }: Around): Relay => {
  const followers = new Map<string, Follower>();
  /** Who listens here, by tree; under `undefined` those who listen to all. */
  const hearers = new Map<string | undefined, Set<Heard>>();
  /** The number of the last text of each store: one that is late is not taken. */
  const latest = new Map<string, number>();
  let numbers = 0;
  /** What was told while it was not known who follows, and since when. */
  let early: { since: number; events: LiveEvent[] } | undefined = { since: performance.now(), events: [] };
  let knowing: NodeJS.Timeout | undefined;
  let saying: NodeJS.Timeout | undefined;
  let saidAt = Number.NEGATIVE_INFINITY;
  let isSoon = false;
  let gathering: NodeJS.Timeout | undefined;

  const say = (message: Omit<Message, 'by'>, to = everybody): void =>
    send(JSON.stringify({ by: self, ...message }), to);

  const announce = (): void => {
    clearTimeout(saying);
    isSoon = false;
    saidAt = performance.now();
    const follows = [...hearers.keys()];
    const roots = follows.filter((rootId) => rootId !== undefined);
    // Who follows more trees than can be named follows all of them.
    const isNamed = roots.length === follows.length && fits(JSON.stringify(roots));
    say({ follows: isNamed ? roots : null });
    saying = hearers.size > 0 ? setTimeout(announce, againMs).unref() : undefined;
  };
  const announceSoon = (): void => {
    if (isSoon) return;
    isSoon = true;
    clearTimeout(saying);
    saying = setTimeout(announce, Math.max(0, saidAt + restMs - performance.now())).unref();
  };

  const flush = (): void => {
    gathering = undefined;
    for (const [store, follower] of followers) {
      const { events, stored } = follower;
      follower.events = [];
      follower.stored = new Set();
      const roots = [...stored];
      if (roots.length > 0) say({ number: ++numbers, stored: fits(JSON.stringify(roots)) ? roots : null }, store);
      for (const text of pack(events).slice(0, mostTexts))
        send(`{"by":"${self}","number":${++numbers},"live":${text}}`, store);
    }
  };
  const flushSoon = (): void => {
    gathering ??= setTimeout(flush, gatherMs).unref();
  };
  /** Those who follow a tree, and have said so lately. */
  const followersOf = function* (rootId: string): Generator<Follower> {
    const now = performance.now();
    for (const [store, follower] of followers)
      if (follower.until < now) followers.delete(store);
      else if (follower.roots?.has(rootId) ?? true) yield follower;
  };
  const gather = ({ events }: Follower, event: LiveEvent): void => {
    if (events.length >= mostEvents) return;
    events.push(event);
    flushSoon();
  };
  const keepEarly = (event: LiveEvent): void => {
    if (!early) return;
    const now = performance.now();
    if (now - early.since > knownMs) early = { since: now, events: [] };
    if (early.events.length < mostEvents) early.events.push(event);
  };

  const learn = (store: string, follows: readonly string[] | null): void => {
    const known = followers.get(store);
    const follower: Follower = {
      roots: follows ? new Set(follows) : undefined,
      until: performance.now() + forgottenMs,
      events: known?.events ?? [],
      stored: known?.stored ?? new Set(),
    };
    if (follows?.length === 0) return void followers.delete(store);
    followers.set(store, follower);
    if (!known)
      for (const event of early?.events ?? []) if (follower.roots?.has(event.rootId) ?? true) gather(follower, event);
  };
  const isLate = (by: string, number: number): boolean => {
    if (number <= (latest.get(by) ?? 0)) return true;
    latest.delete(by);
    latest.set(by, number);
    for (const sender of latest.keys()) {
      if (latest.size <= mostSenders) break;
      latest.delete(sender);
    }
    return false;
  };
  const pass = (rootId: string | undefined, event?: LiveEvent): void => {
    for (const heard of [...(hearers.get(rootId) ?? [])]) heard(event);
  };
  const passStored = (roots: readonly string[] | null): void => {
    for (const rootId of roots ?? [...hearers.keys()]) if (rootId !== undefined) pass(rootId);
    pass(undefined);
  };

  return {
    tell(event) {
      keepEarly(event);
      if (followers.size > 0) for (const follower of followersOf(event.rootId)) gather(follower, event);
    },
    stored(rootId) {
      for (const follower of followersOf(rootId)) {
        follower.stored.add(rootId);
        flushSoon();
      }
    },
    listen(rootId, heard) {
      const known = hearers.get(rootId);
      if (known) known.add(heard);
      else {
        hearers.set(rootId, new Set([heard]));
        announceSoon();
      }
      want();
      return () => {
        const left = hearers.get(rootId);
        if (!left?.delete(heard)) return;
        if (left.size === 0) hearers.delete(rootId);
        // A tree that is left is left out the next time; who leaves all says so.
        if (hearers.size === 0) announceSoon();
        leave();
      };
    },
    take(text) {
      const { by, asks, follows, number, stored, live } = messageIn(text) ?? {};
      if (by === undefined || by === self) return;
      if (follows !== undefined) learn(by, follows);
      if (asks && hearers.size > 0) announceSoon();
      if (number === undefined || isLate(by, number)) return;
      if (stored !== undefined) passStored(stored);
      for (const event of unpack(live ?? [])) {
        pass(event.rootId, event);
        pass(undefined, event);
      }
    },
    begin() {
      say({ asks: true });
      early ??= { since: performance.now(), events: [] };
      clearTimeout(knowing);
      knowing = setTimeout(() => {
        early = undefined;
      }, knownMs).unref();
      if (hearers.size > 0) announceSoon();
    },
    stop() {
      clearTimeout(knowing);
      clearTimeout(saying);
      clearTimeout(gathering);
      followers.clear();
      hearers.clear();
    },
  };
};
