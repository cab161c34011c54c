import {
  type Answer,
  type Clock,
  type EventQuery,
  FaultError,
  type IdSource,
  type JSONValue,
  type Logger,
  type MemoryStore,
  type PlacementServer,
  type Receipt,
  type Report,
  type RunEvent,
  type RunFilter,
  type RunRow,
  type RunTree,
} from '@troupe/protocol';
import type { Observable } from 'rxjs';
import type { AnyActorRef } from 'xstate';
import type { Agent, AnyAgent } from '../define-agent.ts';
import type { Job } from '../job.ts';
import type { ForkOptions } from '../replay/cut.ts';
import type { Replay, ReplayOptions } from '../replay/replay.ts';
import type { Run } from '../run/run.ts';
import type { Session, Delivery as SessionDelivery } from '../session/session.ts';
import { sentence, whatIs } from '../what-is.ts';
import type { ReadOptions } from './intake.ts';

/** How a run is started. */
export type StartOptions = {
  /**
   * Default: a new one. A run that exists is given back when agent and job are the same. Where the store cannot say so at once
   * (PostgreSQL) and it is not executed here, nothing is started, and `report` rejects with `run.exists`: attach to it then.
   */
  runId?: string;
  /** Aborting it interrupts the run. */
  signal?: AbortSignal;
  /** The conversation that owns the run. */
  sessionKey?: string;
};

/** Events as a stream and as an async iterable. */
export type EventStream = Observable<RunEvent> & AsyncIterable<RunEvent>;

