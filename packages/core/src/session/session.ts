import { FaultError, type JSONValue, type Message, type Receipt, redact, type Usage } from '@troupe/protocol';
import type { Job } from '../job.ts';
import type { Run } from '../run/run.ts';
import type { SessionRest } from './rest.ts';

/** How a job is sent to a session. */
export type SendOptions = {
  /** Default: a new one. */
  runId?: string;
  /** Aborting it interrupts the run, queued or not. */
  signal?: AbortSignal;
};

/** What a session needs of the runtime that made it. */
export type SessionHost = {
  send(job: Job, options: SendOptions): Promise<Run>;
  open(): Promise<Run[]>;
  units(): Promise<Run[]>;
  usage(): Promise<Usage>;
  idle(): Promise<SessionRest>;
  messages(): readonly Message[];
};

/**
 * A conversation with one agent, over many runs: each goes on with what was said before it. Runs are sent at any time and run one
 * after another, in the order they were sent, also over a restart. `T` is the type of the agent's structured answers.
 */
export class Session<T = JSONValue> {
  readonly key: string;
  readonly #host: SessionHost;

  /** Made by a runtime: see `runtime.session`. */
  constructor(key: string, host: SessionHost) {
    this.key = key;
    this.#host = host;
  }

  /**
   * Starts a run that goes on with the conversation; it is `queued` until the one before it has ended, however that ended, and
   * nothing that is sent overtakes. A deadline counts from the moment it is sent. What a run said that failed or was interrupted
   * belongs to the conversation as far as it went.
   *
   * @throws FaultError `job.invalid`; `run.claimed` when another process executes runs of the session; `runtime.closed`
   */
  send(job: Job, options: SendOptions = {}): Promise<Run<T>> {
    return this.#host.send(job, options) as Promise<Run<never>>;
  }

  /** Runs that have not ended, in their order: the first works or waits for a person, the others are queued. */
  runs(): Promise<Run<T>[]> {
    return this.#host.open() as Promise<Run<never>[]>;
  }

  /** What was said up to the last run that has ended here, without secrets. Empty until something was sent. */
  get messages(): Message[] {
    return redact([...this.#host.messages()]);
  }

  /** Background units that have not ended. What they come to is delivered to the session. */
  units(): Promise<Run[]> {
    return this.#host.units();
  }

  /** What all its runs and background units have used, with everything below them, as far as it is stored. */
  usage(): Promise<Usage> {
    return this.#host.usage();
  }

  /**
   * Settles when nothing of the session goes on by itself: no run and no unit of it is at work or queued, and nothing that a unit has left
   * is about to begin a run; or when all that has not ended waits for a person (`paused`). At once where that is so now. What was paused by
   * `run.pause()` counts as at work. What is left for the next run that is sent waits for it, as after an interrupt: nobody waits for that here.
   *
   * Runs that were sent are brought back as by {@link runs}. Units are waited for whoever executes them: after a restart those that
   * nobody does, until `runtime.recover()` takes them up.
   *
   * @throws FaultError `run.claimed` when another process executes runs of the session; `runtime.closed`
   */
  idle(): Promise<SessionRest> {
    return this.#host.idle();
  }

  /**
   * Interrupts every run that has not ended, the queued ones first, so that none of them begins, and every background unit. The units'
   * completions are delivered all the same, by the next run that is sent.
   */
  async interrupt(reason?: string): Promise<Receipt[]> {
    const runs = [...(await this.runs()).toReversed(), ...(await this.units())];
    return Promise.all(runs.map((run) => run.interrupt(reason)));
  }
}

/** @throws FaultError `session.invalid` */
export const checkKey = (key: string): string => {
  if (key.trim() !== '') return key;
  throw new FaultError(
    'session.invalid',
    'A session needs a sessionKey. Give it one, for example the id of the conversation.',
  );
};
