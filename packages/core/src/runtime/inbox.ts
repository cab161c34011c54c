/**
 * Commands from other processes: messages in the store for the runs that this one executes. What came of a message stands in the
 * commit that it led to; what was not stored so is delivered again, here or wherever the run goes on (L7).
 */
import { faultOf, type Receipt, type RunStore } from '@troupe/protocol';
import type { RunCommand } from '../agent/context.ts';
import { isNews, type News, type Order } from '../placement/messages.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { Recorder } from './recorder.ts';

export type Inbox = {
  /** Called whenever a run comes to life: its messages are delivered from now on. */
  attend(): void;
  /** Delivers what is there. */
  look(): Promise<void>;
};

export const openInbox = (
  { store, owner, runs }: { store: RunStore; owner: string; runs: ReadonlyMap<string, LiveRun> },
  recorder: Pick<Recorder, 'record'>,
  on: {
    /** @param known Called with what comes of it, before it does. */
    tell(run: LiveRun, message: RunCommand | News | Order, known: (receipt: Receipt) => void): void;
    /** Reads what a message of a child is about. */
    learn(run: LiveRun, news: News): Promise<void>;
    /** What came of a message is stored. */
    answered(): void;
    /** What is there was delivered: something else may have changed, too. */
    looked(): void;
  },
): Inbox => {
  /** Messages that were delivered, and whose receipt is on its way to the store. */
  const inHand = new Set<string>();
  let leave: (() => void) | undefined;
  let looking: Promise<void> | undefined;
  let isAsked = false;

  const deliver = async (): Promise<void> => {
    // A store that answers late may show what was answered since it was asked.
    const before = new Set(inHand);
    /** Runs for which a message waits that could not be understood: what comes after it waits, too. */
    const held = new Set<string>();
    for (const { id, runId, message } of await store.inbox(owner)) {
      const run = runs.get(runId);
      if (!run || run.suspended || run.broken || before.has(id) || inHand.has(id) || held.has(runId)) continue;
      inHand.add(id);
      if (isNews(message)) {
        const isLearnt = await on.learn(run, message).then(
          () => true,
          () => false,
        );
        // What it was about is read again, at the next look, or wherever the run goes on.
        if (!isLearnt || runs.get(runId) !== run || run.suspended || run.broken) {
          inHand.delete(id);
          held.add(runId);
          continue;
        }
      }
      const known = (receipt: Receipt): void => void run.receipts.push({ mailId: id, receipt });
      try {
        on.tell(run, message as unknown as RunCommand | News | Order, known);
      } catch (error) {
        known({ status: 'rejected', reason: faultOf(error, 'run.bug').message });
      }
      // Where nothing came of it, this is all that there is to store.
      recorder.record(run, []);
      void Promise.resolve(run.writing).then(() => {
        inHand.delete(id);
        on.answered();
      });
    }
  };
  const lookAgain = async (): Promise<void> => {
    while (isAsked) {
      isAsked = false;
      // A store that cannot be read says so to whoever reads it; the message is there the next time.
      await deliver().catch(() => {});
      on.looked();
    }
    looking = undefined;
  };
  const look = (): Promise<void> => {
    isAsked = true;
    looking ??= lookAgain();
    return looking;
  };

  return {
    look,
    attend() {
      leave ??= store.changes?.(
        () => {
          if (runs.size > 0) return void look();
          leave?.();
          leave = undefined;
        },
        { keepAlive: false },
      );
    },
  };
};