/** Starts runs and keeps them. Make one with `createRuntime`. */
export type Runtime = {
  /** Starts a run, or gives back the one that is there. @throws FaultError `agent.invalid`, `run.exists`, `agent.duplicate`, `runtime.closed`, `job.invalid` */
  start<T>(agent: Agent<T>, job: Job, options?: StartOptions): Run<T>;
  /** `start(…).report`. */
  run<T>(agent: Agent<T>, job: Job, options?: StartOptions): Promise<Report<T>>;
  /**
   * Answers the run's only open question, or lets a paused run go on, and waits for the next settlement. A stored run is brought back
   * first, unless another process executes it: then the answer is delivered there. @throws FaultError `run.unknown`, `run.claimed`, `question.unknown`, `question.ambiguous`, `question.rejected`
   */
  resume(runId: string, answer?: Answer): Promise<Report>;
  /** Answers a question of any run at any depth, whichever process executes it. */
  answer(questionId: string, answer: Answer): Promise<Receipt>;
  /**
   * A handle of any run in the store. One that is not alive here is read, not brought back, until it is given a command or
   * {@link recover} comes. Commands to a run that another process executes are delivered there. @throws FaultError `run.unknown`
   */
  attach(runId: string): Promise<Run>;
  /**
   * Brings stored runs back that nobody executes: after a crash, or after `close({ runs: 'suspend' })`. Results that were stored are not
   * asked for again; calls whose outcome is unknown follow their tool's `idempotent` and the option `unknownOutcome`; paused runs
   * wait on. Runs whose agent is unknown here fail, exit reason `agent_unknown`: give `createRuntime` all your `agents`.
   * `skipped` are trees that another process executes, or that could not be read. Safe to call at any time, any number of times.
   */
  recover(): Promise<{ recovered: Run[]; skipped: { runId: string; reason: string }[] }>;
  /**
   * A stored run, live or ended, step by step: what its machine heard, where it was then, what it said. Calls nothing and changes
   * nothing. A run that is followed is replayed on from the replay before: `replay(runId, { after })`. @throws FaultError `run.unknown`;
   * `replay.differs` when the machine does not do what was stored, as after an update; `replay.invalid` when `after` is of another run
   */
  replay(runId: string, options?: ReplayOptions): Promise<Replay>;
  /**
   * Starts a new tree from any event of a stored one, live or ended, with another model answer, another answer to a question, or
   * another budget. What had happened by then is copied: nothing of it is paid for or done again. What was in flight and is known to
   * have ended is taken as it ended; other calls follow their tool's `idempotent`, as after a crash. Deadlines lie as far ahead as
   * they did. What it cost is `usage.sinceFork` of its report.
   *
   * What was stored together goes together: the fork begins after the commit of `at`; with a `turn.completed`, `question.answered`,
   * `budget.exhausted` or the root's end, in its place.
   * @throws FaultError `run.unknown`, `run.exists`, `fork.invalid`, `fork.ended` when its root had ended by then, `agent.unknown`,
   * `agent.changed`, `budget.invalid`, `replay.differs`, `runtime.closed`
   */
  fork(rootId: string, options: ForkOptions): Promise<Run>;
  /**
   * A conversation with an agent, over many runs. The same for the same key; nothing is read or started before it is used, but what was
   * left for it is heard. Of agents that one maker has made (`defineAgents`) the one that it is opened with last is asked from then on.
   * @throws FaultError `agent.invalid`, `session.invalid`, `agent.duplicate`
   */
  session<T>(agent: Agent<T>, options: { sessionKey: string }): Session<T>;
  /** {@link Session.deliver} where only the session's key is known. What it leaves waits until the session's agent is known here. */
  deliver(sessionKey: string, delivery: SessionDelivery): Promise<void>;
  /**
   * Makes agents of data, for programs that think them up as they go: what it gives makes one, and runs of it are stored with their data
   * and made again of it after a restart, by whoever has defined the same `maker` before `recover()`: else, or where `make` throws, they
   * fail, exit reason `agent_unknown`. `make` must give the same agent for the same data; names need not be unique. Data is stored
   * without secrets: what is made again of it has lost them, too.
   *
   * @throws FaultError `agent.duplicate` when the maker is defined already; what `make` throws
   */
  defineAgents(maker: string, make: (data: JSONValue) => AnyAgent): (data: JSONValue) => Agent;
  /**
   * Executes children that runtimes of the same program have left to its placement, here: those of some queues (default: of children
   * that are placed `remote`), at most `concurrency` (default 16) at a time. A run that waits for a person or for children that are
   * executed elsewhere takes no place. Until the server is drained or the runtime closed; it looks every 15 seconds for runs that the
   * engine has lost. `workerId` (default: one of its own) is what the engine calls it by.
   * @throws FaultError `runtime.invalid` without a placement; `runtime.closed`; what the engine says
   */
  serve(options?: { queues?: readonly string[]; concurrency?: number; workerId?: string }): Promise<PlacementServer>;
  /** What it was made with, for what is built on top of it. */
  readonly environment: {
    readonly clock: Clock;
    readonly ids: IdSource;
    readonly logger: Logger;
    readonly memory: MemoryStore;
  };
  /** Events of all runs that this process executes, as they are told. */
  readonly events$: Observable<RunEvent>;
  /**
   * Stored events, then live ones: no gap, no double, whichever process stores them. `after` is `rootSeq` with `rootId`, `seq` with
   * `runId`, else a cursor. Read with `for await`, they come at the reader's pace: `options` says how many are held for it, who is told
   * when it falls behind, and whether it ends where what is stored ends (`follow: false`). Of a store that others write, too, a loop
   * that follows keeps the process alive until it leaves; a subscription does not.
   */
  events(filter?: EventQuery, options?: ReadOptions): EventStream;
  readonly runs: {
    get(runId: string): Promise<RunRow | undefined>;
    /** Newest first; at most `limit`, default 100. @throws FaultError `query.invalid` */
    list(filter?: RunFilter): Promise<RunRow[]>;
    /**
     * Forgets trees that ended `olderThan` milliseconds ago or earlier, with 0 all that have ended, except for the `keep` (default 0)
     * that ended last; with `sentTo` only of the runs that the session with this key was sent, and with `units` (default false) of its
     * background units, and, where that is all of it (`olderThan` and `keep` are 0, nothing is at work), of what was left for it unheard:
     * a session of which no run is left begins anew, with whomever it is opened for. What its runs have sent to other sessions belongs to
     * those.
     * Gives back how many. @throws FaultError `query.invalid`
     */
    prune(options: { olderThan: number; keep?: number; sentTo?: string; units?: boolean }): Promise<number>;
    /** The run and everything below it. @throws FaultError `run.unknown` */
    tree(rootId: string): Promise<RunTree>;
    /**
     * Where a reader of everything stands that has read it until now: `events({ after: await runs.cursor() })` tells what comes, whatever
     * was stored before.
     */
    cursor(): Promise<string>;
  };
  /**
   * Refuses every new child in this process until {@link resumeSpawning}; running ones are untouched. For one tree, in any process, see
   * {@link Run.pauseSpawning}.
   */
  pauseSpawning(): void;
  resumeSpawning(): void;
  /** True between {@link pauseSpawning} and {@link resumeSpawning}. */
  readonly spawningPaused: boolean;
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
/** The other side of each runtime. */
export const internals = new WeakMap<Runtime, RuntimeInternals>();
/** @throws FaultError `runtime.invalid` */
export const internalsOf = (runtime: Runtime): RuntimeInternals => {
  const found = internals.get(runtime);
  if (!found)
    throw new FaultError(
      'runtime.invalid',
      `agentLogic was given as its runtime ${sentence(whatIs(runtime))} Expected what createRuntime gives: agentLogic(agent, runtime).`,
    );
  return found;
};
