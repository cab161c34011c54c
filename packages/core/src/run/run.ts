import {
  type Answer,
  FaultError,
  isWithin,
  type JSONValue,
  type Question,
  type Receipt,
  type Report,
  type RunEvent,
  type RunStatus,
  redact,
} from '@troupe/protocol';
import type { Observable } from 'rxjs';
import { readAnswer } from '../agent/answers.ts';
import type { RunCommand } from '../agent/context.ts';
import type { LiveRun } from './live-run.ts';

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

  /** Events of this run and its descendants, replayed from its start, whichever process executes them. Completes after the terminal event. */
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
    return this.#host.send(this.#run, { type: 'steer', text });
  }

  /** Holds the run and everything below it. The model call in flight is aborted; calls in flight go on. */
  pause(): Promise<Receipt> {
    return this.#host.send(this.#run, { type: 'pause' });
  }

  /** Lets a paused run go on. */
  resume(): Promise<Receipt> {
    return this.#host.send(this.#run, { type: 'resume' });
  }

  /** Ends the run and everything below it. Tools and model calls see an aborted signal at once. */
  interrupt(reason = 'Interrupted by the user.'): Promise<Receipt> {
    return this.#host.send(this.#run, { type: 'interrupt', reason });
  }

  /** Answers a question of the tree. A second answer of the same value is accepted without effect, another one is rejected. */
  answer(questionId: string, answer: Answer): Promise<Receipt> {
    return this.#host.send(this.#run, { type: 'answer', questionId, answer, by: 'user' });
  }

  /** A descendant by its id. @throws FaultError `run.unknown` */
  child(runId: string): Run {
    if (!isWithin(runId, this.id)) throw new FaultError('run.unknown', `Run "${runId}" is not below run "${this.id}".`);
    return this.#host.handleOf(runId);
  }
}

/** What comes of an answer to a question that was answered before: what is stored of that one has no secrets. */
export const repeated = (before: Answer | undefined, answer: Answer): Receipt =>
  JSON.stringify(redact(before)) === JSON.stringify(redact(answer))
    ? { status: 'accepted' }
    : { status: 'rejected', reason: 'already answered' };

/** What a command to a run in its present state comes to, read off the machine itself. */
export const receiptOf = (run: LiveRun, command: RunCommand, answered: ReadonlyMap<string, Answer>): Receipt => {
  const rejected = (reason: string): Receipt => ({ status: 'rejected', reason });
  if (command.type === 'answer' && answered.has(command.questionId)) {
    return repeated(answered.get(command.questionId), command.answer);
  }
  if (run.ended || !run.actor) return rejected(`the run has ended: ${run.ledger.status}`);
  const snapshot = run.actor.getSnapshot() as { can(event: RunCommand): boolean; matches(value: never): boolean };
  const is = (value: unknown) => snapshot.matches(value as never);
  if (!snapshot.can(command)) {
    if (command.type === 'answer') {
      const question = run.context?.calls.find(
        (call) => call.question?.id === command.questionId && call.phase === 'asking',
      )?.question;
      if (!question) return rejected(`no open question "${command.questionId}"`);
      const read = readAnswer(question, command.answer);
      return rejected(
        `the answer is not clear: expected ${read.decision === 'unclear' ? read.expected : 'another answer'}`,
      );
    }
    if (is('interrupting')) return rejected('the run is being interrupted');
    if (command.type === 'pause')
      return rejected(is('paused') ? 'the run is paused already' : 'the run is about to end');
    if (command.type === 'resume')
      return rejected(is('paused') ? 'the run waits for an answer' : 'the run is not paused');
    return rejected('the run is about to end');
  }
  if (command.type === 'steer') {
    if (is({ paused: 'question' })) return { status: 'deferred', until: 'question.answered' };
    if (is('paused')) return { status: 'deferred', until: 'resumed' };
    if (is({ running: 'thinking' })) return { status: 'deferred', until: 'turn.completed' };
    if (is({ running: 'acting' })) return { status: 'deferred', until: 'call.settled' };
  }
  if (command.type === 'answer' && is({ paused: 'command' })) return { status: 'deferred', until: 'resumed' };
  return { status: 'accepted' };
};
