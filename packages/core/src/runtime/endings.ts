/** How runs end, and who hears of it. */
import { type Clock, faultOf, isEnded, type Logger, type Report } from '@troupe/protocol';
import type { AnyMachineSnapshot } from 'xstate';
import { locate } from '../agent/children.ts';
import type { AgentContext, ChildEnd, RunContext } from '../agent/context.ts';
import { closeRun, endOf } from '../agent/life.ts';
import { sessionOf } from '../background/dispatch.ts';
import { letterOf, letterOfChild } from '../background/letter.ts';
import type { Away } from '../placement/away.ts';
import { activeMsOf } from '../run/ledger.ts';
import type { Ending } from '../run/lifecycle.ts';
import { keepResult, type LiveRun, offspringOf } from '../run/live-run.ts';
import type { Here } from './here.ts';
import type { Recorder } from './recorder.ts';
import { hearAt } from './steps.ts';
import { terminalOf } from './terminal-of.ts';
import type { Quotas } from './world.ts';

export type Endings = {
  /** The end of a run, however it came: its open calls are answered, its terminal event is recorded, its parent hears of it. */
  end(runId: string, snapshot: AnyMachineSnapshot, ending: Ending): void;
  /** A run hears that a child of it has ended, with all that its call may want to know of it. */
  settleIn(parent: LiveRun, child: LiveRun, end: ChildEnd): void;
  /** A unit leaves for its session what came of a child that others have executed, where it tells of each. */
  leaveWord(unit: LiveRun, child: LiveRun): void;
};

const endFor = ({ ledger: { status, exitReason } }: LiveRun, context: RunContext): ChildEnd =>
  endOf(context, isEnded(status) ? status : 'failed', exitReason ?? 'error');

export const openEndings = ({
  clock,
  logger,
  here,
  recorder,
  away,
  quotas,
  report,
  tellUnstored,
  on,
}: {
  clock: Clock;
  logger: Logger;
  here: Here;
  recorder: Recorder;
  away: Away;
  quotas: Quotas;
  report(run: LiveRun): Report;
  /** The end of a run that nobody stores. */
  tellUnstored(run: LiveRun, error: unknown): void;
  on: {
    /** A run has ended, or that is stored. */
    moved(run: LiveRun): void;
    /** A unit has left something for its session. */
    left(sessionKey: string): void;
  };
}): Endings => {
  const { runs, parentOf } = here;

  const settleIn: Endings['settleIn'] = (parent, child, end) => {
    const place = () => parent.context && locate(parent.context, child.runId);
    const call = place()?.call;
    const { unheard, former } = offspringOf(parent);
    if (call?.phase === 'waiting') keepResult(parent, child, report(child));
    // What is tried again asks for it again.
    else if (call && parent.tools.get(call.tool)?.retries) former.set(child.runId, child);
    unheard.set(child.runId, end);
    if (parent.actor?.getSnapshot().status === 'active') parent.actor.send({ type: 'child.settled', end });
    if ((place()?.child.status ?? 'ended') === 'ended') unheard.delete(child.runId);
  };

  const wordless =
    ({ agent }: LiveRun) =>
    (error: unknown): void =>
      logger.warn(`The completion of "${agent.name}" threw.`, faultOf(error, 'tool.failed'));

  const tellParent = (run: LiveRun, context: RunContext | undefined): void => {
    if (run.quota) quotas.settle(run.quota, run.runId, run.ledger.status === 'completed');
    const parent = run.detached ? undefined : parentOf(run);
    // Nobody waits for a run that was let go; the actor above it may have ended long ago.
    if (run.detached) Object.assign(run.actor ?? {}, { _parent: undefined });
    if (!parent?.actor || !context || run.suspended) return;
    settleIn(parent, run, endFor(run, context));
  };

  /** A tree without a live run needs no feed once everything in it is told. */
  const release = (run: LiveRun): void => {
    const { rootId } = run;
    if (!here.leaveTree(run)) return;
    away.forget(rootId);
    void Promise.resolve(run.writing).then(() =>
      queueMicrotask(() => !here.isTreeAlive(rootId) && !recorder.isBusy(rootId) && recorder.closeFeed(rootId)),
    );
  };

  /**
   * Records what a run ends with, and what it leaves for others.
   *
   * @param context What its machine knew last.
   */
  const close = (run: LiveRun, known: RunContext, ending: Ending): { context: RunContext; leaves: boolean } => {
    const closed = { how: ending.how, ends: [...(run.offspring?.unheard.values() ?? [])] };
    hearAt(run, { type: 'run.closed', ...closed }, clock.now());
    const context = closeRun(known, closed);
    run.transcript.push(...context.outbox.messages);
    const opening = run.seq === 0 ? [{ type: 'run.started' as const, model: run.model, budget: {} }] : [];
    recorder.record(run, [...opening, ...context.outbox.events]);
    const end = terminalOf(run, context, ending);
    const now = clock.now();
    recorder.record(run, [{ ...end, usage: { ...run.ledger.usage, activeMs: activeMsOf(run.ledger, now) } }]);
    const unit = run.origin ? run : runs.get(run.parentId ?? '');
    const letter = letterOf(run, unit, end, now, wordless(run));
    // In the same commit: a run that has ended has left what it leaves.
    if (letter) recorder.record(run, [], undefined, [letter]);
    const note = away.lastNote(run, endFor(run, context));
    if (note) recorder.record(run, [], undefined, [note]);
    if (note) away.wakeAbove(run);
    return { context, leaves: letter !== undefined };
  };

  const end: Endings['end'] = (runId, snapshot, ending) => {
    const run = runs.get(runId);
    if (!run) return;
    // A run that broke while its children are at work on the stack waits for them; and any waits for those that are executed elsewhere.
    if (run.offspring?.below.size || (run.away?.size && !run.suspended && !run.broken)) {
      run.whenAlone = () => end(runId, snapshot, ending);
      for (const childId of run.away?.keys() ?? [])
        away.tell(run, childId, {
          type: 'interrupt',
          reason: 'The run above has ended.',
          exitReason: 'parent_interrupted',
        });
      return;
    }
    // Of a step that threw the machine keeps nothing; what was recorded before it stands.
    const last = ending.how === 'error' ? undefined : (snapshot.context as AgentContext | undefined)?.run;
    let context = last ?? run.context;
    if (run.used && context) {
      hearAt(run, { type: 'model.used', usage: run.used }, clock.now());
      context = { ...context, pendingUsage: run.used };
    }
    let leaves = false;
    if (!run.suspended && context) ({ context, leaves } = close(run, context, ending));
    run.ended = true;
    if (run.broken && !run.suspended) tellUnstored(run, run.broken.error);
    here.exit(run);
    // Of one that stops before it is stored the store may never say anything.
    if (run.broken) on.moved(run);
    void Promise.resolve(run.writing).then(() => {
      here.gone(run);
      // Also where its store has answered when nobody waited for it any more.
      if (leaves && run.stored === run.seq) on.left(sessionOf(run));
      here.forget(run);
      on.moved(run);
    });
    tellParent(run, context);
    here.leave(run);
    release(run);
  };

  return {
    end,
    settleIn,
    leaveWord(unit, child) {
      const letter = letterOfChild(child, unit, clock.now(), wordless(child));
      if (!letter) return;
      // In the commit in which it hears of the end: the same letter, should it hear of it again.
      recorder.record(unit, [], undefined, [letter]);
      void Promise.resolve(unit.writing).then(() => on.left(sessionOf(unit)));
    },
  };
};
