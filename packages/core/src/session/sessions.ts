/** The sessions of a runtime: one actor each, made when it is first asked for. */
import { type Clock, FaultError, isTerminal, type Message, type Usage } from '@troupe/protocol';
import { createActor, type EventFrom, fromPromise, waitFor } from 'xstate';
import type { Letter } from '../agent/context.ts';
import { goingOn } from '../agent/conversation.ts';
import type { SealedLetter, Woken } from '../background/delivery-machine.ts';
import { type AnyAgent, isSameAgent } from '../define-agent.ts';
import type { Job } from '../job.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { Run } from '../run/run.ts';
import type { Desk } from '../runtime/desk.ts';
import { haveOneMaker, makingOf } from '../runtime/makers.ts';
import { openRest } from './rest.ts';
import { checkKey, type Delivery, type SendOptions, Session } from './session.ts';
import { type Said, type SessionRuns, sessionMachine, type Whole } from './session-machine.ts';

type Runtime = {
  readonly runs: ReadonlyMap<string, LiveRun>;
  readonly desk: Pick<Desk, 'next' | 'events$'>;
  /** Runs and background units of the session that are alive here, or whose end is not stored yet. */
  atWork(sessionKey: string): readonly LiveRun[];
  /** Whether what units have left for it is about to be delivered. */
  isDelivering(sessionKey: string): boolean;
  attach(runId: string): Promise<Run>;
  /**
   * Runs that were sent to a session and have not ended, brought back, oldest first; and the newest of all. @throws FaultError `run.claimed`
   *
   * @param first The run that the conversation began with, where nothing was sent to it.
   */
  read(sessionKey: string, first: string): Promise<SessionRuns>;
  /** What background units have left for it that nobody has heard, and nobody here is about to. */
  unheard(sessionKey: string): Promise<Letter[]>;
  /** Background units of the session that have not ended. */
  units(sessionKey: string): Promise<Run[]>;
  /** What its runs and its units have used. */
  usage(sessionKey: string): Promise<Usage>;
  /** What was said up to the end of a stored run, or up to its beginning. @param known What is known of it already. */
  conversation(upTo: 'end' | 'beginning', runId: string, known?: Whole): Promise<Said | undefined>;
  readonly clock: Clock;
  /** A run of the session has ended, for its session, too. */
  changed(sessionKey: string): void;
  /** Somebody uses the session: what was left for it while nobody was there is delivered now. */
  used(sessionKey: string): void;
  /** Leaves a message for the session; resolves once it is stored. */
  deliver(sessionKey: string, delivery: Delivery): Promise<void>;
  /** Starts a run, or gives back the one that is there. */
  start(agent: AnyAgent, job: Job, options: SendOptions, about: Sent): Run;
  handleOf(run: LiveRun): Run;
};
/** How a run belongs to its session. */
export type Sent = {
  sessionKey: string;
  after: string | null;
  before: readonly Message[];
  slot: 'free' | 'wanted';
  /** Units whose completions its job tells. */
  delivers?: readonly string[];
  /** Completions that have waited for it. */
  mail?: readonly Letter[];
  /** On whose behalf it was sent. */
  origin?: SendOptions['origin'];
  /** Called with the run once it is alive; not with one that was there before. */
  made(run: LiveRun): void;
};

type Open = {
  /** With whom it is; not chosen where that is only known from a run of it. */
  with(): { agent: AnyAgent; isChosen: boolean };
  /** From now on it is with this one. @throws FaultError `session.invalid` */
  choose(agent: AnyAgent): void;
  session: Session;
  /** @param by Who hears them, unless somebody was chosen. */
  wake(by: AnyAgent, letters: readonly SealedLetter[], about: { runId: string; first: string }): Promise<Woken>;
  adopt(runId: string, by: AnyAgent): void;
  readonly rest: Pick<ReturnType<typeof openRest>, 'hear'>;
  /** What was said may not be what is remembered. */
  forgot(): void;
  close(): void;
};

