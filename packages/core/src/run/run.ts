import {
  type Answer,
  type Budget,
  FaultError,
  isWithin,
  type JSONValue,
  type Question,
  type Receipt,
  type Report,
  type RunEvent,
  type RunStatus,
} from '@troupe/protocol';
import type { Observable } from 'rxjs';
import type { RunCommand } from '../agent/context.ts';
import { type Ask, commandOf, type PlainAsk, raiseOf } from './ask.ts';
import type { LiveRun } from './live-run.ts';
import { afterEnd, receiptAt, repeated, type Standing } from './receipt.ts';

/** What a handle needs of the runtime that made it. */
export type RunHost = {
  /** Events of a run and its descendants, from its start; completes with the run. */
  eventsOf(run: LiveRun): Observable<RunEvent>;
  /** The same, at the reader's own pace. */
  readerOf(run: LiveRun): AsyncIterator<RunEvent>;
  questionsOf(runId: string): Question[];
  questionsOf$(runId: string): Observable<Question[]>;
  /** Resolves at the next settlement, at once when the run has ended or waits for a person now. */
  settled(run: LiveRun): Promise<Report>;
  ended(run: LiveRun): Promise<Report>;
  handleOf(runId: string): Run;
  send(run: LiveRun, command: RunCommand): Promise<Receipt>;
  /** What a command would come to; nothing is done. */
  foresee(run: LiveRun, command: RunCommand): Promise<Receipt>;
  /** What the run's deadline counts from, in epoch milliseconds. */
  startOf(run: LiveRun): Promise<number>;
};

/** One execution of an agent, as its starter holds it. Commands go in here, events come out. `T` is the type of its structured answer. */
export class Run<T = JSONValue> implements AsyncIterable<RunEvent> {
  readonly #run: LiveRun;
  readonly #host: RunHost;

  /** Made by a runtime: see `runtime.start`, `runtime.attach` and `run.child`. */
  constructor(run: LiveRun, host: RunHost) {
    this.#run = run;
    this.#host = host;
  }

  get id(): string {
    return this.#run.runId;
  }

  /** How the run stands. */
  get status(): RunStatus {
    const { ended, actor, ledger } = this.#run;
    if (!ended && actor?.getSnapshot().value === 'interrupting') return 'interrupting';
    return ledger.status;
  }

  /**
   * Events of this run and its descendants, replayed from its start, whichever process executes them. Completes after the terminal event.
   * Where another process forgets the run before it was read, it fails with FaultError `run.unknown`; so does a loop over it.
   */
  get events$(): Observable<RunEvent> {
    return this.#host.eventsOf(this.#run);
  }

  [Symbol.asyncIterator](): AsyncIterator<RunEvent> {
    return this.#host.readerOf(this.#run);
  }

  /**
   * The next settlement: at once if the run has ended or waits for a person now, else when it ends or when nothing in its tree can
   * go on without a person (status `paused`, `questions` not empty). `pause()` alone does not settle it.
   * Never rejects, except with `runtime.closed` when the runtime suspends the run.
   */
  get report(): Promise<Report<T>> {
    return this.#host.settled(this.#run) as Promise<Report<T>>;
  }

  /** The report once the run has ended. */
  get ended(): Promise<Report<T>> {
    return this.#host.ended(this.#run) as Promise<Report<T>>;
  }

  /** Open questions of the whole tree, oldest first. */
  get questions(): Question[] {
    return this.#host.questionsOf(this.id);
  }

  /** Starts with the current list, then tells every change. */
  get questions$(): Observable<Question[]> {
    return this.#host.questionsOf$(this.id);
  }

  /** Says something to the run; it hears it before its next turn. */
  steer(text: string): Promise<Receipt> {
    return this.#send({ type: 'steer', text });
  }

  /** Holds the run and everything below it. The model call in flight is aborted; calls in flight go on. */
  pause(): Promise<Receipt> {
    return this.#send({ type: 'pause' });
  }

  /** Lets a paused run go on. */
  resume(): Promise<Receipt> {
    return this.#send({ type: 'resume' });
  }

  /** Ends the run and everything below it. Tools and model calls see an aborted signal at once. */
  interrupt(reason?: string): Promise<Receipt> {
    return this.#send({ type: 'interrupt', ...(reason !== undefined && { reason }) });
  }

  /** Answers a question of the tree. A second answer of the same value is accepted without effect, another one is rejected. */
  answer(questionId: string, answer: Answer): Promise<Receipt> {
    return this.#send({ type: 'answer', questionId, answer });
  }

  /**
   * Raises limits of the run, each to what is given: `raise({ turns: 20 })`. A limit is never lowered by it, and `deadlineMs` counts
   * from the run's start. Of a run that another one started `tokens`, `costUsd`, `descendants`, `depth` and `deadlineMs` are part of
   * its parent's: those are raised at the top of the tree, for what starts from then on. @throws FaultError `budget.invalid`
   */
  async raise(budget: Budget): Promise<Receipt> {
    return this.#host.send(this.#run, await this.#raise(budget));
  }

  /**
   * Refuses new children to the run and to each below it, until {@link Run.resumeSpawning}; those that are there go on, and so does the
   * run. It holds wherever the run goes on, also after a restart. What calls send to the background from now on is refused, too.
   */
  pauseSpawning(): Promise<Receipt> {
    return this.#send({ type: 'pauseSpawning' });
  }

  /** Lets the run start children again, unless one above it, or the runtime, holds them. */
  resumeSpawning(): Promise<Receipt> {
    return this.#send({ type: 'resumeSpawning' });
  }

  /**
   * What a command would come to now, by what the run's machine says; nothing is done. Also of runs that are not alive here, by what
   * is stored of them: what happens before the command arrives may change it. @throws FaultError `budget.invalid`
   */
  async can(ask: Ask): Promise<Receipt> {
    const command = ask.type === 'raise' ? await this.#raise(ask.budget) : commandOf(ask);
    return this.#host.foresee(this.#run, command);
  }

  #raise(budget: Budget): Promise<RunCommand> {
    return raiseOf(this.id, budget, () => this.#host.startOf(this.#run));
  }

  #send(ask: PlainAsk): Promise<Receipt> {
    return this.#host.send(this.#run, commandOf(ask));
  }

  /** A descendant by its id. @throws FaultError `run.unknown` */
  child(runId: string): Run {
    if (!isWithin(runId, this.id)) throw new FaultError('run.unknown', `Run "${runId}" is not below run "${this.id}".`);
    return this.#host.handleOf(runId);
  }
}

/** What a command to a run in its present state comes to. */
export const receiptOf = (run: LiveRun, command: RunCommand): Receipt => {
  const { answers } = run.ledger;
  if (command.type === 'answer' && answers?.has(command.questionId))
    return repeated(answers.get(command.questionId), command.answer);
  if (run.ended || !run.actor) return afterEnd(run.ledger.status);
  return receiptAt(run.actor.getSnapshot() as Standing, command);
};
