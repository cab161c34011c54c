/**
 * Where runs come to life: makes their actors, records their steps, tells their parents of their end.
 * One machine logic a runtime; what differs between runs is looked up by run id.
 */
import { FaultError, faultOf, isLive, type Receipt, type Report, type RunEvent } from '@troupe/protocol';
import { type AnyMachineSnapshot, type InspectionEvent, toObserver } from 'xstate';
import { alarmActor } from '../actors/alarm-actor.ts';
import { crewActor } from '../actors/crew-actor.ts';
import { memoryActor } from '../actors/memory-actor.ts';
import { modelActor } from '../actors/model-actor.ts';
import { summarizerActor } from '../actors/summarizer-actor.ts';
import { agentMachine } from '../agent/agent-machine.ts';
import type { RunCommand } from '../agent/context.ts';
import { openDispatch } from '../background/dispatch.ts';
import { openUnderway } from '../background/underway.ts';
import type { AnyAgent } from '../define-agent.ts';
import { openAway } from '../placement/away.ts';
import { openHearing } from '../placement/hearing.ts';
import { isNews, isOrder } from '../placement/messages.ts';
import { openReconciler } from '../placement/reconcile.ts';
import { checkpointOf } from '../run/checkpoint.ts';
import { noteAnswer } from '../run/ledger.ts';
import { lifecycle } from '../run/lifecycle.ts';
import { type LiveRun, layDown, reportOf } from '../run/live-run.ts';
import { recorded } from '../run/recorded.ts';
import { type Run, receiptOf } from '../run/run.ts';
import { openBirths } from './births.ts';
import { openBreaking } from './breaking.ts';
import { openDesk } from './desk.ts';
import { openEndings } from './endings.ts';
import type { FoundRun } from './found-run.ts';
import { openHere } from './here.ts';
import { openInbox } from './inbox.ts';
import { openInert } from './inert.ts';
import { openLease } from './lease.ts';
import { makeWorld } from './make-world.ts';
import type { Settled } from './options.ts';
import { openQuotas } from './quotas.ts';
import { openRecorder } from './recorder.ts';
import { hearAt, openSteps } from './steps.ts';

export type Engine = ReturnType<typeof openEngine>;

