/**
 * Children that are executed elsewhere: the store carries what they and their parents say to each other, and the placement carries the
 * ids of those that have something to do. A message is stored with the step that it follows from, so nothing is said twice or lost.
 */
import {
  type Clock,
  faultOf,
  type IdSource,
  isEnded,
  isTerminal,
  type Logger,
  type Mail,
  type Placement,
  type RunStore,
  redact,
} from '@troupe/protocol';
import {
  type AnyActorRef,
  type AnyEventObject,
  type AnyMachineSnapshot,
  createActor,
  initialTransition,
  transition,
} from 'xstate';
import { envoyActor } from '../actors/envoy-actor.ts';
import { agentMachine } from '../agent/agent-machine.ts';
import type { AgentContext, ChildEnd, ParentNote, RunInput } from '../agent/context.ts';
import { listOf } from '../replay/read-run.ts';
import { checkpointOf } from '../run/checkpoint.ts';
import type { AwayChild, LiveRun } from '../run/live-run.ts';
import { takeOutbox } from '../run/recorded.ts';
import type { Desk } from '../runtime/desk.ts';
import type { Warning } from '../runtime/make-run.ts';
import type { Recorder } from '../runtime/recorder.ts';
import { storedRun, untilLetGo } from '../runtime/stored-run.ts';
import { childOf, type News, type Order } from './messages.ts';
import type { Reconciler } from './reconcile.ts';

/** Trees whose place is remembered. */
const mostPlaces = 1_000;

export type Away = ReturnType<typeof openAway>;

type Given = {
  store: RunStore;
  clock: Clock;
  ids: IdSource;
  logger: Logger;
  placement: Placement | undefined;
};

/** What a child says while it works as before, or waits as before. */
const saysNoMore: ReadonlySet<string> = new Set<News['type']>(['slot.released', 'slot.wanted', 'child.answered']);

/** How a child begins, and what its parent has for it. */
type Beginning = { input: RunInput; warnings: readonly Warning[]; slot: RunInput['slot'] };

/** Whether the run above hears of it by messages. */
const hasToTell = (run: LiveRun): run is LiveRun & { parentId: string } =>
  run.placed !== undefined && !run.detached && run.parentId !== undefined;

