import { FaultError, type JSONValue, type Message, type Receipt, redactEach, type Usage } from '@troupe/protocol';
import type { AnyAgent } from '../define-agent.ts';
import type { Job } from '../job.ts';
import type { Run } from '../run/run.ts';
import type { SessionRest } from './rest.ts';

/** How a job is sent to a session. */
export type SendOptions = {
  /** Default: a new one. A run that exists is given back when agent and job are the same, whichever process was sent it. */
  runId?: string;
  /** Aborting it interrupts the run, queued or not. */
  signal?: AbortSignal;
  /**
   * Who does it, where agents of the session come from one maker (`runtime.defineAgents`): from then on the session's agent, also over a
   * restart, until the session is opened with another. Any other agent is refused: `session.invalid`.
   */
  agent?: AnyAgent;
  /**
   * The call of another run on whose behalf it is sent, and the session of that run: there it counts as background work, in `runs.tree`,
   * `units()`, `usage()` and `interrupt()`.
   */
  origin?: { runId: string; rootId: string; callId: string; sessionKey: string };
};

/** What is left for a session. */
export type Delivery = {
  /**
   * The same id twice is one message, whoever leaves it, for whichever session; ids of background units are taken. Forgotten by
   * `runs.prune` once it is heard and was left before `olderThan`.
   */
  id: string;
  /** What its agent hears, word for word but for secrets. */
  text: string;
  /** Whether a run is started for it when none is at work; else it waits for the next one that is sent. Default true. */
  wakes?: boolean;
  /**
   * Stands in `job.metadata.letters` of a run that is started for it, by the delivery's id (`job.metadata.delivered` lists the ids): how
   * its answer finds its way back, for example. Not told to a run that is at work.
   */
  metadata?: JSONValue;
};

/** What a session needs of the runtime that made it. */
export type SessionHost = {
  send(job: Job, options: SendOptions): Promise<Run>;
  open(): Promise<Run[]>;
  deliver(delivery: Delivery): Promise<void>;
  units(): Promise<Run[]>;
  usage(): Promise<Usage>;
  idle(): Promise<SessionRest>;
  messages(): readonly Message[];
};

/**
 * A conversation with one agent, over many runs: each goes on with what was said before it. Runs are sent at any time and run one
 * after another, in the order they were sent, also over a restart. `T` is the type of the agent's structured answers.
 *
 * A session takes up memory while it is held, has something under way, or is among the thousand of its runtime that were used last. Of
 * others the runtime knows with whom they are; what was said is read again when they are used.
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
   * Resolves once it is stored that it was sent, behind whatever others have sent, or with a run that has failed where the store has: where
   * it rejects, nothing was sent. Aborting `signal` interrupts it before that, too.
   *
   * @throws FaultError `job.invalid`; `run.claimed` when another process executes runs of the session; `run.exists`; `runtime.closed`
   */
  send(job: Job, options: SendOptions = {}): Promise<Run<T>> {
    return this.#host.send(job, options) as Promise<Run<never>>;
  }

  /**
   * Leaves a message for the conversation: heard before the next turn of the run at work, or, when none is, by a new run. Heard once, also
   * after a restart; nothing in flight is disturbed. Resolves once it is stored: where it rejects, leave it again, with the same id.
   * After `maxWakes` new runs in a row it waits for the next run that is sent.
   *
   * @throws FaultError `delivery.invalid`, `runtime.closed`; what the store throws
   */
  async deliver(delivery: Delivery): Promise<void> {
    checkDelivery(delivery, this.key);
    await this.#host.deliver(delivery);
  }

  /** Runs that have not ended, in their order: the first works or waits for a person, the others are queued. */
  runs(): Promise<Run<T>[]> {
    return this.#host.open() as Promise<Run<never>[]>;
  }

  /**
   * What was said up to the last run that has ended here, without secrets. Empty until something was sent: and, of a session that was let go
   * meanwhile, until it is used again.
   */
  get messages(): Message[] {
    return redactEach(this.#host.messages());
  }

  /**
   * What is done on its behalf in the background and has not ended, newest first: units, whose completions are delivered to the session;
   * runs that were sent to other sessions with an `origin` here, and what they have under way in the background themselves.
   */
  units(): Promise<Run[]> {
    return this.#host.units();
  }

  /** What all its runs have used and all that is done on its behalf in the background (`units`), with everything below, as far as it is stored. */
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
   * Interrupts every run that has not ended, the queued ones first, so that none of them begins, and all that `units` gives. The units'
   * completions are delivered all the same, by the next run that is sent.
   */
  async interrupt(reason?: string): Promise<Receipt[]> {
    const runs = [...(await this.runs()).toReversed(), ...(await this.units())];
    return Promise.all(runs.map((run) => run.interrupt(reason)));
  }
}

const isBlank = (text: unknown): boolean => typeof text !== 'string' || text.trim() === '';

/** @throws FaultError `delivery.invalid` */
export const checkDelivery = (delivery: Delivery, key: string): void => {
  const { id, text } = (delivery ?? {}) as Partial<Delivery>;
  const missing = isBlank(id) ? 'an id' : isBlank(text) ? 'text' : undefined;
  if (missing !== undefined)
    throw new FaultError(
      'delivery.invalid',
      `What was to be left for session "${key}" is blank where ${missing} is expected. Give it ${missing}.`,
    );
};

/** @throws FaultError `session.invalid` */
export const checkKey = (key: string): string => {
  if (!isBlank(key)) return key;
  throw new FaultError(
    'session.invalid',
    'A session needs a sessionKey. Give it one, for example the id of the conversation.',
  );
};