export const openSessions = (runtime: Runtime) => {
  const sessions = new Map<string, Open>();
  let isClosed = false;

  const openSession = (initial: AnyAgent, key: string): Open => {
    let agent = initial;
    let isChosen = false;
    /** The run that the conversation began with, where nothing was sent to it. */
    let first = key;
    /** What was said up to the last run that has ended, and what of it is not read again. */
    let said: readonly Message[] = [];
    let whole: Whole | undefined;
    let timesForgotten = 0;
    let failure: { error: unknown } | undefined;
    const watched = new Set<string>();

    const watch = (run: LiveRun): void => {
      if (watched.has(run.runId)) return;
      watched.add(run.runId);
      const over = (how: 'ended' | 'lost'): void => {
        watched.delete(run.runId);
        if (how === 'ended' && run.ledger.begun) said = run.transcript;
        tell(how === 'ended' ? { type: 'ended', runId: run.runId } : { type: 'lost' });
        runtime.changed(key);
      };
      // Told, but not stored: another process, or a later one, knows how it goes on.
      runtime.desk.next(run, isTerminal, () => (run.broken ? 'lost' : 'ended')).then(over, () => over('lost'));
    };

    const read = async (again = false): Promise<SessionRuns> => {
      failure = undefined;
      try {
        const found = await runtime.read(key, first);
        const [oldest] = found.open;
        const upTo = oldest ?? found.last;
        const before = timesForgotten;
        const stored =
          upTo === null
            ? undefined
            : await runtime.conversation(oldest === undefined ? 'end' : 'beginning', upTo, whole);
        said = stored?.messages ?? [];
        if (timesForgotten === before) whole = stored?.whole;
        const open = found.open.filter((runId) => runtime.runs.has(runId));
        if (open.length < found.open.length) {
          // What ended while it was read is ended when it is read again.
          if (!again) return await read(true);
          throw new FaultError(
            'run.claimed',
            `Session "${key}" has runs that have not ended and do not go on here: ${found.open.join(', ')}. Use it where they do.`,
          );
        }
        for (const runId of open) watch(runtime.runs.get(runId) as LiveRun);
        return { ...found, open };
      } catch (error) {
        failure = { error };
        throw error;
      }
    };

    const begin = (runId: string): void => {
      // One that is not there has ended: so it is told.
      const run = runtime.runs.get(runId);
      if (run?.context?.slot !== 'wanted' || run.ledger.begun) return;
      const own = run.transcript.length;
      run.transcript = goingOn(run.transcript, said);
      run.actor?.send({ type: 'slot.granted', heard: run.transcript.length - own });
    };

    const tell = (event: EventFrom<typeof sessionMachine>): void => {
      if (!isClosed) actor.send(event);
    };
    const actor = createActor(
      sessionMachine.provide({
        actors: { runs: fromPromise(() => read()) },
        // On a clean stack: a step of another machine has no place inside an action of this one.
        actions: { begin: ({ context: { current } }) => current !== null && queueMicrotask(() => begin(current)) },
      }),
      { clock: runtime.clock },
    );
    actor.start();

    const ready = async () => {
      if (isClosed) throw closedError(key);
      actor.send({ type: 'open' });
      const snapshot = await waitFor(actor, (now) => !now.matches('reading')).catch(() => {
        throw closedError(key);
      });
      if (snapshot.matches('idle') || snapshot.matches('busy')) return;
      if (failure) throw failure.error;
      throw new FaultError('store.unavailable', `Session "${key}" could not be read just now. Send again.`);
    };
    /** At once: nobody else can be sent in between. */
    const start = (job: Job, options: SendOptions, told: Pick<Sent, 'delivers' | 'mail'>) => {
      const { last, current } = actor.getSnapshot().context;
      const { agent: own, origin, ...rest } = options;
      const by = own ? fitting(own) : agent;
      const isFree = current === null;
      let live: LiveRun | undefined;
      const made = (run: LiveRun): void => {
        live = run;
        if (own) choose(by);
        actor.send({ type: 'sent', runId: run.runId });
        watch(run);
      };
      const about: Sent = {
        ...told,
        made,
        sessionKey: key,
        after: last,
        before: isFree ? said : [],
        slot: isFree ? 'free' : 'wanted',
        ...(origin && { origin }),
      };
      return { run: runtime.start(by, job, rest, about), live };
    };
    /** Who it is with when this one is asked for. @throws FaultError `session.invalid` when that is somebody else */
    const fitting = (other: AnyAgent): AnyAgent => {
      if (!isSameAgent(agent, other) && !haveOneMaker(agent, other))
        throw new FaultError(
          'session.invalid',
          `Session "${key}" is a conversation with agent "${agent.name}", not with "${other.name}". Use another sessionKey.`,
        );
      // Agents that say the same may have been made of different data.
      return makingOf(agent) || makingOf(other) ? other : agent;
    };
    const choose = (other: AnyAgent): void => {
      agent = fitting(other);
      isChosen = true;
    };
    const sendNext = async (job: Job, options: SendOptions): Promise<Run> => {
      for (;;) {
        await ready();
        const { last, current } = actor.getSnapshot().context;
        // Whoever is at work is told by itself.
        if (current !== null) return start(job, options, {}).run;
        const mail = await runtime.unheard(key);
        const now = actor.getSnapshot();
        // What was sent meanwhile may have heard it.
        if (now.matches('idle') && now.context.last === last) return start(job, options, { mail }).run;
      }
    };
    let lastSent: Promise<unknown> = Promise.resolve();
    let sending = 0;
    /** One after another: nothing overtakes. */
    const send = (job: Job, options: SendOptions): Promise<Run> => {
      sending += 1;
      const sent = lastSent.then(() => sendNext(job, options));
      const done = () => {
        sending -= 1;
        rest.hear('changed');
      };
      // Beside it: whoever sent it hears as soon as it is sent.
      void sent.then(done, done);
      lastSent = sent.then(
        () => runtime.used(key),
        () => {},
      );
      return sent;
    };
    const wake: Open['wake'] = async (by, letters, { runId, first: began }) => {
      first = began;
      await ready();
      if (actor.getSnapshot().context.current !== null) return 'busy';
      if (!isChosen) agent = fitting(by);
      const ids = letters.map(({ id }) => id);
      const input = letters.map(({ text }) => text).join('\n\n');
      const about = letters.flatMap(({ id, metadata }) => (metadata === undefined ? [] : [[id, metadata] as const]));
      const metadata = { delivered: ids, ...(about.length > 0 && { letters: Object.fromEntries(about) }) };
      const { live } = start({ input, metadata }, { runId }, { delivers: ids });
      if (!live) throw new FaultError('run.exists', `Run "${runId}" is there already.`, { runId });
      await live.writing;
      if (live.broken) throw live.broken.error;
      return 'woken';
    };
    const rest = openRest({
      clock: runtime.clock,
      events$: runtime.desk.events$,
      ready,
      units: () => runtime.units(key),
      deliver: () => runtime.used(key),
      atWork: () => runtime.atWork(key),
      isBusy: () => sending > 0 || runtime.isDelivering(key),
      current: () => actor.getSnapshot().context.current,
      latest: () => {
        const { current, last } = actor.getSnapshot().context;
        return current ?? last;
      },
      handleOf: runtime.attach,
      closed: () => closedError(key),
    });
    const session = new Session(key, {
      send,
      async deliver(delivery) {
        if (isClosed) throw closedError(key);
        await runtime.deliver(key, delivery);
      },
      units: () => runtime.units(key),
      usage: () => runtime.usage(key),
      idle: () => rest.idle(),
      async open() {
        await ready();
        runtime.used(key);
        const { current, queue } = actor.getSnapshot().context;
        return [...(current === null ? [] : [current]), ...queue].flatMap((runId) => {
          const run = runtime.runs.get(runId);
          return run ? [runtime.handleOf(run)] : [];
        });
      },
      messages: () => said,
    });
    const adopt = (runId: string, by: AnyAgent): void => {
      // Which of several such runs is the newest is seen when it matters.
      fitting(by);
      if (!watched.has(runId)) tell({ type: 'found' });
    };
    const close = (): void => {
      actor.stop();
      rest.close();
    };
    const forgot = (): void => {
      timesForgotten += 1;
      whole = undefined;
    };
    return { with: () => ({ agent, isChosen }), choose, session, wake, adopt, rest, forgot, close };
  };

  const opened = (agent: AnyAgent, key: string): Open => {
    const session = sessions.get(key) ?? openSession(agent, key);
    sessions.set(key, session);
    return session;
  };

  return {
    of(agent: AnyAgent, sessionKey: string): Session {
      const { choose, session } = opened(agent, checkKey(sessionKey));
      choose(agent);
      return session;
    },
    /** Starts a run that is told what was left for the session, unless one is under way; resolves once that is stored. */
    wake: (
      by: AnyAgent,
      sessionKey: string,
      letters: readonly SealedLetter[],
      about: { runId: string; first: string },
    ) => opened(by, sessionKey).wake(by, letters, about),
    /** A run or a unit of it has begun or ended, or a delivery has come further. @param lost What has not ended is not executed here any more. */
    stirred(sessionKey: string, lost: boolean): void {
      sessions.get(sessionKey)?.rest.hear(lost ? 'lost' : 'changed');
    },
    /** With whom the conversation is, if it is open here; not chosen where that is only known from a run of it. */
    agentOf: (sessionKey: string): ReturnType<Open['with']> | undefined => sessions.get(sessionKey)?.with(),
    /** Runs were forgotten: whose conversation they were is seen when it is read again. */
    forgot(): void {
      for (const { forgot } of sessions.values()) forgot();
    },
    close(): void {
      isClosed = true;
      for (const { close } of sessions.values()) close();
    },
    /** A run was brought back that a session was sent: the session goes on with it. */
    adopt({ agent, sessionKey, after, runId }: LiveRun): void {
      if (sessionKey !== undefined && after !== undefined) opened(agent, sessionKey).adopt(runId, agent);
    },
  };
};

const closedError = (key: string) =>
  new FaultError('runtime.closed', `Session "${key}" takes nothing more: its runtime is closed.`);
