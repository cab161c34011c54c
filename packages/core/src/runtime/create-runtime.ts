/**
 * The runtime: starts runs, gives out handles, tells events. It decides nothing about a run; the machine does.
 *
 * Keeps L1 (each run ends in exactly one terminal event) together with `run/lifecycle.ts`, and L8 (observers change nothing).
 */
import {
  type Answer,
  FaultError,
  isEnded,
  isTerminal,
  isWithin,
  type Receipt,
  type Report,
  type RunEvent,
  type RunFilter,
  type RunRow,
  type RunTree,
  runOfQuestion,
} from '@troupe/protocol';
import { distinctUntilChanged, map, type Observable, startWith } from 'rxjs';
import type { AnyActorRef } from 'xstate';
import type { RunCommand } from '../agent/context.ts';
import { allowanceOf } from '../agent/limits.ts';
import { type Agent, type AnyAgent, isSameAgent } from '../define-agent.ts';
import { type Job, jobDataOf } from '../job.ts';
import { isSameJob, type LiveRun } from '../run/live-run.ts';
import { Run, type RunHost, receiptOf } from '../run/run.ts';
import { guarded } from '../streams/guarded.ts';
import { iterate } from '../streams/iterate.ts';
import { openEngine } from './engine.ts';
import { type RuntimeOptions, settle } from './options.ts';
import { type EventFilter, eventsFrom } from './read-events.ts';
import { storedRun } from './stored-run.ts';

/** How a run is started. */
export type StartOptions = {
  /** Default: a new one. A run that exists is given back when agent and job are the same. */
  runId?: string;
  /** Aborting it interrupts the run. */
  signal?: AbortSignal;
  /** The conversation that owns the run. */
  sessionKey?: string;
};

/** Events as a stream and as an async iterable. */
export type EventStream = Observable<RunEvent> & AsyncIterable<RunEvent>;

/** Starts runs and keeps them. Make one with {@link createRuntime}. */
export type Runtime = {
  /** Starts a run, or gives back the one that is there. @throws FaultError `run.exists`, `agent.duplicate`, `runtime.closed`, `job.invalid` */
  start<T>(agent: Agent<T>, job: Job, options?: StartOptions): Run<T>;
  /** `start(…).report`. */
  run<T>(agent: Agent<T>, job: Job, options?: StartOptions): Promise<Report<T>>;
  /** Answers the run's only open question, or lets a paused run go on, and waits for the next settlement. */
  resume(runId: string, answer?: Answer): Promise<Report>;
  /** Answers a question of any run at any depth. */
  answer(questionId: string, answer: Answer): Promise<Receipt>;
  /** A handle of a run that is alive or ended. @throws FaultError `run.unknown` */
  attach(runId: string): Promise<Run>;
  /** Events of all runs, as they are told. */
  readonly events$: Observable<RunEvent>;
  /** Stored events, then live ones: no gap, no double. `after` is `rootSeq` with `rootId`, `seq` with `runId`, else a cursor. */
  events(filter?: EventFilter): EventStream;
  readonly runs: {
    get(runId: string): Promise<RunRow | undefined>;
    /** Newest first; at most `limit`, default 100. @throws FaultError `query.invalid` */
    list(filter?: RunFilter): Promise<RunRow[]>;
    /** The run and everything below it. @throws FaultError `run.unknown` */
    tree(rootId: string): Promise<RunTree>;
  };
  /** Refuses every new child until {@link resumeSpawning}; running ones are untouched. */
  pauseSpawning(): void;
  resumeSpawning(): void;
  /**
   * Ends the runtime. `interrupt` (default): every run ends with `run.interrupted`, reason `closed`. `suspend` (default with a
   * lasting store): nothing is told, and the stored runs stay as they are. Streams complete; a second call waits for the first.
   */
  close(options?: { runs?: 'suspend' | 'interrupt'; graceMs?: number }): Promise<void>;
};

/** What {@link agentLogic} needs beyond the public runtime. */
export type RuntimeInternals = {
  startUnder(agent: AnyAgent, job: Job, runId: string | undefined, parent: AnyActorRef): Run;
  stop(runId: string): void;
};
const internals = new WeakMap<Runtime, RuntimeInternals>();
export const internalsOf = (runtime: Runtime): RuntimeInternals => {
  const found = internals.get(runtime);
  if (!found) throw new FaultError('runtime.invalid', 'This is no runtime that createRuntime made.');
  return found;
};

