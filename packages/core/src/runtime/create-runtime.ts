/**
 * The runtime: starts runs, gives out handles, tells events. It decides nothing about a run; the machine does.
 *
 * Keeps L1 (each run ends in exactly one terminal event) together with `run/lifecycle.ts`, and L8 (observers change nothing).
 */
import {
  type DispatchRequest,
  type EventQuery,
  FaultError,
  type PlacementServer,
  redact,
  runOfQuestion,
  unfinished,
} from '@troupe/protocol';
import { openCourier } from '../background/courier.ts';
import { isUnit } from '../background/unit.ts';
import { checkAgent } from '../check-agent.ts';
import { type AnyAgent, isSameAgent } from '../define-agent.ts';
import { openExecutor } from '../placement/executor.ts';
import { defaultQueue } from '../placement/place.ts';
import { openReplays } from '../replay/replays.ts';
import type { Run } from '../run/run.ts';
import { checkDelivery, checkKey, type Session } from '../session/session.ts';
import { openSessions } from '../session/sessions.ts';
import { guarded } from '../streams/guarded.ts';
import { isUnknown } from './breaking.ts';
import { claimed } from './bring-tree.ts';
import { closeRuntime } from './closing.ts';
import { openEngine } from './engine.ts';
import { openReader } from './event-reader.ts';
import { openHandles } from './handles.ts';
import type { Reading, ReadOptions } from './intake.ts';
import { openMakers } from './makers.ts';
import { type RuntimeOptions, settle } from './options.ts';
import { openPostman } from './postman.ts';
import { eventsFrom } from './read-events.ts';
import { openRecovery } from './recovery.ts';
import { runsOf } from './runs-of.ts';
import { internals, type Runtime } from './runtime.ts';
import { openStarts } from './starts.ts';

