/** What a run makes of what its parent or its children say, where others execute those. */
import type { Receipt } from '@troupe/protocol';
import type { ChildEnd } from '../agent/context.ts';
import type { AwayChild, LiveRun } from '../run/live-run.ts';
import type { Desk } from '../runtime/desk.ts';
import type { Recorder } from '../runtime/recorder.ts';
import type { Away } from './away.ts';
import { isOrder, type News, type Order } from './messages.ts';

export const openHearing = (
  away: Pick<Away, 'leftNote' | 'wakeAbove'>,
  {
    recorder,
    desk,
    settle,
    gaveBack,
    alone,
  }: {
    recorder: Pick<Recorder, 'record'>;
    desk: Pick<Desk, 'questionsOf' | 'dropQuestions'>;
    /** A run hears that a child of it has ended. */
    settle(parent: LiveRun, child: LiveRun, end: ChildEnd): void;
    /** The place in a quota that a child held. */
    gaveBack(quota: string, childId: string, completed: boolean): void;
    /** A run waits for one less. */
    alone(run: LiveRun): void;
  },
) => {
  const takeOut = (run: LiveRun, childId: string): AwayChild | undefined => {
    const known = run.away?.get(childId);
    run.away?.delete(childId);
    return known;
  };

  /** A child has ended. */
  const comeHome = (run: LiveRun, end: ChildEnd): void => {
    const known = takeOut(run, end.childId);
    if (!known) return;
    for (const { runId } of desk.questionsOf(end.childId)) desk.dropQuestions(runId);
    if (known.child.quota) gaveBack(known.child.quota, end.childId, end.status === 'completed');
    settle(run, known.child, end);
    const { crew } = run.actor?.getSnapshot().children ?? {};
    if (crew?.getSnapshot().status === 'active') crew.send({ type: 'crew.home', id: end.childId });
    alone(run);
  };

  /** A child that was let go knows it. */
  const letLeave = (run: LiveRun, childId: string): void => {
    const known = takeOut(run, childId);
    if (!known) return;
    run.left ??= new Map();
    run.left.set(childId, known);
    alone(run);
  };

  const leave = (run: LiveRun): void => {
    run.detached = true;
    run.actor?.send({ type: 'detach' });
    recorder.record(run, [], undefined, [away.leftNote(run)]);
    away.wakeAbove(run);
  };

  return {
    hear(run: LiveRun, message: News | Order, known: (receipt: Receipt) => void): void {
      known({ status: 'accepted' });
      if (message.type === 'child.settled') comeHome(run, message.end);
      else if (message.type === 'child.left') letLeave(run, message.childId);
      else if (message.type === 'detach') leave(run);
      else if (isOrder(message) || run.actor?.getSnapshot().status === 'active') run.actor?.send(message);
    },
  };
};
