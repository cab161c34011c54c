/** What a run makes of what its parent or its children say, where others execute those. */
import type { Receipt } from '@troupe/protocol';
import { matchesState } from 'xstate';
import { locate } from '../agent/children.ts';
import type { ChildEnd } from '../agent/context.ts';
import { endOf } from '../agent/life.ts';
import { type AwayChild, type LiveRun, offspringOf } from '../run/live-run.ts';
import type { Recorder } from '../runtime/recorder.ts';
import type { Away } from './away.ts';
import { isNews, type News, type Order } from './messages.ts';

export const openHearing = (
  away: Pick<Away, 'heed' | 'note' | 'tell' | 'wakeAbove'>,
  {
    recorder,
    settle,
    leaveWord,
    gaveBack,
    alone,
  }: {
    recorder: Pick<Recorder, 'record'>;
    /** A run hears that a child of it has ended. */
    settle(parent: LiveRun, child: LiveRun, end: ChildEnd): void;
    /** A unit leaves for its session what came of a child, where it tells of each. */
    leaveWord(unit: LiveRun, child: LiveRun): void;
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
    if (known.child.quota) gaveBack(known.child.quota, end.childId, end.status === 'completed');
    // Whoever has executed it does not know the unit.
    leaveWord(run, known.child);
    settle(run, known.child, end);
    const { crew } = run.actor?.getSnapshot().children ?? {};
    if (crew?.getSnapshot().status === 'active') crew.send({ type: 'crew.home', id: end.childId });
    alone(run);
  };

  /** A child waits for a person, and its call does not: it is asked to leave, and the run hears of it once it has. */
  const askToLeave = (run: LiveRun, childId: string): void => {
    const known = run.away?.get(childId);
    if (!known || known.isLeaving) return;
    known.isLeaving = true;
    away.tell(run, childId, { type: 'detach' });
  };
  const stay = (run: LiveRun, childId: string): void => {
    const known = run.away?.get(childId);
    if (known) delete known.isLeaving;
  };
  const letLeave = (run: LiveRun, end: ChildEnd): void => {
    const known = takeOut(run, end.childId);
    if (!known) return;
    run.left ??= new Map();
    run.left.set(end.childId, known);
    if (known.child.quota) gaveBack(known.child.quota, end.childId, false);
    if (isActive(run)) run.actor?.send({ type: 'child.paused', end, questionIds: [] });
    else offspringOf(run).unheard.set(end.childId, end);
    alone(run);
  };

  /** A child is asked to leave. */
  const leave = (run: LiveRun): void => {
    const isWaiting = run.value !== undefined && matchesState({ paused: 'question' }, run.value);
    if (!isWaiting || !run.context) return say(run, { type: 'child.stayed', childId: run.runId });
    const end = endOf(run.context, 'paused', 'question');
    run.detached = true;
    run.actor?.send({ type: 'detach' });
    say(run, { type: 'child.left', end });
  };
  const say = (run: LiveRun, news: News): void => {
    recorder.record(run, [], undefined, [away.note(run, news)]);
    away.wakeAbove(run);
  };

  const isActive = (run: LiveRun): boolean => run.actor?.getSnapshot().status === 'active';
  const isNotWaitedFor = ({ context }: LiveRun, childId: string): boolean =>
    context !== undefined && locate(context, childId)?.child.onPaused === 'error';

  const hearNews = (run: LiveRun, news: News): void => {
    away.heed(run, news);
    if (news.type === 'child.settled') comeHome(run, news.end);
    else if (news.type === 'child.left') letLeave(run, news.end);
    else if (news.type === 'child.stayed') stay(run, news.childId);
    else if (news.type === 'child.paused' && isNotWaitedFor(run, news.end.childId)) askToLeave(run, news.end.childId);
    else if (isActive(run)) run.actor?.send(news);
  };

  return {
    /** @param known Called with what comes of it, before it does. */
    hear(run: LiveRun, message: News | Order, known: (receipt: Receipt) => void): void {
      known({ status: 'accepted' });
      if (isNews(message)) hearNews(run, message);
      else if (message.type === 'detach') leave(run);
      else run.actor?.send(message);
    },
  };
};
