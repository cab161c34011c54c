/**
 * Where runs come to life: makes their actors, records their steps, tells their parents of their end.
 * One machine logic a runtime; what differs between runs is looked up by run id.
 */
import {
  FaultError,
  faultOf,
  isEnded,
  isFaultError,
  isLive,
  type Question,
  type Receipt,
  type Report,
  type RunEvent,
} from '@troupe/protocol';
import {
  type AnyActorRef,
  type AnyEventObject,
  type AnyMachineSnapshot,
  createActor,
  type InspectionEvent,
  toObserver,
} from 'xstate';
import { alarmActor } from '../actors/alarm-actor.ts';
import { crewActor } from '../actors/crew-actor.ts';
import { memoryActor } from '../actors/memory-actor.ts';
import { modelActor } from '../actors/model-actor.ts';
import { summarizerActor } from '../actors/summarizer-actor.ts';
import { agentMachine } from '../agent/agent-machine.ts';
import { openQuestions } from '../agent/calls.ts';
import { locate } from '../agent/children.ts';
import type { AgentContext, ChildEnd, Outbox, RunCommand, RunContext, UnknownOutcome } from '../agent/context.ts';
import { closeRun, endOf } from '../agent/life.ts';
import { itemAt, itemsOf } from '../agent/rows.ts';
import { openDispatch, sessionOf } from '../background/dispatch.ts';
import { letterOf } from '../background/letter.ts';
import { openUnderway } from '../background/underway.ts';
import { isUnit } from '../background/unit.ts';
import type { AnyAgent } from '../define-agent.ts';
import { type Job, jobDataOf } from '../job.ts';
import { openAway } from '../placement/away.ts';
import { openHearing } from '../placement/hearing.ts';
import { isNews, isOrder } from '../placement/messages.ts';
import { queueBy } from '../placement/queue-by.ts';
import { openReconciler } from '../placement/reconcile.ts';
import { checkpointAfter, checkpointOf, contextIn, isProgress, snapshotFrom } from '../run/checkpoint.ts';
import { heardOf } from '../run/journal.ts';
import { activeMsOf, enter, noteWaiting } from '../run/ledger.ts';
import { type Ending, lifecycle } from '../run/lifecycle.ts';
import {
  childrenHere,
  giveLetters,
  keepResult,
  type LiveRun,
  offspringOf,
  reportOf,
  takeSpawn,
} from '../run/live-run.ts';
import { recorded, takeOutbox } from '../run/recorded.ts';
import { type Run, receiptOf } from '../run/run.ts';
import { outputOf, toolsOf } from './definition-of.ts';
import { openDesk } from './desk.ts';
import { endFrom, type FoundRun, lostChild } from './found-run.ts';
import { openInbox } from './inbox.ts';
import { openLease } from './lease.ts';
import { type About, makeRun } from './make-run.ts';
import { findProvider, priceBy, type Settled } from './options.ts';
import { openQuotas } from './quotas.ts';
import { openRecorder, unstoredEnd } from './recorder.ts';
import { openRunsBelow } from './runs-below.ts';
import { terminalOf } from './terminal-of.ts';
import type { World } from './world.ts';

export type Engine = ReturnType<typeof openEngine>;

/** Others execute it now, or may by now. */
const isElsewhere = (error: unknown): error is FaultError =>
  isFaultError(error) && (error.code === 'store.fenced' || error.code === 'store.silent');