/** @throws FaultError `runtime.invalid`, `budget.invalid` when the options contradict themselves */
export const createRuntime = (given: RuntimeOptions): Runtime => {
  const options = settle(given);
  const { clock, store } = options;
  const agents = new Map<string, AnyAgent>(options.agents.map((agent) => [agent.name, agent]));
  let closing: Promise<void> | undefined;

  const handleOf = (runId: string): Run => {
    const live = engine.world.runs.get(runId);
    if (live) return new Run(live, host);
    const row = store.get(runId);
    if (row instanceof Promise)
      throw new FaultError('run.unknown', `Run "${runId}" is not alive here. Use await runtime.attach("${runId}").`);
    return fromRow(runId, row);
  };

  const fromRow = (runId: string, row: RunRow | undefined): Run => {
    if (!row) throw new FaultError('run.unknown', `There is no run "${runId}" in this runtime's store.`);
    const events = store.events({ runId });
    if (Symbol.asyncIterator in events)
      throw new FaultError('run.unknown', `Run "${runId}" is not alive here. Use await runtime.attach("${runId}").`);
    return new Run(storedRun(row, events, agents.get(row.agent)), host);
  };

  const engine = openEngine(options, (run) => new Run(run, host));
  const { world, recorder, waiters, questionsOf, report } = engine;

  const isSettled = (run: LiveRun): boolean => isEnded(run.ledger.status) || run.ledger.pausedFor === 'question';
  const settles = (event: RunEvent): boolean =>
    isTerminal(event) || (event.type === 'run.paused' && event.reason === 'question');

  const nextEvent = (run: LiveRun, wanted: (event: RunEvent) => boolean): Promise<Report> =>
    new Promise((resolve, reject) => {
      if (run.suspended) return reject(closedError());
      const set = waiters.get(run.runId) ?? new Set();
      waiters.set(run.runId, set);
      const off = () => {
        set.delete(waiter);
        if (set.size === 0) waiters.delete(run.runId);
        suspended.delete(onSuspend);
      };
      const waiter = (event: RunEvent) => {
        if (!wanted(event)) return;
        off();
        resolve(report(run));
      };
      const onSuspend = () => {
        off();
        reject(closedError());
      };
      set.add(waiter);
      suspended.add(onSuspend);
    });
  const suspended = new Set<() => void>();
  const closedError = () =>
    new FaultError(
      'runtime.closed',
      'The runtime was closed and the run suspended. It goes on where its store is opened again.',
    );

  /** What was recorded is told in order: a settlement that is recorded but not told yet is waited for. */
  const whenTold = async (run: LiveRun): Promise<void> => {
    await run.writing;
    if (recorder.feedOf(run.rootId).busy) await Promise.resolve();
  };

  const host: RunHost = {
    eventsOf: (run) =>
      guarded(
        eventsFrom(
          store,
          { rootId: run.rootId },
          recorder.feedOf(run.rootId).events$,
          (event) => isWithin(event.runId, run.runId),
          (event) => event.runId === run.runId && isTerminal(event),
        ),
        caught,
      ),
    questionsOf,
    questionsOf$: (runId) => {
      const questions$ = engine.questionsChanged$.pipe(
        startWith(undefined),
        map(() => questionsOf(runId)),
        distinctUntilChanged((a, b) => a.length === b.length && a.every(({ id }, i) => id === b[i]?.id)),
      );
      return guarded(questions$, caught);
    },
    settled: async (run) => {
      if (!isSettled(run)) return nextEvent(run, settles);
      await whenTold(run);
      return report(run);
    },
    ended: async (run) => {
      if (!isEnded(run.ledger.status)) return nextEvent(run, isTerminal);
      await whenTold(run);
      return report(run);
    },
    handleOf,
    send: async (run, command) => {
      const asker = command.type === 'answer' ? runOfQuestion(command.questionId) : null;
      const target = asker === null || asker === run.runId ? run : (world.runs.get(asker) ?? run);
      if (command.type === 'answer' && asker !== null && !isWithin(asker, run.runId))
        return { status: 'rejected', reason: `question "${command.questionId}" is not asked below run "${run.runId}"` };
      return deliver(target, command);
    },
  };

  const deliver = async (run: LiveRun, command: RunCommand): Promise<Receipt> => {
    const receipt = receiptOf(run, command, engine.answers);
    const repeated = command.type === 'answer' && engine.answers.has(command.questionId);
    if (receipt.status === 'rejected' || repeated) return receipt;
    if (command.type === 'answer') engine.answers.set(command.questionId, command.answer);
    run.actor?.send(command);
    await run.writing;
    return receipt;
  };

  const caught = (error: unknown): void =>
    engine.shield('A subscriber', () => {
      throw error;
    });

  const startRun = (
    agent: AnyAgent,
    job: Job,
    { runId, sessionKey, signal }: StartOptions,
    parent?: AnyActorRef,
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
    const known = agents.get(agent.name);
    if (known && !isSameAgent(known, agent))
      throw new FaultError(
        'agent.duplicate',
        `Another agent is named "${agent.name}" in this runtime. Stored runs name their agent: rename one of the two.`,
      );
    agents.set(agent.name, agent);
    const budgets = [options.budget, agent.budget, typeof job === 'string' ? undefined : job.budget];
    const live = engine.bringToLife(agent, job, {
      runId: id,
      rootId: id,
      depth: 0,
      allowance: allowanceOf({}, budgets, clock.now()),
      slot: 'free',
      ...(sessionKey !== undefined && { sessionKey }),
      ...(parent && { parent }),
    });
    if (signal) obey(live, signal);
    return new Run(live, host);
  };

  const existing = (agent: AnyAgent, job: Job, runId: string): Run | null => {
    const live = world.runs.get(runId);
    const row = live ? { agent: live.agent.name, job: live.job } : store.get(runId);
    if (!row || row instanceof Promise) return null;
    if (row.agent === agent.name && isSameJob(row.job, jobDataOf(job, `agent "${agent.name}"`))) return handleOf(runId);
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
    void nextEvent(run, isTerminal).then(
      () => signal.removeEventListener('abort', interrupt),
      () => signal.removeEventListener('abort', interrupt),
    );
  };

  const attach = async (runId: string): Promise<Run> => {
    const live = world.runs.get(runId);
    if (live) return new Run(live, host);
    const row = await store.get(runId);
    if (!row) throw new FaultError('run.unknown', `There is no run "${runId}" in this runtime's store.`);
    const events = [];
    for await (const event of store.events({ runId })) events.push(event);
    return new Run(storedRun(row, events, agents.get(row.agent)), host);
  };

  const suspend = (): void => {
    for (const run of world.runs.values()) run.suspended = true;
    for (const run of roots()) engine.stop(run);
    for (const reject of [...suspended]) reject();
  };

  /** Runs that nobody above can end. */
  const roots = (): LiveRun[] => [...world.runs.values()].filter((run) => run.parentId === undefined || run.detached);

  const interruptAll = async (graceMs: number): Promise<void> => {
    const ended = Promise.all([...world.runs.values()].map((run) => nextEvent(run, isTerminal).catch(() => undefined)));
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
    if (how === 'suspend') suspend();
    else await interruptAll(graceMs);
    await recorder.flushed();
    recorder.end();
    engine.events$.complete();
    engine.questionsChanged$.complete();
  };

  const runtime: Runtime = {
    start: (agent, job, startOptions = {}) => startRun(agent, job, startOptions) as Run<never>,
    run: (agent, job, startOptions) => runtime.start(agent, job, startOptions).report,
    async resume(runId, answer) {
      const run = await attach(runId);
      const live = world.runs.get(runId);
      if (answer === undefined) {
        if (live?.ledger.pausedFor === 'paused') await run.resume();
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
      const live = runId === null ? undefined : world.runs.get(runId);
      if (live) return deliver(live, { type: 'answer', questionId, answer, by: 'user' });
      if (engine.answers.has(questionId)) {
        const same = JSON.stringify(engine.answers.get(questionId)) === JSON.stringify(answer);
        return same ? { status: 'accepted' } : { status: 'rejected', reason: 'already answered' };
      }
      return { status: 'rejected', reason: `no open question "${questionId}"` };
    },
    attach,
    events$: guarded(engine.events$, caught),
    events(filter: EventFilter = {}) {
      const wanted = (event: RunEvent): boolean =>
        'rootId' in filter
          ? event.rootId === filter.rootId
          : 'runId' in filter
            ? event.runId === filter.runId && event.seq > (filter.after ?? 0)
            : true;
      const events$ = guarded(eventsFrom(store, filter, engine.events$, wanted), caught);
      return Object.assign(events$, { [Symbol.asyncIterator]: () => iterate(events$) });
    },
    runs: {
      get: async (runId) => store.get(runId),
      async list(filter) {
        const { limit } = filter ?? {};
        if (limit !== undefined && !(Number.isInteger(limit) && limit >= 0))
          throw new FaultError(
            'query.invalid',
            `runs.list was given the limit ${limit}. Expected a whole number of 0 or more, or none for 100.`,
          );
        return store.list(filter);
      },
      async tree(rootId) {
        const rows = [...(await store.list({ rootId, limit: Number.MAX_SAFE_INTEGER }))].reverse();
        const nodes = new Map<string, RunTree>(rows.map((row) => [row.runId, { ...row, children: [] }]));
        for (const node of nodes.values())
          if (node.parentId !== undefined) nodes.get(node.parentId)?.children.push(node);
        const root = nodes.get(rootId);
        if (!root) throw new FaultError('run.unknown', `There is no run "${rootId}" in this runtime's store.`);
        return root;
      },
    },
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
