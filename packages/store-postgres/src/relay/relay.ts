/**
 * Live events go from the store whose process tells them to the stores whose processes follow their tree, and that something was stored
 * of it. Who follows says so to all, again and again; nobody sends anything to anybody else. What gets lost is lost: all of it stands in
 * what is stored afterwards, and is found by looking.
 */
import { clearTimeout, setTimeout } from 'node:timers';
import type { LiveEvent, LiveRelay } from '@troupe/protocol';
import { fits, pack, unpack } from './pack.ts';

/** Milliseconds: between two times that somebody says what is followed · until somebody who says no more is forgotten. */
const [againMs, forgottenMs] = [5_000, 15_000];
/** Milliseconds that those who follow are given to say so, once they can be heard: what is told until then is kept for them. */
const knownMs = 500;
/** How long what is told is gathered, in milliseconds, and how many events and texts are sent then to one store: more is left out. */
const [gatherMs, mostEvents, mostTexts] = [30, 2_000, 16];
type Follower = {
  /** Absent for all of them. */
  roots: ReadonlySet<string> | undefined;
  until: number;
  /** What is to be sent: live events, and whether something was stored. */
  events: LiveEvent[];
  isBehind: boolean;
};

/** What stores say to each other: who follows what, whether somebody does, and live events. */
type Message = { by: string; follows: string[] | null } | { asks: string } | { live: unknown[] };

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
  /** Sends a text to one store, or to all that listen. Nobody waits for it, and it may be lost. */
  send(text: string, to?: string): void;
  /** Tells a store to look. */
  hint(store: string): void;
  /** Others are to be heard from now on, or need not be. */
  want(): void;
  leave(): void;
};

export const openRelay = ({ self, send, hint, want, leave }: Around): Relay => {
  const followers = new Map<string, Follower>();
  /** Who listens here, by tree; under `undefined` those who listen to all. */
  const hearers = new Map<string | undefined, Set<(event: LiveEvent) => void>>();
  /** What was told while it was not known who follows. */
  let early: LiveEvent[] | undefined = [];
  let knowing: NodeJS.Timeout | undefined;
  let saying: NodeJS.Timeout | undefined;
  let gathering: NodeJS.Timeout | undefined;

  const tellAll = (message: Message): void => send(JSON.stringify(message));

  const announce = (): void => {
    clearTimeout(saying);
    saying = undefined;
    const follows = [...hearers.keys()];
    const roots = follows.filter((rootId) => rootId !== undefined);
    // Who follows more trees than can be named follows all of them.
    const isNamed = roots.length === follows.length && fits(JSON.stringify(roots));
    tellAll({ by: self, follows: isNamed ? roots : null });
    if (hearers.size > 0) saying = setTimeout(announce, againMs).unref();
  };
  /** Once what is done now is done: many may begin or end at a time. */
  const announceSoon = (): void => {
    clearTimeout(saying);
    saying = setTimeout(announce, 0).unref();
  };

  const flush = (): void => {
    gathering = undefined;
    for (const [store, follower] of followers) {
      const { events, isBehind } = follower;
      follower.events = [];
      follower.isBehind = false;
      if (isBehind) hint(store);
      for (const text of pack(events).slice(0, mostTexts)) send(`{"live":${text}}`, store);
    }
  };

  const learn = (store: string, follows: string[] | null): void => {
    if (store === self) return;
    const known = followers.get(store);
    const roots = follows ? new Set(follows) : undefined;
    const until = performance.now() + forgottenMs;
    if (follows?.length === 0) return void followers.delete(store);
    followers.set(store, { roots, until, events: known?.events ?? [], isBehind: known?.isBehind ?? false });
    if (!known) for (const event of early ?? []) gather(event, store);
  };
  const flushSoon = (): void => {
    gathering ??= setTimeout(flush, gatherMs).unref();
  };
  const gather = (event: LiveEvent, store: string): void => {
    const { roots, events } = followers.get(store) ?? {};
    if (!events || events.length >= mostEvents || (roots && !roots.has(event.rootId))) return;
    events.push(event);
    flushSoon();
  };
  const hear = (event: LiveEvent): void => {
    for (const rootId of [event.rootId, undefined]) for (const heard of [...(hearers.get(rootId) ?? [])]) heard(event);
  };

  return {
    tell(event) {
      if (early && early.length < mostEvents) early.push(event);
      if (followers.size === 0) return;
      const now = performance.now();
      for (const [store, { until }] of followers)
        if (until < now) followers.delete(store);
        else gather(event, store);
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
        if (left.size === 0) {
          hearers.delete(rootId);
          announceSoon();
        }
        leave();
      };
    },
    stored(rootId) {
      for (const follower of followers.values())
        if (!follower.isBehind && (follower.roots?.has(rootId) ?? true)) {
          follower.isBehind = true;
          flushSoon();
        }
    },
    take(text) {
      const message = messageIn(text);
      if (!message) return;
      if ('live' in message) for (const event of unpack(message.live)) hear(event);
      else if ('follows' in message) learn(message.by, message.follows);
      else if (message.asks !== self && hearers.size > 0) announceSoon();
    },
    begin() {
      tellAll({ asks: self });
      early ??= [];
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

/** Anybody may say anything in a database. */
const messageIn = (text: string): Message | undefined => {
  try {
    const said: unknown = JSON.parse(text);
    if (typeof said !== 'object' || said === null) return undefined;
    if ('live' in said && Array.isArray(said.live)) return { live: said.live };
    if ('asks' in said) return { asks: String(said.asks) };
    if ('by' in said && 'follows' in said)
      return { by: String(said.by), follows: Array.isArray(said.follows) ? said.follows.map(String) : null };
  } catch {}
  return undefined;
};