/** Facts that say what an attempt used, in the place of what was said before. */
const saysUsage = new Set(['model.used', 'model.attempted', 'turn.closed', 'context.summarized']);

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
  const runs = new Map<string, LiveRun>();
  /** Runs whose end is not stored yet. */
  const leaving = new Map<string, LiveRun>();
  /** Runs of a session that are alive here, or whose end is not stored yet; units left out. */
  const conversations = new Map<string, Set<LiveRun>>();
  /** The same for background units. */
  const units = new Map<string, Set<LiveRun>>();
  const owner = ids.next('runtime');
  const alive = new Map<string, number>();

  const shield = (what: string, act: () => void): void => {
    try {
      act();
    } catch (error) {
      logger.error(`${what} threw; the run goes on.`, faultOf(error, 'observer.failed'));
    }
  };

  /**
   * A commit of a tree was refused: all its runs stop before they do anything more, for what one of them did not store another may
   * have built on. Their ends are told, and not stored: `recover()` takes the tree up where its store left it.
   */
  const broken = (rootId: string, of: readonly LiveRun[], error: unknown): void => {
    const tree = [...new Set([...runs.values(), ...of])].filter((run) => run.rootId === rootId && !run.broken);
    if (tree.length === 0) return;
    const elsewhere = isElsewhere(error);
    const what = elsewhere ? 'is executed elsewhere, or may be by now' : 'cannot be stored';
    logger[elsewhere ? 'warn' : 'error'](
      `Run "${rootId}" ${what}, and stops here.`,
      faultOf(error, 'store.unavailable'),
    );
    for (const run of tree) {
      run.broken = { error };
      // Another owner tells its story now; whoever waits for it here is told why.
      if (elsewhere) run.suspended = true;
      if (elsewhere) desk.dismiss(run.runId, error);
      else if (run.ended) tellBroken(run, error);
      if (run.ended) on.moved(run);
    }
    desk.forget(rootId);
    // Whoever can store it may take it up. Of what others have claimed by now nothing is given back.
    giveBack(tree.map(({ runId }) => runId));
    queueMicrotask(() => {
      for (const run of tree)
        if (!run.ended && (run.detached || run.placed || !runs.has(run.parentId ?? ''))) stop(run);
    });
  };

  const giveBack = (runIds: readonly string[]): void => void lease.giveBack(runIds);

  const tellBroken = (run: LiveRun, error: unknown): void => {
    const events = unstoredEnd(run, error, clock.now());
    for (const event of events) enter(run.ledger, event);
    const feed = recorder.feedOf(run.rootId);
    for (const event of events) feed.push(event);
  };

  const desk = openDesk((runId) => runs.get(runId) ?? leaving.get(runId), options.hooks, shield);
  const { live } = store;
  const told = live
    ? (event: RunEvent): void => {
        desk.tell(event);
        if (isLive(event)) shield('store.live', () => live.tell(event));
      }
    : desk.tell;
  const recorder = openRecorder({ clock, store, owner }, { told, broken });

  /** Tells a run a command. @param known Called with what comes of it, before it does. */
  const tell = (run: LiveRun, command: RunCommand, known: (receipt: Receipt) => void = () => {}): Receipt => {
    const receipt = receiptOf(run, command, desk.answers);
    const isRepeated = command.type === 'answer' && desk.answers.has(command.questionId);
    known(receipt);
    if (receipt.status === 'rejected' || isRepeated) return receipt;
    if (command.type === 'answer') desk.answers.set(command.questionId, command.answer);
    run.actor?.send(command);
    return receipt;
  };
  const reconciler = openReconciler({ ...options, owner });
  const queueFor = queueBy(options, isKnown);
  const away = openAway(
    options,
    runs,
    recorder,
    desk,
    reconciler,
    (run, event) => hear(run, event),
    (runIds) => lease.giveBack(runIds),
    () => void inbox.look(),
  );
  const hearing = openHearing(away, {
    recorder,
    desk,
    settle: (parent, child, end) => settleIn(parent, child, end),
    gaveBack: (quota, childId, completed) => quotas.settle(quota, childId, completed),
    alone: (run) => alone(run),
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
  /** A run and what is below it here. */
  const treeOf = (run: LiveRun): LiveRun[] => [run, ...[...childrenHere(run, runs)].flatMap(treeOf)];
  const stop = (run: LiveRun): void => {
    const actor = run.actor as unknown as { _stop(): void } | undefined;
    actor?._stop();
    // Those that are done wait no longer for what others execute below them.
    for (const each of treeOf(run).toReversed())
      if (runs.get(each.runId) === each && (each.suspended || each.broken)) each.whenAlone?.();
  };

  const report = (run: LiveRun): Report => reportOf(run, desk.questionsOf(run.runId), clock.now());
  /** What a run and those below it have just asked: in their contexts before it is told. */
  const askedBelow = ({ context }: LiveRun): Question[] => {
    if (!context) return [];
    const asking = itemsOf(context.calls).flatMap((call) =>
      itemsOf(call.children).filter(({ status }) => status === 'asking'),
    );
    const below = asking.flatMap(({ runId }) => {
      const child = runs.get(runId);
      return child ? askedBelow(child) : desk.questionsOf(runId);
    });
    return [...openQuestions(context), ...below].map(
      (asked) => desk.question(asked.id) ?? { ...asked, askedAt: clock.now() },
    );
  };

  /** Takes what a step said: into the transcript, and to the recorder. */
  const step = (snapshot: AnyMachineSnapshot, event?: AnyEventObject): Outbox | null => {
    const { run: context } = snapshot.context as AgentContext;
    const outbox = takeOutbox(snapshot);
    const run = runs.get(context.runId);
    if (!run) return outbox;
    if (event && saysUsage.has(event.type)) run.used = undefined;
    const isNews = (outbox && outbox.events.length + outbox.messages.length > 0) || isProgress(run, snapshot);
    if (event && (isNews || run.context?.pendingUsage !== context.pendingUsage)) hear(run, event);
    if (snapshot.value === 'interrupting' && run.value !== 'interrupting') desk.stopAsking();
    const stood = run.value;
    run.value = snapshot.value;
    const wasHeld = run.context?.spawningPaused === true;
    run.context = context;
    const waits = context.slot === 'wanted' && (snapshot.matches({ running: 'waiting' }) || snapshot.matches('queued'));
    noteWaiting(run.ledger, waits, clock.now());
    if (outbox) run.transcript.push(...outbox.messages);
    for (const said of outbox?.events ?? [])
      if (said.type === 'turn.started')
        for (const mailId of said.delivered ?? []) run.receipts.push({ mailId, receipt: { status: 'accepted' } });
    if (snapshot.value === 'interrupting') run.graceUntil ??= clock.now() + context.graceMs;
    const mail = outbox && away.notes(run, outbox.notes);
    if (isNews)
      recorder.record(
        run,
        outbox?.events ?? [],
        { checkpoint: checkpointAfter(run, stood, snapshot) },
        mail ?? undefined,
      );
    if (mail) away.wakeAbove(run);
    if (wasHeld !== (context.spawningPaused === true)) holdAway(run, !wasHeld);
    on.moved(run);
    return outbox;
  };

  /** Whether a run may start children binds those below it, too: those that others execute are told. */
  const holdAway = (run: LiveRun, isHeld: boolean): void => {
    for (const each of treeOf(run))
      for (const childId of each.away?.keys() ?? [])
        away.tell(each, childId, { type: isHeld ? 'pauseSpawning' : 'resumeSpawning', by: 'parent' });
  };

  /** Takes note of what a machine heard. What an attempt has used so far counts until it says so again, or all of it. */
  const hear = (run: LiveRun, event: AnyEventObject): void => {
    if (saysUsage.has(event.type) && run.heard.at(-1)?.heard.type === 'model.used') run.heard.pop();
    run.heard.push({ seq: run.seq, at: clock.now(), heard: heardOf(event) });
  };

  /** What the attempt in flight has used, unless the event says all that it used. */
  const unheard = (event: AnyEventObject, { context }: AnyMachineSnapshot): AnyEventObject | undefined => {
    const run = runs.get((context as AgentContext).run.runId);
    const usage = run?.used;
    if (!usage || saysUsage.has(event.type)) return undefined;
    run.used = undefined;
    return { type: 'model.used', usage };
  };

  const begun = (snapshot: AnyMachineSnapshot): void => {
    const run = runs.get((snapshot.context as AgentContext).run.runId);
    // What rested in the store has lost nothing.
    if (run?.seq && !(run as FoundRun).rested) {
      hear(run, { type: 'run.recovered' });
      recorder.record(run, [{ type: 'run.recovered' }]);
    }
    step(snapshot);
  };

  /** The end of a run, however it came: its open calls are answered, its terminal event is recorded, its parent hears of it. */
  const finish = (runId: string, snapshot: AnyMachineSnapshot, ending: Ending): void => {
    const run = runs.get(runId);
    if (!run) return;
    // A run that broke while its children are at work on the stack waits for them; and any waits for those that are executed elsewhere.
    if (run.offspring?.below.size || (run.away?.size && !run.suspended && !run.broken)) {
      run.whenAlone = () => finish(runId, snapshot, ending);
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
      hear(run, { type: 'model.used', usage: run.used });
      context = { ...context, pendingUsage: run.used };
    }
    let leaves = false;
    if (!run.suspended && context) {
      const closed = { how: ending.how, ends: [...(run.offspring?.unheard.values() ?? [])] };
      hear(run, { type: 'run.closed', ...closed });
      context = closeRun(context, closed);
      run.transcript.push(...context.outbox.messages);
      const opening = run.seq === 0 ? [{ type: 'run.started' as const, model: run.model, budget: {} }] : [];
      recorder.record(run, [...opening, ...context.outbox.events]);
      const end = terminalOf(run, context, ending);
      const now = clock.now();
      const usage = { ...run.ledger.usage, activeMs: activeMsOf(run.ledger, now) };
      recorder.record(run, [{ ...end, usage }]);
      const unit = run.origin ? run : runs.get(run.parentId ?? '');
      const letter = letterOf(run, unit, end, now, (error) =>
        logger.warn(`The completion of "${run.agent.name}" threw.`, faultOf(error, 'tool.failed')),
      );
      // In the same commit: a run that has ended has left what it leaves.
      if (letter) recorder.record(run, [], undefined, [letter]);
      leaves = letter !== undefined;
      const note = away.lastNote(run, endFor(run, context));
      if (note) recorder.record(run, [], undefined, [note]);
      if (note) away.wakeAbove(run);
    }
    run.ended = true;
    if (run.broken && !run.suspended) tellBroken(run, run.broken.error);
    runs.delete(runId);
    leaving.set(runId, run);
    // Of one that stops before it is stored the store may never say anything.
    if (run.broken) on.moved(run);
    void Promise.resolve(run.writing).then(() => {
      leaving.delete(runId);
      // Also where its store has answered when nobody waited for it any more.
      if (leaves && run.stored === run.seq) on.left(sessionOf(run));
      // Only now: whoever waits for the session is not to find it still in between.
      forgetConversation(run);
      on.moved(run);
    });
    tellParent(run, context);
    leave(run);
    release(run);
  };

  /** Where a root counts: among the runs of its session, or what is done in the background on behalf of one, or both. */
  const placesOf = (run: LiveRun): { key: string; here: Map<string, Set<LiveRun>> }[] => {
    if (run.parentId !== undefined) return [];
    const own = { key: sessionOf(run), here: isUnit(run) ? units : conversations };
    const askedBy = isUnit(run) ? undefined : run.origin?.sessionKey;
    return askedBy === undefined ? [own] : [own, { key: askedBy, here: units }];
  };
  const noteConversation = (run: LiveRun): void => {
    for (const { key, here } of placesOf(run)) {
      const known = here.get(key);
      if (known) known.add(run);
      else here.set(key, new Set([run]));
      if (here === conversations) on.changed(key);
      on.stirred(key, false);
    }
  };
  const forgetConversation = (run: LiveRun): void => {
    for (const { key, here } of placesOf(run)) {
      const known = here.get(key);
      known?.delete(run);
      if (known?.size === 0) here.delete(key);
      if (here === conversations) on.changed(key);
      on.stirred(key, run.broken !== undefined);
    }
  };

  /** The run above, where it is executed here and by the same: others are written to. */
  const parentOf = (run: LiveRun): LiveRun | undefined =>
    run.parentId === undefined || run.placed ? undefined : runs.get(run.parentId);

  const alone = (run: LiveRun): void => {
    if (!run.offspring?.below.size && !run.away?.size) run.whenAlone?.();
  };
  const leave = (run: LiveRun): void => {
    const parent = parentOf(run);
    if (parent?.offspring?.below.delete(run.runId)) alone(parent);
  };

  const endFor = ({ ledger: { status, exitReason } }: LiveRun, context: RunContext): ChildEnd =>
    endOf(context, isEnded(status) ? status : 'failed', exitReason ?? 'error');

  /** A run hears that a child of it has ended, with all that its call may want to know of it. */
  const settleIn = (parent: LiveRun, child: LiveRun, end: ChildEnd): void => {
    const place = () => parent.context && locate(parent.context, child.runId);
    if (place()?.call.phase === 'waiting') keepResult(parent, child, report(child));
    const { unheard } = offspringOf(parent);
    unheard.set(child.runId, end);
    if (parent.actor?.getSnapshot().status === 'active') parent.actor.send({ type: 'child.settled', end });
    if ((place()?.child.status ?? 'ended') === 'ended') unheard.delete(child.runId);
  };

  const tellParent = (run: LiveRun, context: RunContext | undefined): void => {
    if (run.quota) quotas.settle(run.quota, run.runId, run.ledger.status === 'completed');
    const parent = run.detached ? undefined : parentOf(run);
    // Nobody waits for a run that was let go; the actor above it may have ended long ago.
    if (run.detached) Object.assign(run.actor ?? {}, { _parent: undefined });
    if (parent) for (const id of run.offspring?.letGo ?? []) offspringOf(parent).letGo.add(id);
    if (!parent?.actor || !context || run.suspended) return;
    settleIn(parent, run, endFor(run, context));
  };

  /** A tree without a live run needs no feed once everything in it is told. */
  const release = (run: LiveRun): void => {
    const left = (alive.get(run.rootId) ?? 1) - 1;
    alive.set(run.rootId, left);
    if (left > 0) return;
    alive.delete(run.rootId);
    away.forget(run.rootId);
    void Promise.resolve(run.writing).then(() =>
      queueMicrotask(() => !alive.has(run.rootId) && !recorder.isBusy(run.rootId) && recorder.closeFeed(run.rootId)),
    );
  };

  const quotas = openQuotas();
  const underway = openUnderway(store);
  const world: World = {
    clock,
    ids,
    logger,
    store,
    memory: options.memory,
    pricing: options.pricing,
    defaultModel: options.model,
    unknownPrice: options.unknownPrice,
    runs,
    quotas,
    spawningPaused: false,
    providerOf: (model, run) => findProvider(options, model, run.agent),
    priceOf: priceBy(options.pricing),
    tellLive: recorder.tellLive,
    prepare(run, childId, { agent, job, ...request }) {
      const data = jobDataOf(job, `"${agent.name}"`);
      outputOf(agent, job);
      offspringOf(run).spawns.set(childId, {
        ...(request as { accept?: never; refuse?: never }),
        request: { agent, job, ...request },
        job: data,
        tools: toolsOf(agent, job).tools,
      });
    },
    startChild(parent, { childId, allowance, slot, turn, index }, crew) {
      const pending = takeSpawn(parent, childId);
      if (!pending) throw new Error(`Child "${childId}" was admitted, but nobody asked for it.`);
      const { agent, quota, data } = pending.request;
      const call = parent.context?.turn === turn ? itemAt(parent.context.calls, index) : undefined;
      const about = {
        runId: childId,
        rootId: parent.rootId,
        parentId: parent.runId,
        depth: parent.depth + 1,
        allowance,
        slot,
        parent: crew,
        ...(call && { callId: call.callId }),
        ...(parent.sessionKey !== undefined && { sessionKey: parent.sessionKey }),
        ...(parent.context?.approval && { approval: parent.context.approval }),
        ...(quota && { quota: quota.key }),
        ...(data !== undefined && call && { made: { tool: call.tool, data } }),
      };
      const queue = options.placement && queueFor(parent, agent, pending.request.job, about.made);
      if (queue !== undefined) return sendAway(parent, agent, pending.request.job, about, queue);
      const child = bringToLife(agent, pending.request.job, about);
      return { child, actor: child.actor };
    },
    bringBackChild(parent, childId, crew) {
      const child = found.get(childId);
      found.delete(childId);
      if (child?.placed && !child.ended) return away.attach(parent, child, crew);
      if (child && !child.ended) return bringBack(child, crew).actor ?? null;
      const end = child ? endFrom(child) : lostChild(childId);
      if (child) keepResult(parent, child, report(child));
      parent.actor?.send({ type: 'child.settled', end });
      return null;
    },
    actorOf: (run, childId) => runs.get(childId)?.actor ?? run.away?.get(childId)?.envoy,
    handleOf,
    runsBelow: openRunsBelow(store, underway, attach),
    questionsOf: desk.questionsOf,
    reportPaused: (run) => reportOf(run, askedBelow(run), clock.now()),
    tellAway: away.tell,
    reportAway: (run, childId) => {
      const known = run.left?.get(childId)?.child;
      return known && { child: known, report: { ...report(known), status: 'paused' as const } };
    },
    detach(run) {
      run.detached = true;
      leave(run);
      if (run.quota) quotas.settle(run.quota, run.runId, false);
    },
    refusal: (message, details) => new FaultError('spawn.refused', message, { details }),
    dispatch: (run, call, dispatch) => dispatchUnit(run, call, dispatch),
  };

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
      unheard,
      (event, snapshot) => step(snapshot, event),
    ),
    {
      begun: (_self, snapshot) => begun(snapshot),
      ended: (self, snapshot, ending) => finish(self.id, snapshot, ending),
    },
  );

  const inspect = options.inspect && toObserver(options.inspect as never);
  const inspector = inspect && {
    inspect: (event: InspectionEvent) => shield('The inspection observer', () => inspect.next?.(event)),
  };

  /** Makes a run and starts its actor. @throws FaultError when the job is wrong */
  const bringToLife = (agent: AnyAgent, job: Job, { parent, ...about }: About & { parent?: AnyActorRef }): LiveRun => {
    const { run, input, warnings } = makeRun(options, agent, job, about);
    enlist(run);
    hear(run, { type: 'xstate.init', input });
    const actor = startActor(run, { input }, parent);
    for (const warning of warnings) actor.send(warning);
    return run;
  };

  /** Makes a child and leaves it to whoever serves its queue. */
  const sendAway = (
    parent: LiveRun,
    agent: AnyAgent,
    job: Job,
    { parent: crew, slot, ...about }: About & { parent: AnyActorRef },
    queue: string,
  ): { child: LiveRun; actor: AnyActorRef } => {
    const { deadlineAt } = about.allowance.limits;
    const placed = { queue, ...(deadlineAt !== undefined && { deadlineAt }) };
    const { run, input, warnings } = makeRun(options, agent, job, { ...about, placed, slot: 'wanted' });
    if (parent.broken) Object.assign(run, { broken: parent.broken, suspended: parent.suspended });
    return { child: run, actor: away.start(parent, run, { input, warnings, slot }, crew) };
  };

  /** Starts the actor of a stored run where its checkpoint left it, and those of its children below it. */
  const bringBack = (run: FoundRun, parent?: AnyActorRef): LiveRun => {
    const { turn, mail } = contextIn(run.checkpoint);
    giveLetters(run, mail);
    enlist(run);
    run.restoredTurn = turn;
    run.graceUntil = run.checkpoint.graceUntil as number | undefined;
    const actor = startActor(run, { snapshot: snapshotFrom(run.checkpoint) }, parent);
    if (actor.getSnapshot().status !== 'active') return run;
    for (const warning of run.warnings) actor.send({ type: 'warning', ...warning });
    actor.send({ type: 'recovered', unknown: unknownOutcomes(run), ...(run.lost && { lost: run.lost }) });
    return run;
  };

  /** What becomes of calls that were executing: what may run again runs again. */
  const unknownOutcomes = ({ checkpoint, tools }: FoundRun): Record<number, UnknownOutcome> => {
    const unknown: Record<number, UnknownOutcome> = {};
    itemsOf(contextIn(checkpoint).calls).forEach(({ phase, kind, ...call }, index) => {
      if (phase !== 'running') return;
      const tool = tools.get(call.tool);
      const isSafe = !tool || tool.idempotent || tool.settle || kind === 'handoff';
      unknown[index] = isSafe ? 'again' : options.unknownOutcome;
    });
    return unknown;
  };

  const enlist = (run: LiveRun): void => {
    runs.set(run.runId, run);
    const parent = run.detached ? undefined : parentOf(run);
    // Whoever comes to life below a run that is about to stop is as unstorable as the run is.
    if (parent?.broken) Object.assign(run, { broken: parent.broken, suspended: parent.suspended });
    if (parent) offspringOf(parent).below.add(run.runId);
    alive.set(run.rootId, (alive.get(run.rootId) ?? 0) + 1);
    lease.hold();
    inbox.attend();
    noteConversation(run);
  };

  const startActor = (run: LiveRun, from: object, parent: AnyActorRef | undefined): AnyActorRef => {
    const actor = createActor(logic, {
      id: run.runId,
      ...from,
      ...(parent ? { parent } : { clock, ...inspector }),
    } as never) as AnyActorRef;
    run.actor = actor;
    actor.start();
    return actor;
  };

  const dispatchUnit = openDispatch(options, {
    world,
    leaving,
    start: (agent, input, about) => bringToLife(agent, { input }, about),
  });

  /** Runs that were found in the store, until they are brought back. */
  const found = new Map<string, FoundRun>();
  const lease = openLease({
    clock,
    store,
    owner,
    leaseMs: options.leaseMs,
    isNeeded: () => runs.size + leaving.size > 0,
    isHere: (runId) => runs.has(runId),
    beats: () => void inbox.look(),
    lost() {
      // What has ended and is not stored is not ours any more, either.
      const last = [...leaving.values()];
      for (const rootId of new Set([...runs.values(), ...last].map((run) => run.rootId)))
        broken(
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

  /** From now on a run says nothing more here. Where it stands is written once more: who goes on may be another version of this library. */
  const suspend = (run: LiveRun): void => {
    const snapshot = run.actor?.getSnapshot() as AnyMachineSnapshot | undefined;
    if (run.isCheckpointOld && snapshot)
      recorder.record(run, [], { checkpoint: checkpointOf(snapshot, run.graceUntil) });
    run.suspended = true;
  };

  /** Stops a run and what is below it here as it is stored, and gives it back: whoever activates it goes on. */
  const putBack = async (run: LiveRun): Promise<void> => {
    const tree = treeOf(run);
    for (const each of tree) {
      suspend(each);
      // Whoever goes on with it counts them.
      for (const { child } of each.away?.values() ?? [])
        if (child.quota) quotas.settle(child.quota, child.runId, false);
    }
    if (!runs.has(run.parentId ?? '')) for (const asked of desk.questionsOf(run.runId)) desk.dropQuestions(asked.runId);
    stop(run);
    for (const { runId } of tree)
      desk.dismiss(runId, new FaultError('run.claimed', `Run "${runId}" is not executed here any more.`, { runId }));
    await Promise.all(tree.map(({ writing }) => Promise.resolve(writing)));
    const [broken] = tree.flatMap((each) => each.broken ?? []);
    if (broken) throw broken.error;
    await lease.giveBack(tree.map(({ runId }) => runId));
  };

  return {
    world,
    recorder,
    away,
    underway,
    reconciler,
    suspend,
    putBack,
    waitsForOthers: (run: LiveRun) => treeOf(run).some((each) => each.away?.size),
    desk,
    owner,
    found,
    inbox,
    leaving,
    conversations,
    units,
    lease,
    bringToLife,
    bringBack,
    report,
    stop,
    tell,
    shield,
    giveBack,
  };
};
