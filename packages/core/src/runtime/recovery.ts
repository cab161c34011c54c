/**
 * Brings stored runs back (L7): claims a tree that nobody executes, reads it, and starts its actors where their checkpoints left them.
 *
 * A run that let go of a child and the child are trees of their own: each is taken up by itself, from its head.
 */
import {
  type Answer,
  type DispatchRequest,
  FaultError,
  faultOf,
  isEnded,
  isFaultError,
  type RunRow,
  type RunStore,
  type StoredEvent,
  type Usage,
  unfinished,
} from '@troupe/protocol';
import { sessionOf } from '../background/dispatch.ts';
import { isUnit } from '../background/unit.ts';
import type { AnyAgent } from '../define-agent.ts';
import { groupBy } from '../es2024.ts';
import { everyRow } from '../every-row.ts';
import { isPlaced } from '../placement/place.ts';
import { headOf, openRevival } from '../placement/revival.ts';
import { listOf } from '../replay/read-run.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { Said, SessionRuns, Whole } from '../session/session-machine.ts';
import { type AgentFound, agentOf } from './agent-of.ts';
import { openAskedBelow } from './asked-below.ts';
import { type Bringing, claimed, openBringTree } from './bring-tree.ts';
import type { Engine } from './engine.ts';
import { openLosses } from './losses.ts';
import type { Makers } from './makers.ts';
import type { Settled } from './options.ts';
import { openSessionPast } from './session-past.ts';
import { storedRun } from './stored-run.ts';

type Rows = ReadonlyMap<string, RunRow>;

export type Recovery = {
  /** Remembers a stored run that somebody holds a handle of: it comes to life as the same object. */
  keep(run: LiveRun): LiveRun;
  /** A stored run as it is read: for handles on runs that are not alive here. @throws FaultError `run.unknown` */
  read(runId: string): Promise<LiveRun>;
  /** The row of a run, once what was recorded of its tree is stored. @throws FaultError `run.unknown` */
  rowFor(runId: string): Promise<RunRow>;
  /** The rows of a tree, oldest first. */
  rowsOf(rootId: string): Promise<Rows>;
  /**
   * Brings the tree of a run back, unless it is alive here already. Gives back what is to be dispatched where whoever serves its queue
   * does that: once there is something for it to do.
   *
   * @throws FaultError `run.unknown`, `run.ended`, `run.claimed`, `agent.unknown`
   */
  takeUp(runId: string): Promise<DispatchRequest | undefined>;
  /**
   * Brings a run back that is executed by itself, if there is something to do: a step, a message, its end. `undefined` where it waits.
   *
   * @throws FaultError `run.unknown`, `run.ended`, `run.claimed`
   */
  activate(runId: string): Promise<LiveRun | undefined>;
  /** Takes note of what a stored run was answered. */
  learnAnswers(runId: string): Promise<ReadonlyMap<string, Answer>>;
  /** The agent of a stored root, if it is known here or can be made. */
  agentOf(row: RunRow): AgentFound;
  /** Says why runs could not go on here. @throws FaultError `agent.unknown`, `agent.changed`, `run.orphaned` */
  demand(runs: readonly RunRow[], all: Rows): void;
  /** Brings back what a session was sent and has not ended. @throws FaultError `run.claimed` when another process executes it */
  readSession(sessionKey: string, first: string): Promise<SessionRuns>;
  /** What the runs and units of a session have used. */
  usageOf(sessionKey: string): Promise<Usage>;
  /**
   * What was said in its session up to the end of a stored run, or up to its beginning; `undefined` where that is nothing.
   *
   * @param known What is known of it already: only what came later is read.
   * @param agent Whose instructions it is told under.
   */
  conversation(upTo: 'end' | 'beginning', runId: string, known?: Whole, agent?: AnyAgent): Promise<Said | undefined>;
  /** Takes note of what is asked below a run that has ended, and what of it was answered. */
  lookBelow(runId: string): Promise<void>;
  /** Brings every tree back that can be claimed. Runs whose agent is unknown or has changed fail. */
  takeUpAll(): Promise<{ recovered: LiveRun[]; skipped: { runId: string; reason: string }[] }>;
};

