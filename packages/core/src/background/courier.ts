/** Brings the completions of background units to their sessions: one actor for each session that has some. */
import { type Clock, faultOf, isEnded, type Logger, type Mail, type RunStore } from '@troupe/protocol';
import { createActor, fromPromise } from 'xstate';
import type { RunFact } from '../agent/context.ts';
import type { LiveRun } from '../run/live-run.ts';
import { deliveryMachine, type Outlook } from './delivery-machine.ts';
import type { LetterMessage } from './letter.ts';
import { isWake } from './letter.ts';

export type Courier = {
  /** Something was left for a session, or who could hear it has changed. */
  news(sessionKey: string): void;
  /** The same, where it is not known for which. Resolves once what there is was read. */
  lookAll(): Promise<void>;
  /** A run of a session has come to life or has ended. */
  changed(sessionKey: string): void;
  close(): void;
};

const messageIn = ({ message }: Mail): LetterMessage => message as unknown as LetterMessage;
const unfinished = ['queued', 'running', 'paused', 'interrupting'] as const;

export const openCourier = (
  { store, clock, logger, maxWakes }: { store: RunStore; clock: Clock; logger: Logger; maxWakes: number },
  of: {
    /** Runs of a session that are alive here. */
    atWork(sessionKey: string): Iterable<LiveRun>;
    /** Starts a run of the session that begins with what was delivered; resolves once that is stored. */
    wake(sessionKey: string, outlook: Outlook): Promise<void>;
  },
): Courier => {
  const deliveries = new Map<string, ReturnType<typeof open>>();
  /** Who was told what and may not have stored it yet: nobody is told twice while they live. */
  const inHand = new Map<string, LiveRun>();
  let isClosed = false;

  const hearer = (key: string): LiveRun | undefined =>
    [...of.atWork(key)].find(({ ended, suspended, broken, actor }) => {
      const now = actor?.getSnapshot() as { can?(fact: RunFact): boolean } | undefined;
      return !ended && !suspended && !broken && now?.can?.({ type: 'deliver', mail: [] });
    });

  const whoWorks = async (key: string, rootId: string): Promise<Outlook['atWork']> => {
    if (hearer(key)) return 'here';
    for (const _ of of.atWork(key)) return 'elsewhere';
    const first = await store.get(rootId);
    if (first && !isEnded(first.status)) return 'elsewhere';
    const open = await store.list({ sentTo: key, status: unfinished, limit: 1 });
    return open.length > 0 ? 'elsewhere' : 'nobody';
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

  const look = async (key: string): Promise<Outlook> => {
    const mail = await store.sessionInbox(key);
    for (const [id, run] of inHand) if (run.ended) inHand.delete(id);
    const [first] = mail;
    if (!first) return { letters: [], atWork: 'nobody', rootId: '' };
    const { rootId } = messageIn(first);
    const atWork = await whoWorks(key, rootId);
    const mayWait = atWork === 'nobody' && (!mail.some((letter) => messageIn(letter).wakes) || (await isTired(key)));
    const letters = mail.map((letter) => ({ id: letter.id, text: messageIn(letter).text }));
    return { letters, rootId, atWork: mayWait ? 'later' : atWork };
  };

  const hand = (key: string, { letters }: Outlook): void => {
    const run = hearer(key);
    // It has ended since it was looked for, which is news.
    if (!run) return;
    const fresh = letters.filter(({ id }) => inHand.get(id) !== run);
    if (fresh.length === 0) return;
    for (const { id } of fresh) inHand.set(id, run);
    run.actor?.send({ type: 'deliver', mail: fresh });
  };

  const open = (key: string) => {
    const actor = createActor(
      deliveryMachine.provide({
        actors: {
          look: fromPromise(() => look(key)),
          wake: fromPromise(({ input }) => of.wake(key, input.outlook)),
        },
        actions: {
          hand: ({ context }) => queueMicrotask(() => hand(key, context.outlook)),
          complain: ({ event }) => {
            const { error } = event as unknown as { error: unknown };
            logger.warn(
              `What was left for session "${key}" could not be delivered just now.`,
              faultOf(error, 'store.unavailable'),
            );
          },
        },
      }),
      { input: { key }, clock },
    );
    return actor.start();
  };

  const news = (key: string): void => {
    if (isClosed) return;
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
      const delivery = deliveries.get(key);
      if (!delivery || isClosed) return;
      // What has nothing to do is forgotten.
      if (delivery.getSnapshot().matches('idle')) {
        delivery.stop();
        deliveries.delete(key);
      } else delivery.send({ type: 'news' });
    },
    close() {
      isClosed = true;
      for (const delivery of deliveries.values()) delivery.stop();
    },
  };
};
