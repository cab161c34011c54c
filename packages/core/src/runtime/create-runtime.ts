/**
 * The runtime: starts runs, gives out handles, tells events. It decides nothing about a run; the machine does.
 *
 * Keeps L1 (each run ends in exactly one terminal event) together with `run/lifecycle.ts`, and L8 (observers change nothing).
 */
import {
  type EventQuery,
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
  runOfQuestion,
} from '@troupe/protocol';
import { concat, distinctUntilChanged, EMPTY, map, type Observable, startWith } from 'rxjs';
import type { AnyActorRef } from 'xstate';
import type { RunCommand } from '../agent/context.ts';
import { allowanceOf } from '../agent/limits.ts';
import { type AnyAgent, isSameAgent } from '../define-agent.ts';
import { type Job, jobDataOf } from '../job.ts';
import { openReplays } from '../replay/replays.ts';
import { isSameJob, type LiveRun } from '../run/live-run.ts';
import { Run, type RunHost } from '../run/run.ts';
import type { Session } from '../session/session.ts';
import { openSessions, type Sent } from '../session/sessions.ts';
import { guarded } from '../streams/guarded.ts';
import { isSettled, settles } from './desk.ts';
import { openEngine } from './engine.ts';
import { openReader } from './event-reader.ts';
import { follow } from './follow.ts';
import type { Reading, ReadOptions } from './intake.ts';
import { type RuntimeOptions, settle } from './options.ts';
import { openPostman } from './postman.ts';
import { eventsFrom } from './read-events.ts';
import { openRecovery } from './recovery.ts';
import { runsOf } from './runs-of.ts';
import { internals, type Runtime, type StartOptions } from './runtime.ts';
import { storedRun } from './stored-run.ts';

