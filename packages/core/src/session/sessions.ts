/** The sessions of a runtime: one actor each, made when it is first asked for. */
import { fromPromise } from 'xstate';
import type { SealedLetter } from '../background/delivery-machine.ts';
import type { AnyAgent } from '../define-agent.ts';
import type { LiveRun } from '../run/live-run.ts';
import { type Known, type OpenSession, openSession, type SessionWorld, type Shared } from './open-session.ts';
import { checkKey, type Session } from './session.ts';
import { sessionMachine } from './session-machine.ts';

/**
 * Sessions that are kept though nothing of them goes on: those that were used last. Of others only what they are known by is kept; where
 * nobody holds them, they go, and are read again.
 */
const mostKept = 1_000;

export const openSessions = (world: SessionWorld) => {
  /** Whoever holds one has the one that is there, whether or not it is kept. */
  const known = new Map<string, { about: Known; there: WeakRef<OpenSession> }>();
  /** Longest unused first. */
  const kept = new Map<string, OpenSession>();
  /** Those of which nothing is stored any more. Somebody may still hold one. */
  const dropped = new Set<string>();
  let isClosed = false;
  let timesForgotten = 0;

  const shared: Shared = {
    world,
    /** One for all sessions: to put a chart together takes longer than to read most of them. */
    chart: sessionMachine.provide({
      actors: { runs: fromPromise(({ input: { key } }) => (kept.get(key) as OpenSession).read()) },
      // On a clean stack: a step of another machine has no place inside an action of this one.
      actions: {
        begin: ({ context: { key, current } }) =>
          current !== null && queueMicrotask(() => kept.get(key)?.begin(current)),
      },
    }),
    get isClosed() {
      return isClosed;
    },
    get timesForgotten() {
      return timesForgotten;
    },
    keep(key, session) {
      kept.delete(key);
      kept.set(key, session);
      // Two for each that comes: after many were at work at once there are fewer again.
      let looked = 0;
      for (const [oldestKey, oldest] of kept) {
        if (kept.size <= mostKept || looked++ === 2) return;
        kept.delete(oldestKey);
        // What is at work has its turn another time.
        if (!oldest.isAtRest()) kept.set(oldestKey, oldest);
      }
    },
  };

  const opened = (agent: AnyAgent, key: string): OpenSession => {
    dropped.delete(key);
    const before = known.get(key);
    const about = before?.about ?? { agent, isChosen: false, first: key, timesForgotten: 0 };
    const session = before?.there.deref() ?? openSession(shared, about, key);
    if (before?.there.deref() !== session) known.set(key, { about, there: new WeakRef(session) });
    shared.keep(key, session);
    return session;
  };

  return {
    of(agent: AnyAgent, sessionKey: string): Session {
      const { choose, session } = opened(agent, checkKey(sessionKey));
      choose(agent);
      return session;
    },
    /** Starts a run that is told what was left for the session, unless one is under way; resolves once that is stored. */
    wake: (
      by: AnyAgent,
      sessionKey: string,
      letters: readonly SealedLetter[],
      about: { runId: string; first: string },
    ) => opened(by, sessionKey).wake(by, letters, about),
    /** A run or a unit of it has begun or ended, or a delivery has come further. @param lost What has not ended is not executed here any more. */
    stirred(sessionKey: string, lost: boolean): void {
      kept.get(sessionKey)?.hear(lost ? 'lost' : 'changed');
    },
    /** With whom the conversation is, if it was opened here. */
    agentOf: (sessionKey: string): Known | undefined => known.get(sessionKey)?.about,
    /** Runs were forgotten, of those alone that a session was sent where one is named: what was said there is seen when it is read again. */
    forgot(sentTo?: string): void {
      const its = sentTo === undefined ? undefined : known.get(sentTo)?.about;
      if (its) its.timesForgotten += 1;
      if (sentTo === undefined) timesForgotten += 1;
    },
    /** Nothing of a session is stored any more: once nobody holds it nothing is known of it, either. */
    drop(sessionKey: string): void {
      if (!(kept.get(sessionKey)?.isAtRest() ?? true)) return;
      kept.delete(sessionKey);
      const its = known.get(sessionKey);
      if (its) {
        its.about.isOver = true;
        dropped.add(sessionKey);
      }
      // Two for each that comes.
      let looked = 0;
      for (const key of dropped) {
        if (looked++ === 2) return;
        dropped.delete(key);
        if (known.get(key)?.there.deref()) dropped.add(key);
        else known.delete(key);
      }
    },
    close(): void {
      isClosed = true;
      for (const session of kept.values()) session.close();
    },
    /** A run was brought back that a session was sent: the session goes on with it. */
    adopt({ agent, sessionKey, after, runId }: LiveRun): void {
      if (sessionKey !== undefined && after !== undefined) opened(agent, sessionKey).adopt(runId, agent);
    },
  };
};
