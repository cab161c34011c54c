/** Brings what was left for sessions to them, by background units or by the program: one actor for each session that has some. */
import {
  type Clock,
  faultOf,
  isEnded,
  type Logger,
  type Mail,
  type RunRow,
  type RunStore,
  redact,
  toJSON,
  unfinished,
} from '@troupe/protocol';
import { createActor, fromPromise } from 'xstate';
import type { Letter, RunFact } from '../agent/context.ts';
import { everyRow } from '../every-row.ts';
import { standingOf } from '../replay/standing.ts';
import { contextIn } from '../run/checkpoint.ts';
import { giveLetters, type LiveRun } from '../run/live-run.ts';
import type { Delivery } from '../session/session.ts';
import { deliveryMachine, type Outlook, type SealedLetter, type Woken } from './delivery-machine.ts';
import type { LetterMessage } from './letter.ts';
import { isWake, wakeIdOf } from './letter.ts';
import { isUnit } from './unit.ts';

export type Courier = {
  /** Something was left for a session. */
  news(sessionKey: string): void;
  /** The same, where it is not known for which. Resolves once what there is was read. */
  lookAll(): Promise<void>;
  /** A run of a session has come to life or has ended. */
  changed(sessionKey: string): void;
  /** Whether what was left for a session is about to be handed out, or to begin a run: not, where it waits for somebody else. */
  isDelivering(sessionKey: string): boolean;
  /** Whoever could not be woken may be now. */
  tryAgain(): void;
  /** What was left for a session that nobody has heard, and nobody here is about to. */
  unheard(sessionKey: string): Promise<Letter[]>;
  /** Leaves something for a session; resolves once it is stored. */
  deliver(sessionKey: string, delivery: Delivery): Promise<void>;
  close(): void;
};

const messageIn = ({ message }: Mail): LetterMessage => message as unknown as LetterMessage;
const letterIn = (mail: Mail): SealedLetter => {
  const { text, metadata } = messageIn(mail);
  return { id: mail.id, text, ...(metadata !== undefined && { metadata }) };
};

const opened = ({ id, text }: SealedLetter): Letter => ({ id, text });

const mayHear = ({ ended, suspended, broken, actor }: LiveRun): boolean => {
  const now = actor?.getSnapshot() as { can?(fact: RunFact): boolean } | undefined;
  return !ended && !suspended && !broken && now?.can?.({ type: 'deliver', mail: [] }) === true;
};