export const openAway = (
  { store, clock, ids, logger, placement }: Given,
  runs: ReadonlyMap<string, LiveRun>,
  { record }: Pick<Recorder, 'record'>,
  desk: Pick<Desk, 'restore' | 'dropQuestions' | 'questionsOf'>,
  reconciler: Pick<Reconciler, 'start'>,
  /** Takes note of what the machine of a run hears. */
  hear: (run: LiveRun, event: AnyEventObject) => void,
  /** Lets others claim runs. */
  giveBack: (runIds: readonly string[]) => Promise<void>,
  /** Messages were stored: they may be for a run that is executed here, too. */
  posted: () => void,
) => {
  const mailTo = (runId: string, message: News | Order, id = ids.next('mail')): Mail => ({
    id,
    runId,
    at: clock.now(),
    message: redact(message),
  });

  /** Whoever serves the queue looks at the run. Whatever is lost here is found by whoever reconciles. */
  const dispatch = (runId: string, queue: string): void => {
    void placement
      ?.dispatch({ runId, queue })
      .catch((error: unknown) =>
        logger.warn(
          `Run "${runId}" could not be dispatched to "${queue}"; it is tried again.`,
          faultOf(error, 'placement.unavailable'),
        ),
      );
  };

  /** Once what was recorded of a run is stored. */
  const afterwards = (run: LiveRun, act: () => void): void => {
    void Promise.resolve(run.writing).then(() => {
      if (!run.broken) act();
    });
  };

  const post = (by: LiveRun, runId: string, order: Order): Mail => {
    const mail = mailTo(runId, order);
    record(by, [], undefined, [mail]);
    return mail;
  };
  /** Tells a child of a run something, in the step that the run has just made. */
  const tell = (parent: LiveRun, childId: string, order: Order): void => {
    const away = parent.away?.get(childId);
    if (!away) return;
    post(parent, childId, order);
    afterwards(parent, () => {
      dispatch(childId, away.queue);
      posted();
    });
  };
  /** Has a run looked at that was told something, or takes that back where it has ended. What is lost here whoever reconciles finds. */
  const wake = async ({ id, runId }: Mail): Promise<void> => {
    const row = await store.get(runId);
    if (!row || isEnded(row.status)) await store.withdraw(id, { status: 'rejected', reason: 'The run has ended.' });
    else if (row.placed) dispatch(runId, row.placed.queue);
  };
  /** Tells a run something that was let go below another, in the step that this one has just made. */
  const tellStray = (above: LiveRun, runId: string, order: Order): void => {
    const mail = post(above, runId, order);
    afterwards(above, () => {
      posted();
      void wake(mail).catch(() => {});
    });
  };

  /** Children that work, and what keeps the process alive while there are any: waiting for a person does not. */
  const working = new Map<string, string>();
  let stayAlive: (() => void) | undefined;
  const mind = (): void => {
    if (working.size > 0) stayAlive ??= store.changes?.(() => {});
    else {
      stayAlive?.();
      stayAlive = undefined;
    }
  };

  const envoy = envoyActor(tell);
  const enter = (parent: LiveRun, child: LiveRun, crew: AnyActorRef): AnyActorRef => {
    const actor = createActor(envoy, { id: child.runId, parent: crew, input: { parent, childId: child.runId } });
    const away: AwayChild = { child, queue: child.placed?.queue ?? '', envoy: actor };
    parent.away ??= new Map();
    parent.away.set(child.runId, away);
    actor.start();
    follow(parent.rootId);
    if (child.ledger.status !== 'paused') working.set(child.runId, child.rootId);
    mind();
    // What the engine loses is found again also where nobody serves it.
    reconciler.start();
    return actor;
  };

  /** Trees of which a part is executed elsewhere; and up to where trees are known here, those that were left, too: they may come back. */
  const followed = new Set<string>();
  const places = new Map<string, { after: number; reading: Promise<void> | undefined }>();
  let leave: (() => void) | undefined;

  const read = async (rootId: string, place: { after: number }): Promise<void> => {
    for await (const event of store.events({ rootId, after: place.after })) {
      place.after = event.rootSeq;
      if (runs.has(event.runId)) continue;
      if (isTerminal(event)) desk.dropQuestions(event.runId);
      else if (event.type === 'question.asked' || event.type === 'question.answered') desk.restore([event]);
    }
  };
  /** Takes note of what is asked and answered elsewhere in a tree. */
  const catchUp = async (rootId: string): Promise<void> => {
    const place = places.get(rootId);
    if (!place) return;
    await place.reading;
    place.reading ??= read(rootId, place).finally(() => {
      place.reading = undefined;
    });
    await place.reading;
  };
  const follow = (rootId: string): void => {
    if (followed.has(rootId)) return;
    followed.add(rootId);
    if (!places.has(rootId)) places.set(rootId, { after: 0, reading: undefined });
    for (const known of places.keys()) {
      if (places.size <= mostPlaces) break;
      if (!followed.has(known)) places.delete(known);
    }
    leave ??= store.changes?.(
      () => {
        for (const id of followed) void catchUp(id).catch(() => {});
      },
      { keepAlive: false },
    );
  };

  return {
    dispatch,
    afterwards,
    tell,
    tellStray,
    /**
     * Stores a child that has just been admitted in its parent's step, where its machine waits for a slot, and leaves it to others.
     *
     * @param slot What its parent has for it.
     */
    start(parent: LiveRun, child: LiveRun, { input, warnings, slot }: Beginning, crew: AnyActorRef): AnyActorRef {
      let machine: AnyMachineSnapshot | undefined;
      for (const event of [{ type: 'xstate.init', input }, ...warnings]) {
        hear(child, event);
        [machine] = machine
          ? transition(agentMachine, machine as never, event as Warning)
          : initialTransition(agentMachine, input);
        const outbox = takeOutbox(machine);
        child.context = (machine.context as AgentContext).run;
        child.value = machine.value;
        record(child, outbox?.events ?? [], { checkpoint: checkpointOf(machine, undefined) });
      }
      const actor = enter(parent, child, crew);
      const mayBegin = slot !== 'wanted';
      if (mayBegin) post(parent, child.runId, { type: 'slot.granted', ...(slot === 'free' && { free: true }) });
      afterwards(child, () => {
        void giveBack([child.runId]).then(() => mayBegin && dispatch(child.runId, child.placed?.queue ?? ''));
      });
      return actor;
    },
    /** A child of a run that was brought back. */
    attach: enter,
    /** What a child says of itself: whether it works. */
    heed(parent: LiveRun, news: News): void {
      const childId = childOf(news);
      if (!parent.away?.has(childId)) return;
      if (news.type === 'child.resumed' || news.type === 'child.stayed') {
        working.set(childId, parent.rootId);
      } else if (!saysNoMore.has(news.type)) working.delete(childId);
      mind();
    },
    /** Reads what a message of a child is about, before its parent hears of it. */
    async learn(parent: LiveRun, news: News): Promise<void> {
      const away = parent.away?.get(childOf(news));
      if (!away || saysNoMore.has(news.type)) return;
      await catchUp(parent.rootId);
      const { runId, agent } = away.child;
      const row = await store.get(runId);
      const events = await listOf(store.events({ runId }));
      if (row) away.child = storedRun(row, news.type === 'child.left' ? untilLetGo(events) : events, agent);
    },
    /** Nobody of a tree is alive here any more. */
    forget(rootId: string): void {
      for (const [childId, its] of working) if (its === rootId) working.delete(childId);
      mind();
      followed.delete(rootId);
      if (followed.size > 0) return;
      leave?.();
      leave = undefined;
    },
    /** What a run says to its parent, if that is executed elsewhere. */
    notes: (run: LiveRun, notes: readonly ParentNote[]): Mail[] | undefined =>
      hasToTell(run) && notes.length > 0 ? notes.map((note) => mailTo(run.parentId, note)) : undefined,
    /** Something else that it says. */
    note: (run: LiveRun, news: News): Mail => mailTo(run.parentId ?? '', news),
    /** The last that it says. */
    lastNote: (run: LiveRun, end: ChildEnd): Mail | undefined =>
      hasToTell(run) ? mailTo(run.parentId, { type: 'child.settled', end }, `${run.runId}#settled`) : undefined,
    /** Whoever is above the run has mail now, and may have to be woken. */
    wakeAbove(run: LiveRun): void {
      const { above } = run;
      afterwards(run, () => {
        if (above) dispatch(above.runId, above.queue);
        posted();
      });
    },
  };
};