/** @throws FaultError `runtime.invalid`, `budget.invalid` when the options contradict themselves */
export const createRuntime = (given: RuntimeOptions): Runtime => {
  const options = settle(given);
  const { clock, store } = options;
  const agents = new Map<string, AnyAgent>(options.agents.map((agent) => [agent.name, agent]));
  let closing: Promise<void> | undefined;

  const checkOpen = (): void => {
    if (closing) throw new FaultError('runtime.closed', 'Nothing is brought back: the runtime is closed.');
  };
  const engine = openEngine(
    options,
    {
      handleOf: (run) => handles.of(run),
      attach: (runId) => handles.attach(runId),
      isKnown: (agent, made) => {
        if (made) return redact(made) === made;
        const known = agents.get(agent.name);
        return known !== undefined && isSameAgent(known, agent);
      },
    },
    {
      moved: (run) => executor.moved(run),
      receiptStored: () => postman.changed(),
      looked: () => void courier.lookAll().catch(() => {}),
      left: (sessionKey) => courier.news(sessionKey),
      changed: (sessionKey) => courier.changed(sessionKey),
      stirred: (sessionKey, lost) => sessions.stirred(sessionKey, lost),
    },
  );
  const { world, recorder, desk } = engine;
  const caught = (error: unknown): void =>
    engine.shield('A subscriber', () => {
      throw error;
    });
  const makers = openMakers();
  const recovery = openRecovery(store, agents, makers, engine, options, {
    goesOn: (run) => engine.shield(`The session of run "${run.runId}"`, () => sessions.adopt(run)),
    check: checkOpen,
  });
  const executor = openExecutor(world.runs, recovery, engine.inbox, engine.putBack, () => clock.now());
  const servers = new Set<PlacementServer>();
  const dispatch = ({ runId, queue }: DispatchRequest): void => engine.away.dispatch(runId, queue);
  const postman = openPostman(
    options,
    async (runId) => {
      const head = await recovery.takeUp(runId);
      if (head) {
        dispatch(head);
        throw claimed(runId);
      }
      // It may have come to life here before the message was there.
      void engine.inbox.look();
    },
    dispatch,
  );
  const handles = openHandles(options, engine, recovery, postman, {
    isClosing: () => closing !== undefined,
    caught,
  });
  const stored = runsOf(store, clock);
  const replays = openReplays({
    store,
    clock,
    ids: options.ids,
    owner: engine.owner,
    rowFor: recovery.rowFor,
    rowsOf: recovery.rowsOf,
    saidBefore: async (runId) => (await recovery.conversation('beginning', runId))?.messages ?? [],
    check: checkOpen,
    demand: recovery.demand,
    copy: (rootId, commits) => recorder.copy(rootId, commits, desk.copied),
    giveBack: engine.lease.giveBack,
    async takeUp(runId) {
      const head = await recovery.takeUp(runId);
      if (head) dispatch(head);
    },
  });
  const sessions = openSessions({
    runs: world.runs,
    desk,
    atWork: (sessionKey) => [
      ...(engine.here.conversations.get(sessionKey) ?? []),
      ...(engine.here.units.get(sessionKey) ?? []),
    ],
    isDelivering: (sessionKey) => courier.isDelivering(sessionKey),
    attach: handles.attach,
    changed: (sessionKey) => courier.changed(sessionKey),
    deliver: (sessionKey, delivery) => courier.deliver(sessionKey, delivery),
    unheard: (sessionKey) => courier.unheard(sessionKey),
    used: (sessionKey) => courier.news(sessionKey),
    read: recovery.readSession,
    units: async (sessionKey) => {
      const rows = await engine.underway.of(sessionKey);
      // What the session sent to itself is among its runs.
      const others = rows.filter((row) => isUnit(row) || row.sessionKey !== sessionKey);
      const newestFirst = others.toReversed().sort((a, b) => b.createdAt - a.createdAt);
      const units = newestFirst.map(({ runId }) =>
        handles.attach(runId).catch((error: unknown) => {
          // It was forgotten since it was listed.
          if (isUnknown(error)) return [];
          throw error;
        }),
      );
      return (await Promise.all(units)).flat();
    },
    usage: recovery.usageOf,
    conversation: recovery.conversation,
    lookBelow: recovery.lookBelow,
    clock,
    handleOf: handles.of,
    start: (agent, job, options, sent) => starts.start(agent, job, options, undefined, sent),
    find: (...asked) => starts.find(...asked),
  });

  /** What was left for a session of which nothing will be left is heard by nobody, unless something is at work that may hear it. */
  const forgetLetters = async (sessionKey: string): Promise<void> => {
    for (const its of [{ sentTo: sessionKey }, { unitsOf: sessionKey }])
      if ((await store.list({ ...its, status: unfinished, limit: 1 })).length > 0) return;
    for (const { id } of await store.sessionInbox(sessionKey))
      await store.withdraw(id, { status: 'rejected', reason: `Session "${sessionKey}" was forgotten.` });
  };

  /** The agent of the newest run of a session. @throws FaultError `agent.unknown` */
  const lastOf = async (sessionKey: string, first: string): Promise<AnyAgent | undefined> => {
    const row = (await store.list({ sentTo: sessionKey, limit: 1 }))[0] ?? (await store.get(first));
    const found = row && recovery.agentOf(row);
    if (found && !found.agent)
      throw new FaultError('agent.unknown', `Session "${sessionKey}" goes on with nobody: ${found.fault.message}`);
    return found?.agent;
  };

  const courier = openCourier(options, {
    atWork: (sessionKey) => engine.here.conversations.get(sessionKey) ?? [],
    moved: (sessionKey) => sessions.stirred(sessionKey, false),
    async wake(sessionKey, { letters, rootId: first }, runId) {
      const known = sessions.agentOf(sessionKey);
      const agent = known?.isChosen ? known.agent : ((await lastOf(sessionKey, first)) ?? known?.agent);
      if (!agent)
        throw new FaultError(
          'agent.unknown',
          `Nobody was sent anything in session "${sessionKey}": open it with an agent, runtime.session(agent, { sessionKey }).`,
        );
      return sessions.wake(agent, sessionKey, letters, { runId, first });
    },
  });

  const starts = openStarts({
    options,
    agents,
    engine,
    handles,
    isClosing: () => closing !== undefined,
    registered: () => courier.tryAgain(),
  });

  const runtime: Runtime = {
    start: (agent, job, startOptions = {}) => starts.start(agent, job, startOptions) as Run<never>,
    run: (agent, job, startOptions) => runtime.start(agent, job, startOptions).report,
    async resume(runId, answer) {
      const found = world.runs.get(runId) ?? (await recovery.read(runId));
      const run = handles.of(found);
      const { refused, head } = (await handles.awake(runId)) ?? {};
      if (refused?.status === 'rejected')
        throw new FaultError('run.claimed', `Run "${runId}" was not resumed: ${refused.reason}`, { runId });
      const live = world.runs.get(runId);
      if (answer === undefined) {
        if ((live ?? found).ledger.pausedFor === 'paused') await run.resume();
        else if (head) dispatch(head);
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
      if (live) await handles.whenTold(live);
      return run.report;
    },
    async answer(questionId, answer) {
      const runId = runOfQuestion(questionId);
      const isNone = { status: 'rejected' as const, reason: `no open question "${questionId}"` };
      if (runId === null) return isNone;
      const command = { type: 'answer' as const, questionId, answer, by: 'user' };
      if (!world.runs.has(runId)) {
        const where = await handles.awake(runId);
        if (where?.refused) return where.refused;
        if (where) return handles.carry(runId, undefined, command, where.head);
      }
      const live = world.runs.get(runId);
      if (live) return handles.deliver(live, command);
      return (await handles.answeredBefore(runId, command)) ?? isNone;
    },
    attach: handles.attach,
    session: (agent, options) => {
      checkAgent(agent, 'A session');
      const sessionKey = checkKey(options?.sessionKey);
      starts.register(agent);
      const session = sessions.of(agent, sessionKey);
      // What nobody here could hear is heard now.
      courier.changed(sessionKey);
      return session as Session<never>;
    },
    async recover() {
      if (closing) throw new FaultError('runtime.closed', 'Nothing was recovered: the runtime is closed.');
      const { recovered, skipped } = await recovery.takeUpAll();
      await courier.lookAll();
      return { recovered: recovered.map(handles.of), skipped };
    },
    replay: replays.replay,
    async fork(rootId, forkOptions) {
      const { rootId: forked, questionId } = await replays.fork(rootId, forkOptions);
      const { answer } = forkOptions.change ?? {};
      if (questionId === undefined || answer === undefined) return handles.attach(forked);
      const receipt = await runtime.answer(questionId, answer);
      if (receipt.status === 'rejected')
        throw new FaultError('fork.invalid', `Run "${forked}" was forked, but not answered: ${receipt.reason}.`, {
          runId: forked,
        });
      return handles.attach(forked);
    },
    async deliver(sessionKey, delivery) {
      if (closing)
        throw new FaultError('runtime.closed', `Nothing was left for session "${sessionKey}": the runtime is closed.`);
      checkDelivery(delivery, checkKey(sessionKey));
      await courier.deliver(sessionKey, delivery);
    },
    defineAgents(maker, make) {
      const made = makers.define(maker, make);
      courier.tryAgain();
      return made;
    },
    environment: { clock, ids: options.ids, logger: options.logger, memory: options.memory },
    events$: guarded(desk.events$, caught),
    events(filter: EventQuery = {}, { lagged, ...bounds }: ReadOptions = {}) {
      const reading: Reading = { store, query: filter, live$: desk.events$, relay: store.live };
      const shielded: ReadOptions = {
        ...bounds,
        lagged: (behind) => engine.shield('options.lagged', () => lagged?.(behind)),
      };
      const events$ = guarded(eventsFrom(reading, shielded), caught);
      return Object.assign(events$, { [Symbol.asyncIterator]: () => openReader(reading, shielded) });
    },
    async serve({ queues = [defaultQueue], concurrency = 16, workerId = engine.owner } = {}) {
      checkOpen();
      const { placement } = options;
      if (!placement)
        throw new FaultError(
          'runtime.invalid',
          'A runtime without a placement serves nobody. Give it one: createRuntime({ placement }).',
        );
      if (!(Number.isInteger(concurrency) && concurrency > 0))
        throw new FaultError(
          'runtime.invalid',
          `serve() was given the concurrency ${concurrency}. Expected 1 or more.`,
        );
      const server = await placement.serve(executor, { queues, concurrency, workerId });
      servers.add(server);
      engine.reconciler.start(true);
      return {
        async drain(ms) {
          servers.delete(server);
          await server.drain(ms);
        },
      };
    },
    runs: {
      ...stored,
      async prune(options) {
        const { sentTo, units, olderThan, keep = 0 } = options;
        if (sentTo !== undefined && units && olderThan === 0 && keep === 0) await forgetLetters(sentTo);
        const forgotten = await stored.prune(options);
        sessions.forgot(sentTo);
        engine.underway.forgot(sentTo);
        if (sentTo !== undefined && (await stored.list({ sentTo, limit: 1 })).length === 0) sessions.drop(sentTo);
        return forgotten;
      },
    },
    pauseSpawning() {
      world.spawningPaused = true;
    },
    resumeSpawning() {
      world.spawningPaused = false;
    },
    get spawningPaused() {
      return world.spawningPaused;
    },
    close({ runs: how = store.lasting ? 'suspend' : 'interrupt', graceMs = 5_000 } = {}) {
      closing ??= closeRuntime(engine, { servers, services: [courier, sessions, postman] }, how, graceMs);
      return closing;
    },
  };
  internals.set(runtime, {
    startUnder: (agent, job, runId, parent) => starts.start(agent, job, runId === undefined ? {} : { runId }, parent),
    stop: (runId) => {
      const run = world.runs.get(runId);
      if (run) run.stopReason = { exitReason: 'stopped', reason: 'The machine that it belongs to stopped it.' };
      if (run) engine.stop(run);
    },
  });
  return runtime;
};