/** @throws FaultError `runtime.invalid`, `budget.invalid` when the options contradict themselves */
export const createRuntime = (given: RuntimeOptions): Runtime => {
  const options = settle(given);
  const { clock, store } = options;
  const agents = new Map<string, AnyAgent>(options.agents.map((agent) => [agent.name, agent]));
  let closing: Promise<void> | undefined;

  const handleOf = (runId: string): Run => {
    const live = engine.world.runs.get(runId) ?? engine.leaving.get(runId);
    if (live) return new Run(live, host);
    const row = store.get(runId);
    if (row instanceof Promise) throw notAlive(runId);
    return fromRow(runId, row);
  };
  const notAlive = (runId: string) =>
    new FaultError('run.unknown', `Run "${runId}" is not alive here. Use await runtime.attach("${runId}").`);

  const fromRow = (runId: string, row: RunRow | undefined): Run => {
    if (!row) throw new FaultError('run.unknown', `There is no run "${runId}" in this runtime's store.`);
    const events = store.events({ runId });
    if (Symbol.asyncIterator in events) throw notAlive(runId);
    return new Run(recovery.keep(storedRun(row, events, agents.get(row.agent))), host);
  };

  const checkOpen = (): void => {
    if (closing) throw new FaultError('runtime.closed', 'Nothing is brought back: the runtime is closed.');
  };
  const engine = openEngine(
    options,
    (run) => new Run(run, host),
    () => postman.changed(),
  );
  const { world, recorder, desk, report } = engine;
  const recovery = openRecovery(store, agents, engine, options, {
    goesOn: (run) => engine.shield(`The session of run "${run.runId}"`, () => sessions.adopt(run)),
    check: checkOpen,
  });
  const postman = openPostman(options, recovery.takeUp);
  const replays = openReplays({
    store,
    clock,
    ids: options.ids,
    owner: engine.owner,
    rowFor: recovery.rowFor,
    saidBefore: (runId) => recovery.conversation('beginning', runId),
    check: checkOpen,
    demand: recovery.demand,
    copy: (rootId, commits) => recorder.copy(rootId, commits, desk.copied),
    takeUp: recovery.takeUp,
  });
  const sessions = openSessions({
    runs: world.runs,
    desk,
    read: recovery.readSession,
    conversation: recovery.conversation,
    clock,
    handleOf: (run) => new Run(run, host),
    start: (agent, job, options, sent) => startRun(agent, job, options, undefined, sent),
  });

  /** What was recorded is told in order: a settlement that is recorded but not told yet is waited for. */
  const whenTold = async (run: LiveRun): Promise<Report> => {
    await run.writing;
    if (recorder.isBusy(run.rootId)) await Promise.resolve();
    return report(run);
  };
  /** True for a run that nobody executes here, and another process may. */
  const isElsewhere = (run: LiveRun): boolean => store.changes !== undefined && !run.actor && !run.ended && !closing;
  /** Brings a run of another process up to what is stored, and what is asked below it. */
  const catchUp = async (run: LiveRun): Promise<void> => {
    await follow(run, store.events({ runId: run.runId, after: run.seq }));
    await recovery.read(run.runId);
  };
  /** The report after such an event, whichever process executes the run. */
  const whenNext = async (run: LiveRun, wanted: (event: RunEvent) => boolean): Promise<Report> => {
    if (isElsewhere(run)) {
      const query = { runId: run.runId, after: run.seq };
      const reader = openReader({ store, query, live$: desk.events$ });
      if (await follow(run, { [Symbol.asyncIterator]: () => reader }, wanted)) {
        await recovery.read(run.runId);
        return report(run);
      }
    }
    return desk.next(run, wanted, () => report(run));
  };

  /** What this process tells of the tree of a run, for as long as somebody may tell more of it. */
  const toldOf = (run: LiveRun): Observable<RunEvent> => {
    // Of a run that ended and could not be stored nothing more is told, unless another process goes on with it.
    if (run.ended && run.broken && !(run.suspended && store.changes)) return EMPTY;
    const { events$ } = recorder.feedOf(run.rootId);
    // Where others write, too, a tree that is closed here may go on there, and come back to life here.
    return store.changes ? concat(events$, desk.events$) : events$;
  };
  const readingOf = (run: LiveRun): Reading => ({
    store,
    query: { rootId: run.rootId },
    live$: toldOf(run),
    within: run.runId,
  });

  const host: RunHost = {
    eventsOf: (run) => guarded(eventsFrom(readingOf(run)), caught),
    readerOf: (run) => openReader(readingOf(run)),
    questionsOf: desk.questionsOf,
    questionsOf$: (runId) => {
      const questions$ = desk.questionsChanged$.pipe(
        startWith(undefined),
        map(() => desk.questionsOf(runId)),
        distinctUntilChanged((a, b) => a.length === b.length && a.every(({ id }, i) => id === b[i]?.id)),
      );
      return guarded(questions$, caught);
    },
    settled: async (run) => {
      if (isElsewhere(run)) await catchUp(run);
      return isSettled(run) ? whenTold(run) : whenNext(run, settles);
    },
    ended: async (run) => (isEnded(run.ledger.status) ? whenTold(run) : whenNext(run, isTerminal)),
    handleOf,
    send: async (run, command) => {
      const asker = command.type === 'answer' ? runOfQuestion(command.questionId) : null;
      if (command.type === 'answer' && asker !== null && !isWithin(asker, run.runId))
        return { status: 'rejected', reason: `question "${command.questionId}" is not asked below run "${run.runId}"` };
      const targetId = asker ?? run.runId;
      // A run that is alive hears a command at once.
      const refused = world.runs.has(targetId) ? null : await awake(targetId, run);
      if (refused === 'elsewhere') return carry(targetId, run, command);
      return refused ?? deliver(world.runs.get(targetId) ?? run, command);
    },
  };

  /** Sends a command to where its run is executed; whoever holds a handle of the run, or of one above it, sees what came of it. */
  const carry = async (runId: string, held: LiveRun | undefined, command: RunCommand): Promise<Receipt> => {
    const receipt = await postman.send(runId, command);
    if (held && isElsewhere(held)) await catchUp(held);
    return receipt;
  };

  /** Brings a stored run to life that somebody has a command for; says why when that cannot be. */
  const awake = async (runId: string, run?: LiveRun): Promise<Receipt | 'elsewhere' | null> => {
    if (run?.ended || run?.suspended) return null;
    if (closing) return { status: 'rejected', reason: 'the runtime is closed' };
    try {
      const holder = store.changes ? await store.holder(runId) : null;
      if (holder !== null && holder !== engine.owner) return 'elsewhere';
      await recovery.takeUp(runId);
      return null;
    } catch (error) {
      const code = isFaultError(error) ? error.code : undefined;
      if (code === 'run.ended' || code === 'run.unknown') return null;
      if (code === 'run.claimed' && store.changes) return 'elsewhere';
      return { status: 'rejected', reason: faultOf(error, 'store.unavailable').message };
    }
  };

  const deliver = async (run: LiveRun, command: RunCommand): Promise<Receipt> => {
    if (run.broken) return unstored(run);
    const receipt = engine.tell(run, command);
    if (receipt.status === 'rejected') return receipt;
    await run.writing;
    return run.broken ? unstored(run) : receipt;
  };
  const unstored = ({ broken }: LiveRun): Receipt => ({
    status: 'rejected',
    reason: `the run could not be stored: ${faultOf(broken?.error, 'store.unavailable').message}`,
  });

  const caught = (error: unknown): void =>
    engine.shield('A subscriber', () => {
      throw error;
    });

  const startRun = (
    agent: AnyAgent,
    job: Job,
    { runId, sessionKey, signal }: StartOptions,
    parent?: AnyActorRef,
    sent?: Sent,
  ): Run => {
    if (closing)
      throw new FaultError('runtime.closed', `Agent "${agent.name}" was not started: the runtime is closed.`);
    if (runId !== undefined) {
      const there = existing(agent, job, runId);
      if (there) return there;
    }
    const id = runId ?? options.ids.next('run');
    if (id.trim() === '' || id.includes('/'))
      throw new FaultError('run.invalid', `"${id}" cannot be a run's id. Expected text without "/".`);
    register(agent);
    const budgets = [options.budget, agent.budget, typeof job === 'string' ? undefined : job.budget];
    const { made, ...inSession } = sent ?? {};
    const live = engine.bringToLife(agent, job, {
      runId: id,
      rootId: id,
      depth: 0,
      allowance: allowanceOf({}, budgets, clock.now()),
      slot: 'free',
      ...inSession,
      ...(sessionKey !== undefined && { sessionKey }),
      ...(parent && { parent }),
    });
    made?.(live);
    if (signal) obey(live, signal);
    return new Run(live, host);
  };

  const register = (agent: AnyAgent): void => {
    const known = agents.get(agent.name);
    if (known && !isSameAgent(known, agent))
      throw new FaultError(
        'agent.duplicate',
        `Another agent is named "${agent.name}" in this runtime. Stored runs name their agent: rename one of the two.`,
      );
    agents.set(agent.name, agent);
  };

  const existing = (agent: AnyAgent, job: Job, runId: string): Run | null => {
    const live = world.runs.get(runId) ?? engine.leaving.get(runId);
    const row = live ? { agent: live.agent.name, job: live.job } : store.get(runId);
    if (!row || row instanceof Promise) return null;
    if (row.agent === agent.name && isSameJob(row.job, jobDataOf(job, `agent "${agent.name}"`))) {
      register(agent);
      if (!live) void awake(runId);
      return handleOf(runId);
    }
    throw new FaultError(
      'run.exists',
      `Run "${runId}" exists, of agent "${row.agent}" with another job. Use a new id, or attach to it.`,
      { runId },
    );
  };

  const obey = (run: LiveRun, signal: AbortSignal): void => {
    const interrupt = () =>
      run.actor?.send({
        type: 'interrupt',
        reason: signal.reason instanceof Error ? signal.reason.message : String(signal.reason),
      });
    if (signal.aborted) return interrupt();
    signal.addEventListener('abort', interrupt);
    const off = () => signal.removeEventListener('abort', interrupt);
    void desk.next(run, isTerminal, off).catch(off);
  };

  const attach = async (runId: string): Promise<Run> => {
    return new Run(world.runs.get(runId) ?? (await recovery.read(runId)), host);
  };

  const suspend = (): void => {
    for (const run of world.runs.values()) run.suspended = true;
    for (const run of roots()) engine.stop(run);
    desk.dismiss();
  };

  /** Runs that nobody above can end. */
  const roots = (): LiveRun[] => [...world.runs.values()].filter((run) => run.parentId === undefined || run.detached);

  const interruptAll = async (graceMs: number): Promise<void> => {
    const ended = Promise.all(
      [...world.runs.values()].map((run) => desk.next(run, isTerminal, () => {}).catch(() => {})),
    );
    for (const run of roots())
      run.actor?.send({ type: 'interrupt', reason: 'The runtime was closed.', exitReason: 'closed' });
    if (world.runs.size > 0) {
      let timer: unknown;
      const late = new Promise<void>((resolve) => {
        timer = clock.setTimeout(resolve, graceMs);
      });
      await Promise.race([ended, late]);
      clock.clearTimeout(timer);
      for (const run of roots()) {
        run.stopReason = { exitReason: 'closed', reason: 'The runtime was closed.' };
        engine.stop(run);
      }
    }
    await ended;
  };

  const close = async (how: 'suspend' | 'interrupt', graceMs: number): Promise<void> => {
    sessions.close();
    postman.close();
    if (how === 'suspend') suspend();
    else await interruptAll(graceMs);
    await recorder.flushed();
    await engine.lease.release();
    recorder.end();
    desk.close();
  };

  const runtime: Runtime = {
    start: (agent, job, startOptions = {}) => startRun(agent, job, startOptions) as Run<never>,
    run: (agent, job, startOptions) => runtime.start(agent, job, startOptions).report,
    async resume(runId, answer) {
      const run = await attach(runId);
      const refused = await awake(runId);
      if (refused !== null && refused !== 'elsewhere' && refused.status === 'rejected')
        throw new FaultError('run.claimed', `Run "${runId}" was not resumed: ${refused.reason}`, { runId });
      const live = world.runs.get(runId);
      if (answer === undefined) {
        const isHeld = live
          ? live.ledger.pausedFor === 'paused'
          : run.status === 'paused' && run.questions.length === 0;
        if (isHeld) await run.resume();
        return run.report;
      }
      const [question, ...others] = run.questions;
      if (!question) throw new FaultError('question.unknown', `Run "${runId}" waits for no answer.`, { runId });
      if (others.length > 0)
        throw new FaultError(
          'question.ambiguous',
          `Run "${runId}" waits for ${others.length + 1} answers: ${run.questions.map(({ id }) => id).join(', ')}. Answer one by its id with runtime.answer.`,
          { runId },
        );
      const receipt = await run.answer(question.id, answer);
      if (receipt.status === 'rejected')
        throw new FaultError('question.rejected', `The answer to "${question.id}" was rejected: ${receipt.reason}.`, {
          runId,
        });
      if (live) await whenTold(live);
      return run.report;
    },
    async answer(questionId, answer) {
      const runId = runOfQuestion(questionId);
      if (runId !== null && !desk.answers.has(questionId)) {
        const refused = world.runs.has(runId) ? null : await awake(runId);
        if (refused === 'elsewhere') return carry(runId, undefined, { type: 'answer', questionId, answer, by: 'user' });
        if (refused) return refused;
      }
      const live = runId === null ? undefined : world.runs.get(runId);
      if (live) return deliver(live, { type: 'answer', questionId, answer, by: 'user' });
      if (runId !== null && !desk.answers.has(questionId)) await recovery.learnAnswers(runId);
      if (desk.answers.has(questionId)) {
        const same = JSON.stringify(desk.answers.get(questionId)) === JSON.stringify(answer);
        return same ? { status: 'accepted' } : { status: 'rejected', reason: 'already answered' };
      }
      return { status: 'rejected', reason: `no open question "${questionId}"` };
    },
    attach,
    session: (agent, { sessionKey }) => {
      register(agent);
      return sessions.of(agent, sessionKey) as Session<never>;
    },
    async recover() {
      if (closing) throw new FaultError('runtime.closed', 'Nothing was recovered: the runtime is closed.');
      const { recovered, skipped } = await recovery.takeUpAll();
      return { recovered: recovered.map((run) => new Run(run, host)), skipped };
    },
    replay: replays.replay,
    async fork(rootId, forkOptions) {
      const { rootId: forked, questionId } = await replays.fork(rootId, forkOptions);
      const { answer } = forkOptions.change ?? {};
      if (questionId !== undefined && answer !== undefined) await runtime.answer(questionId, answer);
      return attach(forked);
    },
    events$: guarded(desk.events$, caught),
    events(filter: EventQuery = {}, { lagged, ...bounds }: ReadOptions = {}) {
      const reading: Reading = { store, query: filter, live$: desk.events$ };
      const shielded: ReadOptions = {
        ...bounds,
        lagged: (behind) => engine.shield('options.lagged', () => lagged?.(behind)),
      };
      const events$ = guarded(eventsFrom(reading, shielded), caught);
      return Object.assign(events$, { [Symbol.asyncIterator]: () => openReader(reading, shielded) });
    },
    runs: runsOf(store, clock),
    pauseSpawning() {
      world.spawningPaused = true;
    },
    resumeSpawning() {
      world.spawningPaused = false;
    },
    close({ runs: how = store.lasting ? 'suspend' : 'interrupt', graceMs = 5_000 } = {}) {
      closing ??= close(how, graceMs);
      return closing;
    },
  };
  internals.set(runtime, {
    startUnder: (agent, job, runId, parent) => startRun(agent, job, runId === undefined ? {} : { runId }, parent),
    stop: (runId) => {
      const run = world.runs.get(runId);
      if (run) run.stopReason = { exitReason: 'stopped', reason: 'The machine that it belongs to stopped it.' };
      if (run) engine.stop(run);
    },
  });
  return runtime;
};