export const openCourier = (
  { store, clock, logger, maxWakes }: { store: RunStore; clock: Clock; logger: Logger; maxWakes: number },
  of: {
    /** Runs of a session that are alive here, or whose end is not stored yet; oldest first. */
    atWork(sessionKey: string): Iterable<LiveRun>;
    /** Starts a run of the session that begins with what was delivered; resolves once that is stored. */
    wake(sessionKey: string, outlook: Outlook, runId: string): Promise<Woken>;
    /** A delivery has come further. */
    moved(sessionKey: string): void;
  },
): Courier => {
  const deliveries = new Map<string, ReturnType<typeof open>>();
  let isClosed = false;

  /** Letters that runs of a session hold which have not ended and are not here: they hear them when they are brought back. */
  const givenAway = async (key: string): Promise<Set<string>> => {
    const first = await store.get(key);
    const open = await store.list({ sentTo: key, status: unfinished, ...everyRow });
    if (first && !isEnded(first.status)) open.push(first);
    const here = new Set([...of.atWork(key)].map(({ runId }) => runId));
    const given = new Set<string>();
    for (const { runId } of open) {
      if (here.has(runId)) continue;
      const standing = await standingOf(store, runId);
      for (const { id } of standing ? contextIn(standing).mail : []) given.add(id);
    }
    return given;
  };

  /**
   * What is stored of a letter may be behind what has happened to it. So whoever was given one keeps it until its own end is stored, and
   * the runs that count are those from before the store was asked.
   */
  const read = async (key: string): Promise<{ mail: Mail[]; free: Mail[]; runs: Set<LiveRun> }> => {
    const runs = new Set(of.atWork(key));
    const mail = await store.sessionInbox(key);
    const away = mail.length > 0 ? await givenAway(key) : new Set<string>();
    const isGiven = ({ id }: Mail): boolean =>
      away.has(id) || [...runs, ...of.atWork(key)].some(({ letters }) => letters?.has(id));
    const free = mail.filter((letter) => !isGiven(letter));
    for (const run of of.atWork(key)) if (!runs.has(run)) return read(key);
    return { mail, free, runs };
  };

  /** The run that the conversation began with: of units that units have dispatched, the first that is none. */
  const beginningOf = async (key: string, rootId: string): Promise<RunRow | undefined> => {
    let row = await store.get(rootId);
    while (row?.origin && isUnit(row)) row = await store.get(row.origin.rootId);
    return row ?? (await store.get(key));
  };

  /** Whether a session was woken so often that what is left for it waits until somebody sends it something: it might go on for ever. */
  const isTired = async (key: string): Promise<boolean> => {
    if (maxWakes === Number.POSITIVE_INFINITY) return false;
    const last = await store.list({ sentTo: key, limit: maxWakes });
    if (last.length < maxWakes || !last.every(({ runId }) => isWake(runId))) return false;
    logger.warn(
      `Session "${key}" was woken ${maxWakes} times in a row (maxWakes). What was left for it waits for the next run that is sent.`,
      { code: 'session.tired', message: `maxWakes is ${maxWakes}`, retryable: false },
    );
    return true;
  };

  const look = async (key: string, give: (run: LiveRun | undefined) => void): Promise<Outlook> => {
    const { mail, free, runs } = await read(key);
    const outlook = { letters: free.map(letterIn), rootId: '' };
    if (mail.length === 0) return { ...outlook, next: 'nothing' };
    const hearer = [...runs].find(mayHear);
    give(hearer);
    if (hearer) return { ...outlook, next: 'hand' };
    if (runs.size > 0) return { ...outlook, next: 'wait' };
    const began = await beginningOf(key, mail.map((letter) => messageIn(letter).rootId).find(Boolean) ?? '');
    const known = { ...outlook, rootId: began?.runId ?? key };
    const [last = began] = await store.list({ sentTo: key, limit: 1 });
    const open = await store.list({ sentTo: key, status: unfinished, limit: 1 });
    const isAtWork = open.length > 0 || (began !== undefined && !isEnded(began.status));
    // Whoever has stopped the conversation since knows that something was under way.
    const { endedAt: stoppedAt = 0 } = last?.status === 'interrupted' ? last : {};
    const wakes = free.some((letter) => messageIn(letter).wakes && letter.at >= stoppedAt);
    return { ...known, next: isAtWork || !wakes || (await isTired(key)) ? 'wait' : 'wake' };
  };

  const wake = async (key: string, outlook: Outlook): Promise<Woken> => {
    const [first = { id: '' }] = outlook.letters;
    for (let number = 0; ; number++) {
      const runId = wakeIdOf(first.id, number);
      if (!(await store.get(runId))) return of.wake(key, outlook, runId);
      // A run that has such an id was begun with the letter, which nobody will hear again, or has nothing to do with it.
      if (!(await store.sessionInbox(key)).some(({ id }) => id === first.id)) return 'woken';
    }
  };

  const hand = (key: string, letters: readonly SealedLetter[], run: LiveRun | undefined): void => {
    // One that cannot hear it any more is about to end, which is news.
    if (!run || !mayHear(run)) return;
    const runs = [...of.atWork(key)];
    const mail = letters.filter(({ id }) => !runs.some(({ letters: given }) => given?.has(id)));
    if (mail.length === 0) return;
    giveLetters(run, mail);
    run.actor?.send({ type: 'deliver', mail: mail.map(opened) });
  };

  /** The runs that are to hear what was found last, by session. */
  const hearers = new Map<string, LiveRun | undefined>();
  /** One for all sessions: to put a chart together takes longer than most deliveries. */
  const delivering = deliveryMachine.provide({
    actors: {
      look: fromPromise(({ input: { key } }) => look(key, (run) => hearers.set(key, run))),
      wake: fromPromise(({ input: { key, outlook } }) => wake(key, outlook)),
    },
    actions: {
      // On a clean stack: a step of another machine has no place inside an action of this one.
      hand: ({ context: { key, outlook } }) => queueMicrotask(() => hand(key, outlook.letters, hearers.get(key))),
      complain: ({ context: { key }, event }) => {
        const { error } = event as unknown as { error: unknown };
        logger.warn(
          `What was left for session "${key}" could not be delivered just now.`,
          faultOf(error, 'store.unavailable'),
        );
      },
    },
  });
  /** What waits for a run elsewhere hears of its end from the store alone. */
  let leave: (() => void) | undefined;
  const listen = (): void => {
    leave ??= store.changes?.(
      () => {
        for (const delivery of deliveries.values()) delivery.send({ type: 'news' });
      },
      { keepAlive: false },
    );
  };
  const listenNoMore = (): void => {
    leave?.();
    leave = undefined;
  };

  const open = (key: string) => {
    const actor = createActor(delivering, { input: { key }, clock });
    actor.subscribe((now) => {
      of.moved(key);
      // What has nothing to do is forgotten.
      if (!now.matches('idle') || deliveries.get(key) !== actor) return;
      deliveries.delete(key);
      hearers.delete(key);
      actor.stop();
      if (deliveries.size === 0) listenNoMore();
    });
    return actor.start();
  };

  const news = (key: string): void => {
    if (isClosed) return;
    listen();
    const delivery = deliveries.get(key) ?? open(key);
    deliveries.set(key, delivery);
    delivery.send({ type: 'news' });
  };

  return {
    news,
    async lookAll() {
      const mail = await store.sessionInbox();
      for (const key of new Set(mail.flatMap(({ sessionKey }) => sessionKey ?? []))) news(key);
    },
    changed(key) {
      if (!isClosed) deliveries.get(key)?.send({ type: 'news' });
    },
    isDelivering(key) {
      const now = deliveries.get(key)?.getSnapshot();
      return now !== undefined && (now.matches('looking') || now.matches('waking') || now.matches('failed'));
    },
    tryAgain() {
      if (!isClosed) for (const delivery of deliveries.values()) delivery.send({ type: 'news' });
    },
    unheard: async (key) => (await read(key)).free.map(letterIn).map(opened),
    async deliver(sessionKey, { id, text, wakes = true, metadata }) {
      const message: LetterMessage = {
        type: 'deliver',
        text,
        rootId: '',
        wakes,
        ...(metadata !== undefined && { metadata: toJSON(metadata) }),
      };
      await store.post({ id, runId: id, sessionKey, at: clock.now(), message: redact(message) });
      news(sessionKey);
    },
    close() {
      isClosed = true;
      listenNoMore();
      for (const delivery of deliveries.values()) delivery.stop();
    },
  };
};