/** What came of a run that was to be brought back. */
type Outcome = { run?: LiveRun | undefined; skipped?: { runId: string; reason: string } };

/** Trees that are brought back at once: while one waits for its store the others go on, and what they write is flushed together. */
const lanes = 32;

export const openRecovery = (
  store: RunStore,
  agents: ReadonlyMap<string, AnyAgent>,
  makers: Pick<Makers, 'again'>,
  engine: Engine,
  options: Pick<Settled, 'leaseMs' | 'onAgentChanged' | 'recover' | 'placement'>,
  on: {
    /** Called with each run that was brought back and goes on. */
    goesOn(run: LiveRun): void;
    /** Throws when nothing may be brought back any more. */
    check(): void;
  },
): Recovery => {
  const { world, desk, recorder, owner, giveBack, inert } = engine;
  const underway = new Map<string, Promise<LiveRun | undefined>>();
  /** Runs that are about to come to life. */
  const bringing = new Map<string, LiveRun>();

  const rowsOf = async (rootId: string): Promise<Rows> =>
    new Map((await store.list({ rootId, ...everyRow })).toReversed().map((row) => [row.runId, row]));

  const eventsOf = (runId: string): Promise<StoredEvent[]> => listOf(store.events({ runId }));

  const agentFor = (row: RunRow, rows: Rows): AgentFound => agentOf(row, rows, agents, makers);
  const past = openSessionPast(store, eventsOf);
  const asked = openAskedBelow(store, desk, (runId) => world.runs.has(runId), eventsOf);
  const losses = openLosses(options, agentFor);
  const revival = openRevival(store, owner, () => world.clock.now());
  const rowsFor = (head: RunRow): Promise<Rows> => (isPlaced(head) ? revival.rowsAround(head) : rowsOf(head.rootId));

  const keep = (run: LiveRun): LiveRun => {
    if (run.ended) {
      inert.delete(run.runId);
      return run;
    }
    const alive = world.runs.get(run.runId) ?? bringing.get(run.runId);
    if (alive) return alive;
    const there = inert.get(run.runId);
    // Another run may have had its id, and be forgotten: whoever holds that one does not hear of this.
    const known = there?.ledger.createdAt === run.ledger.createdAt ? there : run;
    // Whoever follows it may have heard more of it meanwhile.
    if (known.seq > run.seq) return known;
    inert.set(known);
    return Object.assign(known, run);
  };

  const restored = async (
    row: RunRow,
    events: readonly StoredEvent[],
    agent: AnyAgent | undefined,
    /** True for a run that its session let begin, though it has not. */
    mayBegin = false,
  ): Promise<LiveRun> => {
    // A run that is queued hears of the conversation when its turn comes.
    const heard = mayBegin || events.some(({ type }) => type === 'run.started');
    const said = heard ? await past.saidUpTo(await past.previousOf(row)) : undefined;
    return keep(storedRun(row, events, agent, said?.messages));
  };

  /** A run and those above it; of a background unit, with those above the run that has dispatched it. */
  const lineFor = async (row: RunRow): Promise<RunRow[]> => {
    const aboveId = row.parentId ?? (isUnit(row) ? row.origin?.runId : undefined);
    const above = aboveId === undefined ? undefined : await store.get(aboveId);
    return above ? [...(await lineFor(above)), row] : [row];
  };

  /** What a run is and what is asked below it: what that costs does not grow with the rest of its tree. */
  const read = async (runId: string): Promise<LiveRun> => {
    const row = await rowFor(runId);
    const line = new Map((await lineFor(row)).map((each) => [each.runId, each]));
    const events = await eventsOf(runId);
    const run = await restored(row, events, agentFor(row, line).agent);
    if (world.runs.has(runId)) return run;
    const below = events.some(({ type }) => type === 'child.started') ? await asked.openBelow(row) : [];
    await asked.dropAnswered(runId, below);
    if (run.ended) {
      await asked.learnQuestions(below);
      return run;
    }
    // It may have come to life and ended while it was read. From here on it would come to life as what is given back.
    await recorder.written(row.rootId);
    const now = await store.get(runId);
    if (now && isEnded(now.status)) {
      inert.delete(runId);
      return read(runId);
    }
    await asked.learnQuestions([row, ...below]);
    return run;
  };

  const rootOf = (runId: string): string => runId.replace(/\/.*/, '');
  const rowFor = async (runId: string): Promise<RunRow> => {
    await recorder.written(rootOf(runId));
    const row = await store.get(runId);
    if (!row) throw new FaultError('run.unknown', `There is no run "${runId}" in this runtime's store.`, { runId });
    return row;
  };

  const lookBelow: Recovery['lookBelow'] = async (runId) => {
    const below = await asked.openBelow(await rowFor(runId));
    await asked.dropAnswered(runId, below);
    await asked.learnQuestions(below);
  };

  const { bring, countQuotas } = openBringTree({
    store,
    engine,
    leaseMs: options.leaseMs,
    revival,
    losses,
    bringing,
    eventsOf,
    lookBelow,
    rowsOf,
    rowsFor,
    agentFor,
    restored,
    on,
  });

  const takeUpHead = async (head: RunRow, rows: Rows, how: Bringing): Promise<LiveRun | undefined> => {
    // What is missing below a head that is alive has ended, though its store may not have heard of it yet.
    const before = world.runs.get(head.runId) ?? underway.get(head.runId);
    if (before) return before;
    const claims: string[] = [];
    const now = bring(head, rows, how, claims)
      .catch(async (error: unknown) => {
        // What was claimed and did not come to life is given back, and all the rest when the runtime was closed meanwhile.
        if (isFaultError(error) && error.code === 'runtime.closed') await store.release(owner);
        else giveBack(claims.filter((runId) => !world.runs.has(runId)));
        throw error;
      })
      .finally(() => {
        underway.delete(head.runId);
        for (const { runId } of rows.values()) bringing.delete(runId);
        for (const runId of claims) engine.claiming.delete(runId);
      });
    underway.set(head.runId, now);
    return now;
  };

  /** The run that one waits for in its session, where that has not ended and is not here: whoever has the first has the others. */
  const aheadOf = async (row: RunRow): Promise<RunRow | undefined> => {
    // One that is here may have ended by the time that the store has answered.
    if (row.after && engine.here.find(row.after)) return undefined;
    const previous = await past.previousOf(row);
    // One that was interrupted in line may have ended before those ahead of it.
    const sentTo = previous && isEnded(previous.status) ? row.sessionKey : undefined;
    const before =
      sentTo === undefined
        ? previous
        : (await store.list({ sentTo, status: unfinished, before: row.runId, limit: 1 }))[0];
    return before && !isEnded(before.status) && !engine.here.find(before.runId) ? before : undefined;
  };

  const takeUp: Recovery['takeUp'] = async (runId) => {
    if (world.runs.has(runId)) return undefined;
    const row = await rowFor(runId);
    if (isEnded(row.status)) throw new FaultError('run.ended', `Run "${runId}" has ended: ${row.status}.`, { runId });
    const ahead = await aheadOf(row);
    if (ahead) await takeUpOpen(ahead.runId);
    // Whoever executes it knows its agents; here they need not be known.
    const holder = store.changes ? await store.holder(runId) : null;
    if (holder !== null && holder !== owner) throw claimed(runId);
    const rows = await rowsOf(row.rootId);
    const head = headOf(row, rows);
    if (head.placed && options.placement) return { runId: head.runId, queue: head.placed.queue };
    await takeUpHead(head, rows, { mayLose: false });
    return undefined;
  };

  const activate = async (runId: string): Promise<LiveRun | undefined> => {
    const row = await rowFor(runId);
    if (isEnded(row.status)) throw new FaultError('run.ended', `Run "${runId}" has ended: ${row.status}.`, { runId });
    if (world.runs.has(runId) || underway.has(runId)) throw claimed(runId);
    return takeUpHead(row, await rowsFor(row), { mayLose: true, mayRest: true });
  };

  /** Brings a tree back, as far as it can be claimed. @param alive Runs that were here before. */
  const takeUpTree = async (rootId: string, alive: ReadonlySet<string>): Promise<Outcome[]> => {
    const rows = await rowsOf(rootId);
    const heads = new Set([...rows.values()].filter(({ status }) => !isEnded(status)).map((row) => headOf(row, rows)));
    const outcomes: Outcome[] = [];
    for (const head of heads) {
      if (alive.has(head.runId) || (options.placement && isPlaced(head))) continue;
      try {
        on.check();
        const ahead = await aheadOf(head);
        if (ahead) throw claimed(ahead.runId);
        outcomes.push({ run: await takeUpHead(head, rows, { mayLose: true }) });
      } catch (error) {
        outcomes.push({
          skipped: { runId: head.runId, reason: faultOf(error, 'store.unavailable').message },
        });
      }
    }
    return outcomes;
  };

  const takeUpOpen = async (runId: string): Promise<void> => {
    try {
      await takeUp(runId);
    } catch (error) {
      if (!isFaultError(error) || error.code !== 'run.ended') throw error;
    }
  };

  const recovery: Recovery = {
    keep,
    read,
    rowFor,
    rowsOf,
    takeUp,
    activate,
    async learnAnswers(runId) {
      await recorder.written(rootOf(runId));
      return asked.learnAnswers(runId);
    },
    agentOf: (row) => agentFor(row, new Map()),
    demand: losses.demand,
    async conversation(upTo, runId, known, agent) {
      const row = await store.get(runId);
      return past.saidUpTo(upTo === 'end' || !row ? row : await past.previousOf(row), known, agent);
    },
    lookBelow,
    async usageOf(sessionKey) {
      await recorder.written();
      return past.usageOf(sessionKey);
    },
    async readSession(sessionKey, began) {
      await recorder.written();
      const sent = (await store.list({ sentTo: sessionKey, status: unfinished, ...everyRow })).toReversed();
      for (const { runId } of sent) await takeUpOpen(runId);
      const open = sent.map(({ runId }) => runId);
      // The run that the conversation began with goes on, and those that were sent wait for it.
      const before = sent[0] && (await past.previousOf(sent[0]));
      if (before && before.after === undefined && !isEnded(before.status)) {
        await takeUpOpen(before.runId);
        open.unshift(before.runId);
      }
      const [newest] = await store.list({ sentTo: sessionKey, limit: 1 });
      // Another process has sent it since.
      if (newest && !isEnded(newest.status) && !open.includes(newest.runId))
        return recovery.readSession(sessionKey, began);
      if (newest) return { open, last: newest.runId };
      const first = await past.beginningOf(sessionKey, began);
      if (!first) return { open: [], last: null };
      if (!isEnded(first.status)) await takeUpOpen(began);
      return { open: isEnded(first.status) ? [] : [began], last: began };
    },
    async takeUpAll() {
      await countQuotas();
      const alive = new Set(world.runs.keys());
      const open = (await store.list({ status: unfinished, ...everyRow })).toReversed();
      const trees = new Map(open.map((row) => [row.rootId, row]));
      const outcomes = new Map<string, Outcome[]>([...trees.keys()].map((rootId) => [rootId, []]));
      let isOver = false;
      // Those of one session one after another: a queued run hears of those before it.
      const queue = groupBy(trees.values(), sessionOf).values();
      const lane = async (): Promise<void> => {
        for (const session of queue)
          for (const { rootId } of session) {
            if (isOver) return;
            outcomes.set(rootId, await takeUpTree(rootId, alive));
          }
      };
      try {
        await Promise.all(Array.from({ length: lanes }, lane));
      } finally {
        isOver = true;
      }
      const all = [...outcomes.values()].flat();
      return {
        recovered: all.flatMap(({ run }) => run ?? []),
        skipped: all.flatMap(({ skipped }) => skipped ?? []),
      };
    },
  };
  return recovery;
};
