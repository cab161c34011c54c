/**
 * Handles: what whoever holds a run sees of it and says to it, whether it is alive here, executed by another process, or only stored.
 */
import {
  type DispatchRequest,
  FaultError,
  faultOf,
  isEnded,
  isFaultError,
  isTerminal,
  isWithin,
  type Receipt,
  type Report,
  type RunEvent,
  type RunRow,
  type RunStore,
  runOfQuestion,
} from '@troupe/protocol';
import { distinctUntilChanged, EMPTY, map, Observable } from 'rxjs';
import type { RunCommand } from '../agent/context.ts';
import { withResolvers } from '../es2024.ts';
import { listOf } from '../replay/read-run.ts';
import type { LiveRun } from '../run/live-run.ts';
import { repeated } from '../run/receipt.ts';
import { Run, type RunHost, receiptOf } from '../run/run.ts';
import { guarded } from '../streams/guarded.ts';
import { isAsking, isSettled, settles } from './desk.ts';
import type { Engine } from './engine.ts';
import { openReader } from './event-reader.ts';
import { follow } from './follow.ts';
import { foreseeStored, storedContext } from './foresee.ts';
import type { Reading } from './intake.ts';
import type { Postman } from './postman.ts';
import { eventsFrom } from './read-events.ts';
import type { Recovery } from './recovery.ts';
import { storedRun } from './stored-run.ts';

/**
 * Where a run is that somebody has a command for: `null` for here, or where it has ended; why it cannot be here; or elsewhere, with what
 * is dispatched where others execute it when there is something to do.
 */
type Where = null | { refused: Receipt; head?: never } | { refused?: never; head?: DispatchRequest };

export type Handles = {
  of(run: LiveRun): Run;
  /** A handle at once. @throws FaultError `run.unknown` when there is none, or the store answers later */
  at(runId: string): Run;
  attach(runId: string): Promise<Run>;
  /** Brings a stored run to life that somebody has a command for; or says where it is. */
  awake(runId: string, run?: LiveRun): Promise<Where>;
  /** Tells a run that is alive here a command. */
  deliver(run: LiveRun, command: RunCommand): Promise<Receipt>;
  /** Sends a command to where its run is executed; whoever holds a handle of the run, or of one above it, sees what came of it. */
  carry(runId: string, held: LiveRun | undefined, command: RunCommand, head?: DispatchRequest): Promise<Receipt>;
  /** What comes of an answer to a question that was answered before, by what is stored of whoever asked: that is not asked any more. */
  answeredBefore(runId: string, command: RunCommand): Promise<Receipt | undefined>;
  /** The report, once everything recorded is told. */
  whenTold(run: LiveRun): Promise<Report>;
};