export const openEngine = (
  options: Settled,
  {
    handleOf,
    attach,
    isKnown,
  }: {
    handleOf(run: LiveRun): Run;
    attach(runId: string): Promise<Run>;
    /** Whether other processes that run the same program find an agent again, or can make it. */
    isKnown(agent: AnyAgent, made: LiveRun['made']): boolean;
  },
  on: {
    /** A run has made a step, or has ended. */
    moved(run: LiveRun): void;
    /** What came of a message is stored. */
    receiptStored(): void;
    /** Messages of other processes were looked for. */
    looked(): void;
    /** A unit has left something for its session. */
    left(sessionKey: string): void;
    /** A run of a session has come to life, or its end is stored, or cannot be. */
    changed(sessionKey: string): void;
    /** The same, and for background units, too. @param lost It has not ended, and is not executed here any more. */
    stirred(sessionKey: string, lost: boolean): void;
  },
) => {
  const { clock, logger, store, ids } = options;
  const here = openHere(on);
  const { runs, leaving, treeOf } = here;
  const owner = ids.next('runtime');
  /** Runs that were found in the store, until they are brought back. */
  const found = new Map<string, FoundRun>();

  const shield = (what: string, act: () => unknown): void => {
    const caught = (error: unknown): void =>
      logger.error(`${what} threw; the run goes on.`, faultOf(error, 'observer.failed'));
    try {
      const given = act();
      if (given instanceof Promise) given.catch(caught);
    } catch (error) {
      caught(error);
    }
  };

  /** Runs that are claimed, and about to come to life. */
  const claiming = new Set<string>();
  const giveBack = (runIds: readonly string[]): void => void lease.giveBack(runIds);
  const stop = (run: LiveRun): void => {
    const actor = run.actor as unknown as { _stop(): void } | undefined;
    actor?._stop();
    // Those that are done wait no longer for what others execute below them.
    for (const each of treeOf(run).toReversed())
      if (runs.get(each.runId) === each && (each.suspended || each.broken)) each.whenAlone?.();
  };

  const desk = openDesk(here.find, options.hooks, shield);
  const breaking = openBreaking({
    clock,
    logger,
    here,
    desk,
    push: (rootId, event) => recorder.feedOf(rootId).push(event),
    stop,
    giveBack,
    moved: on.moved,
  });
  const { live } = store;
  const told = live
    ? (event: RunEvent): void => {
        desk.tell(event);
        if (isLive(event)) shield('store.live', () => live.tell(event));
      }
    : desk.tell;
  const recorder = openRecorder({ clock, store, owner }, { told, broken: breaking.breakTree });

  const report = (run: LiveRun): Report => reportOf(run, desk.questionsOf(run.runId), clock.now());
  /** Tells a run a command. @param known Called with what comes of it, before it does. */
  const tell = (run: LiveRun, command: RunCommand, known: (receipt: Receipt) => void = () => {}): Receipt => {
    const receipt = receiptOf(run, command);
    const isRepeated = command.type === 'answer' && run.ledger.answers?.has(command.questionId);
    known(receipt);
    if (receipt.status === 'rejected' || isRepeated) return receipt;
    if (command.type === 'answer') noteAnswer(run.ledger, command);
    run.actor?.send(command);
    return receipt;
  };

  const reconciler = openReconciler({ ...options, owner });
  const away = openAway(
    options,
    runs,
    recorder,
    desk,
    reconciler,
    (run, event) => hearAt(run, event, clock.now()),
    (runIds) => lease.giveBack(runIds),
    () => void inbox.look(),
  );
  const steps = openSteps({ clock, here, recorder, desk, away, moved: on.moved });
  const quotas = openQuotas();
  const endings = openEndings({
    clock,
    logger,
    here,
    recorder,
    away,
    quotas,
    report,
    tellUnstored: breaking.tellEnd,
    on,
  });
  const hearing = openHearing(away, {
    recorder,
    settle: endings.settleIn,
    leaveWord: endings.leaveWord,
    gaveBack: (quota, childId, completed) => quotas.settle(quota, childId, completed),
    alone: here.alone,
  });
  const inbox = openInbox({ store, owner, runs }, recorder, {
    tell: (run, message, known) => {
      if (isNews(message) || isOrder(message)) hearing.hear(run, message, known);
      else tell(run, message, known);
    },
    learn: away.learn,
    answered: on.receiptStored,
    looked: on.looked,
  });
  const lease = openLease({
    clock,
    store,
    owner,
    leaseMs: options.leaseMs,
    isNeeded: () => runs.size + leaving.size > 0,
    isHere: (runId) => runs.has(runId) || claiming.has(runId),
    beats: () => void inbox.look(),
    lost() {
      // What has ended and is not stored is not ours any more, either.
      const last = [...leaving.values()];
      for (const rootId of new Set([...runs.values(), ...last].map((run) => run.rootId)))
        breaking.breakTree(
          rootId,
          last,
          new FaultError(
            'store.silent',
            `The store has not answered for ${options.leaseMs} ms: others may execute run "${rootId}" by now.`,
            { runId: rootId },
          ),
        );
    },
  });

  const underway = openUnderway(store);
  const world = makeWorld({
    options,
    here,
    desk,
    recorder,
    quotas,
    away,
    underway,
    found,
    births: () => births,
    report,
    handleOf,
    attach,
    isKnown,
    dispatch: (run, call, dispatch) => dispatchUnit(run, call, dispatch),
  });
  const logic = lifecycle(
    recorded(
      agentMachine.provide({
        actors: {
          model: modelActor(world),
          crew: crewActor(world),
          alarm: alarmActor(world),
          memory: memoryActor(world),
          summarizer: summarizerActor(world),
        },
      }),
      steps.unheard,
      (event, snapshot) => steps.take(snapshot, event),
    ),
    {
      begun: (_self, snapshot) => steps.begin(snapshot),
      ended: (self, snapshot, ending) => endings.end(self.id, snapshot, ending),
    },
  );
  const inspect = options.inspect && toObserver(options.inspect as never);
  const inspector = inspect && {
    inspect: (event: InspectionEvent) => shield('The inspection observer', () => inspect.next?.(event)),
  };
  const births = openBirths({
    options,
    clock,
    logic,
    inspector,
    here,
    away,
    entered() {
      lease.hold();
      inbox.attend();
    },
  });
  const dispatchUnit = openDispatch(options, {
    world,
    leaving,
    start: (agent, input, about) => births.bringToLife(agent, { input }, about),
  });

  /** From now on a run says nothing more here. Where it stands is written once more: who goes on may be another version of this library. */
  const suspend = (run: LiveRun): void => {
    const snapshot = run.actor?.getSnapshot() as AnyMachineSnapshot | undefined;
    if (run.isCheckpointOld && snapshot)
      recorder.record(run, [], { checkpoint: checkpointOf(snapshot, run.graceUntil) });
    run.suspended = true;
  };

  const inert = openInert();
  /** Runs that are put back, until they are. */
  const resting = new Map<string, Promise<void>>();
  /** Stops a run and what is below it here as it is stored, and gives it back: whoever activates it goes on. */
  const putBack = async (run: LiveRun): Promise<void> => {
    const tree = treeOf(run);
    const done = rest(run, tree);
    for (const { runId } of tree) resting.set(runId, done);
    try {
      await done;
    } finally {
      for (const { runId } of tree) resting.delete(runId);
    }
  };
  const rest = async (run: LiveRun, tree: readonly LiveRun[]): Promise<void> => {
    for (const each of tree) {
      suspend(each);
      // Whoever goes on with it counts them.
      for (const { child } of each.away?.values() ?? [])
        if (child.quota) quotas.settle(child.quota, child.runId, false);
    }
    // Who was let go below it may go on asking here.
    const stays = (runId: string): boolean => runs.has(runId) && !tree.some((each) => each.runId === runId);
    if (!runs.has(run.parentId ?? ''))
      for (const asked of desk.questionsOf(run.runId)) if (!stays(asked.runId)) desk.dropQuestions(asked.runId);
    stop(run);
    for (const { runId } of tree)
      desk.dismiss(runId, new FaultError('run.claimed', `Run "${runId}" is not executed here any more.`, { runId }));
    await Promise.all(tree.map(({ writing }) => Promise.resolve(writing)));
    const [broken] = tree.flatMap((each) => each.broken ?? []);
    if (broken) throw broken.error;
    await lease.giveBack(tree.map(({ runId }) => runId));
    for (const each of tree) {
      layDown(each);
      inert.set(each);
    }
  };

  return {
    world,
    here,
    recorder,
    away,
    underway,
    reconciler,
    suspend,
    putBack,
    inert,
    resting,
    waitsForOthers: (run: LiveRun) => treeOf(run).some((each) => each.away?.size),
    desk,
    owner,
    found,
    claiming,
    inbox,
    lease,
    bringToLife: births.bringToLife,
    bringBack: births.bringBack,
    report,
    stop,
    tell,
    shield,
    giveBack,
  };
};
