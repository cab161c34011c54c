/** One session of a runtime: its actor, what was said in it, and what it is asked. */
import { type Clock, FaultError, isEnded, isTerminal, type Message, type Usage } from '@troupe/protocol';
import { createActor, type EventFrom, type SnapshotFrom, waitFor } from 'xstate';
import type { Letter } from '../agent/context.ts';
import { goingOn } from '../agent/conversation.ts';
import type { SealedLetter, Woken } from '../background/delivery-machine.ts';
import { type AnyAgent, isSameAgent } from '../define-agent.ts';
import type { Job } from '../job.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { Run } from '../run/run.ts';
import { isOvertaken, isTaken } from '../runtime/breaking.ts';
import type { Desk } from '../runtime/desk.ts';
import { haveOneMaker, makingOf } from '../runtime/makers.ts';
import { openRest } from './rest.ts';
import type { RestEvent } from './rest-machine.ts';
import { type Delivery, type SendOptions, Session } from './session.ts';
import type { Said, SessionRuns, sessionMachine, Whole } from './session-machine.ts';

/** What sessions need of their runtime. */
export type SessionWorld = {
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
  /**
   * What was said up to the end of a stored run, or up to its beginning.
   *
   * @param known What is known of it already.
   * @param agent Whose instructions it is told under.
   */
  conversation(
    upTo: 'end' | 'beginning',
    runId: string,
    known: Whole | undefined,
    agent: AnyAgent,
  ): Promise<Said | undefined>;
  /** Takes note of what is asked below a run that has ended, and what of it was answered. */
  lookBelow(runId: string): Promise<void>;
  readonly clock: Clock;
  /** A run of the session has ended, for its session, too. */
  changed(sessionKey: string): void;
  /** Somebody uses the session: what was left for it while nobody was there is delivered now. */
  used(sessionKey: string): void;
  /** Leaves a message for the session; resolves once it is stored. */
  deliver(sessionKey: string, delivery: Delivery): Promise<void>;
  /** Starts a run, or gives back the one that is there. */
  start(agent: AnyAgent, job: Job, options: SendOptions, about: Sent): Run;
  /** The one that is there, wherever it was started. @throws FaultError `run.exists` where it is of another agent or job */
  find(agent: AnyAgent, job: Job, runId: string, signal?: AbortSignal): Promise<Run | undefined>;
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

/** Whose conversation a session is: known for as long as its runtime is open. */
export type Known = {
  agent: AnyAgent;
  /** False where it is only known from a run of it. */
  isChosen: boolean;
  /** Nothing of it is stored any more: it is with whom it is opened for next. */
  isOver?: boolean;
  /** The run that the conversation began with, where nothing was sent to it. */
  first: string;
  /** How often runs were forgotten that it was sent. */
  timesForgotten: number;
};

/** What the sessions of a runtime share. */
export type Shared = {
  readonly world: SessionWorld;
  readonly chart: typeof sessionMachine;
  readonly isClosed: boolean;
  /** How often runs of any session were forgotten: what was remembered of them before may not be so. */
  readonly timesForgotten: number;
  /** A session is used: it is kept for as long as it is at work, and some time longer. */
  keep(key: string, session: OpenSession): void;
};

export type OpenSession = {
  /** From now on it is with this one. @throws FaultError `session.invalid` */
  choose(agent: AnyAgent): void;
  session: Session;
  /** @param by Who hears them, unless somebody was chosen. */
  wake(by: AnyAgent, letters: readonly SealedLetter[], about: { runId: string; first: string }): Promise<Woken>;
  adopt(runId: string, by: AnyAgent): void;
  /** Its runs, as its chart asks for them. */
  read(): Promise<SessionRuns>;
  /** Its turn has come. */
  begin(runId: string): void;
  /** Tells everybody who waits for it. */
  hear(type: RestEvent['type']): void;
  /** Nothing of it goes on, and nobody is asking it anything: it can be read again. */
  isAtRest(): boolean;
  close(): void;
};

const closedError = (key: string): FaultError =>
  new FaultError('runtime.closed', `Session "${key}" takes nothing more: its runtime is closed.`);

export const openSession = (shared: Shared, known: Known, key: string): OpenSession => {
  const { world } = shared;
  const timesForgotten = (): number => shared.timesForgotten + known.timesForgotten;
  /** What was said up to the last run that has ended, and what of it is not read again. */
  let said: readonly Message[] = [];
  let remembered: { whole: Whole | undefined; times: number } | undefined;
  /** A run that has ended, with all that was said before it: asked for again and again, it is read once. */
  let newest: { run: Run; times: number; began: number | undefined } | undefined;
  let failure: { error: unknown } | undefined;
  const watched = new Set<string>();
  let sending = 0;
  /** Until it is known whether the run that was begun last has its place: nothing is begun behind one that has none. */
  let placing: Promise<void> | undefined;
  /** Who is asking it something now. */
  let uses = 0;

  const watch = (run: LiveRun): void => {
    if (watched.has(run.runId)) return;
    watched.add(run.runId);
    const over = (how: 'ended' | 'lost'): void => {
      watched.delete(run.runId);
      if (how === 'ended') {
        if (run.ledger.begun) said = run.transcript;
        newest = { run: world.handleOf(run), times: timesForgotten(), began: run.ledger.createdAt };
      }
      tell(how === 'ended' ? { type: 'ended', runId: run.runId } : { type: 'lost' });
      world.changed(key);
    };
    // Told, but not stored: another process, or a later one, knows how it goes on.
    world.desk.next(run, isTerminal, () => (run.broken ? 'lost' : 'ended')).then(over, () => over('lost'));
  };

  const read = async (again = false): Promise<SessionRuns> => {
    failure = undefined;
    try {
      const found = await world.read(key, known.first);
      const [oldest] = found.open;
      const upTo = oldest ?? found.last;
      const times = timesForgotten();
      const whole = remembered?.times === times ? remembered.whole : undefined;
      const end = oldest === undefined ? 'end' : 'beginning';
      const stored = upTo === null ? undefined : await world.conversation(end, upTo, whole, known.agent);
      said = stored?.messages ?? [];
      remembered = { whole: stored?.whole, times };
      const open = found.open.filter((runId) => world.runs.has(runId));
      if (open.length < found.open.length) {
        // What ended while it was read is ended when it is read again.
        if (!again) return await read(true);
        throw new FaultError(
          'run.claimed',
          `Session "${key}" has runs that have not ended and do not go on here: ${found.open.join(', ')}. Use it where they do.`,
        );
      }
      for (const runId of open) watch(world.runs.get(runId) as LiveRun);
      return { ...found, open };
    } catch (error) {
      failure = { error };
      throw error;
    }
  };

  const begin = (runId: string): void => {
    // One that is not there has ended: so it is told.
    const run = world.runs.get(runId);
    if (run?.context?.slot !== 'wanted' || run.ledger.begun) return;
    const own = run.transcript.length;
    run.transcript = goingOn(run.transcript, said);
    run.actor?.send({ type: 'slot.granted', heard: run.transcript.length - own });
  };

  const tell = (event: EventFrom<typeof sessionMachine>): void => {
    if (!shared.isClosed) actor.send(event);
  };
  const actor = createActor(shared.chart, { input: { key }, clock: world.clock });
  actor.start();

  /** It is there for as long as it is used. */
  const using = async <T>(work: () => Promise<T>): Promise<T> => {
    uses += 1;
    shared.keep(key, self);
    try {
      return await work();
    } finally {
      uses -= 1;
    }
  };
  const isRead = (now: SnapshotFrom<typeof sessionMachine>): boolean => now.matches('idle') || now.matches('busy');
  const ready = async () => {
    if (shared.isClosed) throw closedError(key);
    actor.send({ type: 'open' });
    const snapshot = await waitFor(actor, (now) => !now.matches('reading')).catch(() => {
      throw closedError(key);
    });
    if (isRead(snapshot)) return;
    if (failure) throw failure.error;
    throw new FaultError('store.unavailable', `Session "${key}" could not be read just now. Send again.`);
  };
  /** At once: nobody else can be sent in between. */
  const start = (job: Job, options: SendOptions, told: Pick<Sent, 'delivers' | 'mail'>) => {
    const { last, current } = actor.getSnapshot().context;
    const { agent: own, origin, ...rest } = options;
    const by = agentFor(options);
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
    return { run: world.start(by, job, rest, about), live };
  };
  /** Who it is with when this one is asked for. @throws FaultError `session.invalid` when that is somebody else */
  const fitting = (other: AnyAgent): AnyAgent => {
    const { agent } = known;
    if (!isSameAgent(agent, other) && !haveOneMaker(agent, other))
      throw new FaultError(
        'session.invalid',
        `Session "${key}" is a conversation with agent "${agent.name}", not with "${other.name}". Use another sessionKey.`,
      );
    // Agents that say the same may have been made of different data.
    return makingOf(agent) || makingOf(other) ? other : agent;
  };
  const choose = (other: AnyAgent): void => {
    known.agent = known.isOver ? other : fitting(other);
    known.isChosen = true;
    known.isOver = false;
  };
  /** Nothing is at work, nor was anything sent since: whoever is sent something now has its place. */
  const isAsIdleAs = (before: SnapshotFrom<typeof sessionMachine>): boolean => {
    const now = actor.getSnapshot();
    return now.matches('idle') && now.context.last === before.context.last;
  };
  /** Resolves once a run has its place in the session, or is broken, for it has none. */
  const placed = async (live: LiveRun): Promise<void> => {
    const isAny = () => true;
    // Its first event is told once it is stored. A run that nobody stores is told of all the same.
    const told = world.desk.next(live, isAny, () => {}).catch(() => {});
    placing = told;
    await told;
    // Who waits for what is told is sent away as the runtime closes, before it is known.
    if (live.stored === 0 && !live.broken) await live.writing;
    if (placing === told) placing = undefined;
  };
  const agentFor = ({ agent }: SendOptions): AnyAgent => (agent ? fitting(agent) : known.agent);
  const sendNext = async (job: Job, options: SendOptions): Promise<Run> => {
    known.isOver = false;
    const findThere = (runId: string) => world.find(agentFor(options), job, runId, options.signal);
    const there = options.runId === undefined ? undefined : await findThere(options.runId);
    if (there) return there;
    for (;;) {
      await placing;
      await ready();
      const before = actor.getSnapshot();
      // Whoever is at work is told by itself.
      const mail = before.matches('busy') ? undefined : await world.unheard(key);
      // What was sent meanwhile may have heard it.
      if (placing || (mail && !isAsIdleAs(before))) continue;
      const { run, live } = start(job, options, mail ? { mail } : {});
      if (!live) return run;
      await placed(live);
      const refusal = live.broken?.error;
      // Another process has sent the same meanwhile.
      if (isTaken(refusal)) {
        const taken = await findThere(live.runId);
        if (taken) return taken;
        throw refusal;
      }
      // It has sent something else, and this goes behind that.
      if (!isOvertaken(refusal)) return run;
    }
  };
  let lastSent: Promise<unknown> = Promise.resolve();
  /** One after another: nothing overtakes. */
  const send = (job: Job, options: SendOptions): Promise<Run> => {
    sending += 1;
    shared.keep(key, self);
    const sent = lastSent.then(() => sendNext(job, options));
    const done = () => {
      sending -= 1;
      hear('changed');
    };
    // Beside it: whoever sent it hears as soon as it is sent.
    void sent.then(done, done);
    lastSent = sent.then(
      () => world.used(key),
      () => {},
    );
    return sent;
  };
  const wake: OpenSession['wake'] = async (by, letters, { runId, first }) => {
    known.first = first;
    for (;;) {
      await ready();
      const before = actor.getSnapshot();
      if (before.matches('busy')) return 'busy';
      const unheard = new Set((await world.unheard(key)).map(({ id }) => id));
      // Whoever was sent something meanwhile has heard it: what is left is looked at again.
      if (!letters.every(({ id }) => unheard.has(id))) return 'woken';
      if (isAsIdleAs(before)) break;
    }
    if (!known.isChosen) known.agent = fitting(by);
    known.isOver = false;
    const ids = letters.map(({ id }) => id);
    const input = letters.map(({ text }) => text).join('\n\n');
    const about = letters.flatMap(({ id, metadata }) => (metadata === undefined ? [] : [[id, metadata] as const]));
    const metadata = { delivered: ids, ...(about.length > 0 && { letters: Object.fromEntries(about) }) };
    const { live } = start({ input, metadata }, { runId }, { delivers: ids });
    if (!live) throw new FaultError('run.exists', `Run "${runId}" is there already.`, { runId });
    await placed(live);
    if (live.broken) throw live.broken.error;
    return 'woken';
  };
  /** A run as it is, or as it has ended, with what is asked below it. */
  const runOf = async (runId: string): Promise<Run> => {
    const times = timesForgotten();
    const { whole } = remembered ?? {};
    // Another process may have forgotten it, and begun one that has its id.
    const began = whole?.last === runId ? whole.lastBegan : undefined;
    if (newest?.run.id === runId && newest.times === times && newest.began === (began ?? newest.began)) {
      // Those that it has let go may ask, be answered and end elsewhere.
      if ((await newest.run.report).children.length > 0) await world.lookBelow(runId);
      return newest.run;
    }
    const run = await world.attach(runId);
    if (isEnded(run.status)) newest = { run, times, began };
    return run;
  };
  let rest: ReturnType<typeof openRest> | undefined;
  /** For those who wait until it is at rest. */
  const openWaits = () =>
    openRest({
      clock: world.clock,
      events$: world.desk.events$,
      ready,
      units: () => world.units(key),
      deliver: () => world.used(key),
      atWork: () => world.atWork(key),
      isBusy: () => sending > 0 || world.isDelivering(key),
      isRead: () => isRead(actor.getSnapshot()),
      current: () => actor.getSnapshot().context.current,
      latest: () => {
        const { current, last } = actor.getSnapshot().context;
        return current ?? last;
      },
      handleOf: runOf,
      closed: () => closedError(key),
    });
  const hear = (type: RestEvent['type']): void => rest?.hear(type);
  const session = new Session(key, {
    send,
    async deliver(delivery) {
      if (shared.isClosed) throw closedError(key);
      await world.deliver(key, delivery);
    },
    units: () => world.units(key),
    usage: () => world.usage(key),
    idle: () =>
      using(() => {
        rest ??= openWaits();
        return rest.idle();
      }),
    open: () =>
      using(async () => {
        await ready();
        world.used(key);
        const { current, queue } = actor.getSnapshot().context;
        return [...(current === null ? [] : [current]), ...queue].flatMap((runId) => {
          const run = world.runs.get(runId);
          return run ? [world.handleOf(run)] : [];
        });
      }),
    messages: () => said,
  });
  const self: OpenSession = {
    choose,
    session,
    wake: (...told) => using(() => wake(...told)),
    adopt(runId, by) {
      // Which of several such runs is the newest is seen when it matters.
      fitting(by);
      if (!watched.has(runId)) tell({ type: 'found' });
    },
    read,
    begin,
    hear,
    isAtRest() {
      const now = actor.getSnapshot();
      return uses === 0 && sending === 0 && watched.size === 0 && (now.matches('idle') || now.matches('unread'));
    },
    close() {
      actor.stop();
      rest?.close();
    },
  };
  return self;
};