export const openHandles = (
  { store }: { store: RunStore },
  { world, here, recorder, desk, report, tell, resting, waitsForOthers }: Engine,
  recovery: Recovery,
  postman: Postman,
  on: { isClosing(): boolean; caught(error: unknown): void },
): Handles => {
  const at = (runId: string): Run => {
    const live = here.find(runId) ?? awayAs(runId);
    if (live) return new Run(live, host);
    const row = store.get(runId);
    if (row instanceof Promise) throw notAlive(runId);
    return fromRow(runId, row);
  };
  /** A child that others execute, as the run above it knows it. */
  const awayAs = (runId: string): LiveRun | undefined => {
    const above = world.runs.get(runId.split('/').slice(0, -2).join('/'));
    return (above?.away?.get(runId) ?? above?.left?.get(runId))?.child;
  };
  const notAlive = (runId: string) =>
    new FaultError('run.unknown', `Run "${runId}" is not alive here. Use await runtime.attach("${runId}").`);

  const fromRow = (runId: string, row: RunRow | undefined): Run => {
    if (!row) throw new FaultError('run.unknown', `There is no run "${runId}" in this runtime's store.`);
    const events = store.events({ runId });
    if (Symbol.asyncIterator in events) throw notAlive(runId);
    return new Run(recovery.keep(storedRun(row, events, recovery.agentOf(row).agent)), host);
  };

  /** What was recorded is told in order: a settlement that is recorded but not told yet is waited for. */
  const whenTold = async (run: LiveRun): Promise<Report> => {
    await run.writing;
    if (recorder.isBusy(run.rootId)) await Promise.resolve();
    return report(run);
  };
  /** True for a run that waits for nobody any more and has not heard of it: what was asked elsewhere below it is answered. */
  const goesOn = (run: LiveRun): boolean =>
    isAsking(run) && waitsForOthers(run) && desk.questionsOf(run.runId).length === 0;
  /** True for a run that nobody executes here, and another process may. */
  const isElsewhere = (run: LiveRun): boolean =>
    store.changes !== undefined && !run.actor && !run.ended && !on.isClosing();
  /** Brings a run of another process up to what is stored, and what is asked below it. */
  const catchUp = async (run: LiveRun): Promise<void> => {
    await follow(run, store.events({ runId: run.runId, after: run.seq }));
    await recovery.read(run.runId);
  };
  /** The same of what it has said itself: what that costs does not grow with its tree. */
  const catchUpAlone = async (run: LiveRun): Promise<void> => {
    const news = await listOf(store.events({ runId: run.runId, after: run.seq }));
    await follow(run, news);
    if (!world.runs.has(run.runId)) desk.restore(news);
  };
  /** The report after such an event, whichever process executes the run. */
  const whenNext = async (run: LiveRun, wanted: (event: RunEvent) => boolean): Promise<Report> => {
    const isSo = (): boolean => (wanted === isTerminal ? isEnded(run.ledger.status) : isSettled(run));
    for (;;) {
      while (isElsewhere(run) && (await followed(run, wanted))) {
        // It came to life here meanwhile, and was taken over: what is known of it here is not how it went on.
        if (run.actor && !isSo()) break;
        await recovery.read(run.runId);
        // What was asked may be answered by now.
        if (isSo()) return report(run);
      }
      try {
        return await desk.next(run, wanted, () => report(run));
      } catch (error) {
        const rests = resting.get(run.runId);
        if (!rests) throw error;
        // It goes on wherever there is something to do, here or elsewhere.
        await rests;
      }
      if (isSo()) return report(run);
    }
  };
  /** Calls back where another process has forgotten a run. Gives back how to stop. */
  const whenGone = (run: LiveRun, gone: (error: FaultError) => void): (() => void) | undefined => {
    const { runId, ledger } = run;
    const look = async (): Promise<void> => {
      const row = await store.get(runId);
      // Where another has its id it was forgotten, too.
      if (row && (ledger.createdAt === 0 || row.createdAt === ledger.createdAt)) return;
      if (!row) desk.dropQuestions(runId);
      gone(new FaultError('run.unknown', `Run "${runId}" was forgotten before it was read.`, { runId }));
    };
    return store.changes?.(() => void look().catch(() => {}), { keepAlive: false });
  };
  /** Follows a run of another process until such an event. @throws FaultError `run.unknown` when it is forgotten before */
  const followed = async (run: LiveRun, wanted: (event: RunEvent) => boolean): Promise<boolean> => {
    const { runId } = run;
    const reader = openReader({ store, query: { runId, after: run.seq }, live$: desk.events$ });
    const gone = withResolvers<never>();
    const leave = whenGone(run, gone.reject);
    try {
      return await Promise.race([follow(run, { [Symbol.asyncIterator]: () => reader }, wanted), gone.promise]);
    } finally {
      leave?.();
      await reader.return?.();
    }
  };

  /** What this process tells of the tree of a run, for as long as somebody may tell more of it. */
  const toldOf = (run: LiveRun): Observable<RunEvent> => {
    // Of a run that ended and could not be stored nothing more is told, unless another process goes on with it.
    if (run.ended && run.broken && !(run.suspended && store.changes)) return EMPTY;
    const { events$ } = recorder.feedOf(run.rootId);
    if (!store.changes) return events$;
    // Where others write, too, a tree that is closed here may go on there, and come back to life here.
    return new Observable((reader) =>
      events$.subscribe({
        next: (event) => reader.next(event),
        complete: () => desk.events$.subscribe(reader),
      }),
    );
  };
  /** What is told of a run that another process may end and forget: that comes to no end that is told. */
  const toldUntilGone = (run: LiveRun): Observable<RunEvent> =>
    new Observable((reader) => {
      reader.add(whenGone(run, (error) => reader.error(error)));
      return toldOf(run).subscribe(reader);
    });
  const readingOf = (run: LiveRun): Reading => ({
    store,
    query: { rootId: run.rootId },
    live$: isElsewhere(run) ? toldUntilGone(run) : toldOf(run),
    relay: store.live,
    within: run.runId,
  });

  const host: RunHost = {
    eventsOf: (run) => guarded(eventsFrom(readingOf(run)), on.caught),
    readerOf: (run) => openReader(readingOf(run)),
    questionsOf: desk.questionsOf,
    questionsOf$: (runId) => {
      const changes$ = new Observable<void>((reader) => {
        reader.next();
        return desk.questionsChanged$.subscribe(reader);
      });
      const questions$ = changes$.pipe(
        map(() => desk.questionsOf(runId)),
        distinctUntilChanged((a, b) => a.length === b.length && a.every(({ id }, i) => id === b[i]?.id)),
      );
      return guarded(questions$, on.caught);
    },
    settled: async (run) => {
      if (isElsewhere(run)) await catchUp(run);
      return isSettled(run) && !goesOn(run) ? whenTold(run) : whenNext(run, settles);
    },
    ended: async (run) => (isEnded(run.ledger.status) ? whenTold(run) : whenNext(run, isTerminal)),
    handleOf: at,
    send: async (run, command) => {
      const targetId = targetOf(run, command);
      if (typeof targetId !== 'string') return targetId;
      // As it is stored it is known once it is put back.
      if (resting.has(targetId)) await resting.get(targetId)?.catch(() => {});
      // A run that was let go may go on when the run above it has ended.
      const held = run.ended && !run.broken && targetId !== run.runId ? undefined : run;
      // A run that is alive hears a command at once.
      const where = world.runs.has(targetId) ? null : await awake(targetId, held);
      if (where?.refused) return where.refused;
      if (where) return carry(targetId, run, command, where.head);
      // It may have ended elsewhere since it was looked at last.
      if (!world.runs.has(targetId) && isElsewhere(run)) await catchUp(run).catch(() => {});
      const live = world.runs.get(targetId);
      // Whoever asked has ended, or is about to: what it was answered is stored.
      const before = live || targetId === run.runId ? undefined : await answeredBefore(targetId, command).catch(unread);
      return before ?? deliver(live ?? run, command);
    },
    foresee: async (run, command) => {
      const targetId = targetOf(run, command);
      if (typeof targetId !== 'string') return targetId;
      const live = world.runs.get(targetId);
      if (live?.broken) return unstored(live);
      if (live) return receiptOf(live, command);
      await recorder.written(run.rootId);
      return foreseeStored(store, targetId, command, async (row) => {
        if (on.isClosing()) throw new FaultError('runtime.closed', 'the runtime is closed');
        // Whoever executes it knows its agents.
        if (store.changes && (await store.holder(row.runId)) !== null) return;
        const rows = await recovery.rowsOf(row.rootId);
        recovery.demand(
          [...rows.values()].filter(({ status }) => !isEnded(status)),
          rows,
        );
      });
    },
    startOf: async (run) => {
      const context = run.context ?? (await storedContext(store, run.runId));
      return run.ledger.createdAt + (context?.laterMs ?? 0);
    },
  };
  /** The run that a command is for: an answer is for the run that asked. */
  const targetOf = (run: LiveRun, command: RunCommand): string | Receipt => {
    const asker = command.type === 'answer' ? runOfQuestion(command.questionId) : null;
    if (command.type === 'answer' && asker !== null && !isWithin(asker, run.runId))
      return { status: 'rejected', reason: `question "${command.questionId}" is not asked below run "${run.runId}"` };
    return asker ?? run.runId;
  };

  const answeredBefore: Handles['answeredBefore'] = async (runId, command) => {
    if (command.type !== 'answer') return undefined;
    const given = await recovery.learnAnswers(runId);
    return given.has(command.questionId) ? repeated(given.get(command.questionId), command.answer) : undefined;
  };
  const unread = () => undefined;

  const carry: Handles['carry'] = async (runId, held, command, head) => {
    const receipt = await postman.send(runId, command, head);
    // What came of it stands, whether or not the store can be read just now.
    // Others change nothing that is asked below the run.
    const concernsTree = command.type === 'answer' || command.type === 'interrupt';
    if (held && isElsewhere(held)) await (concernsTree ? catchUp(held) : catchUpAlone(held)).catch(() => {});
    if (command.type !== 'answer') return receipt;
    // What is answered elsewhere is no open question here, though the runs above it may hear of it only later.
    const before = await answeredBefore(runId, command).catch(unread);
    // The run may have been answered, and have ended, before it heard of this answer.
    return receipt.status === 'rejected' ? (before ?? receipt) : receipt;
  };

  const awake: Handles['awake'] = async (runId, run) => {
    if (run?.ended || run?.suspended) return null;
    if (on.isClosing()) return { refused: { status: 'rejected', reason: 'the runtime is closed' } };
    try {
      const head = await recovery.takeUp(runId);
      return head ? { head } : null;
    } catch (error) {
      const code = isFaultError(error) ? error.code : undefined;
      if (code === 'run.ended' || code === 'run.unknown') return null;
      if (code === 'run.claimed' && store.changes) return {};
      return { refused: { status: 'rejected', reason: faultOf(error, 'store.unavailable').message } };
    }
  };

  const deliver: Handles['deliver'] = async (run, command) => {
    if (run.broken) return unstored(run);
    const receipt = tell(run, command);
    if (receipt.status === 'rejected') return receipt;
    await run.writing;
    return run.broken ? unstored(run) : receipt;
  };
  const unstored = ({ broken }: LiveRun): Receipt => ({
    status: 'rejected',
    reason: `the run could not be stored: ${faultOf(broken?.error, 'store.unavailable').message}`,
  });

  return {
    of: (run) => new Run(run, host),
    at,
    attach: async (runId) => new Run(world.runs.get(runId) ?? (await recovery.read(runId)), host),
    awake,
    deliver,
    answeredBefore,
    carry,
    whenTold,
  };
};
