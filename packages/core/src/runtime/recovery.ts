/**
 * Brings stored runs back (L7): claims a tree that nobody executes, reads it, and starts its actors where their checkpoints left them.
 *
 * A run that let go of a child and the child are trees of their own: each is taken up by itself, from its head.
 */
import {
  addUsage,
  type Fault,
  FaultError,
  faultOf,
  isEnded,
  isFaultError,
  isWithin,
  type Message,
  noUsage,
  type RunRow,
  type RunStore,
  type StoredEvent,
  type Usage,
  unfinished,
} from '@troupe/protocol';
import { itemsOf } from '../agent/rows.ts';
import { openBackgroundWork } from '../background/background-work.ts';
import { sessionOf } from '../background/dispatch.ts';
import { isUnit } from '../background/unit.ts';
import type { AnyAgent } from '../define-agent.ts';
import { fingerprintOf } from '../define-agent.ts';
import { isPlaced } from '../placement/place.ts';
import { mayRest } from '../placement/quiet.ts';
import { activatedFor, childrenAway, headOf, openRevival, poisonOf } from '../placement/revival.ts';
import { listOf } from '../replay/read-run.ts';
import { standingOf } from '../replay/standing.ts';
import { contextIn, placeOf } from '../run/checkpoint.ts';
import { keepResult, type LiveRun, offspringOf, reportOf } from '../run/live-run.ts';
import type { Said, SessionRuns, Whole } from '../session/session-machine.ts';
import { type AgentFound, agentOf } from './agent-of.ts';
import type { Engine } from './engine.ts';
import type { FoundRun } from './found-run.ts';
import type { Makers } from './makers.ts';
import type { Settled } from './options.ts';
import { storedRun, unknownAgent, untilLetGo } from './stored-run.ts';

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
   * Brings the tree of a run back, unless it is alive here already.
   *
   * @throws FaultError `run.unknown`, `run.ended`, `run.claimed`, `agent.unknown`
   */
  takeUp(runId: string): Promise<void>;
  /**
   * Brings a run back that is executed by itself, if there is something to do: a step, a message, its end. `undefined` where it waits.
   *
   * @throws FaultError `run.unknown`, `run.ended`, `run.claimed`
   */
  activate(runId: string): Promise<LiveRun | undefined>;
  /** Takes note of what a stored run was answered. */
  learnAnswers(runId: string): Promise<void>;
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

/** `mayLose`: runs that cannot go on here end. `mayRest`: those that wait are left alone. */
type Bringing = { mayLose: boolean; mayRest?: boolean };

type Found = { run: FoundRun; events: StoredEvent[] };

const everyRow = { limit: Number.MAX_SAFE_INTEGER };

const claimed = (runId: string) =>
  new FaultError(
    'run.claimed',
    `Run "${runId}" is executed by another process. Attach to it there, or wait until its lease has run out.`,
    { runId },
  );

export const openRecovery = (
  store: RunStore,
  agents: ReadonlyMap<string, AnyAgent>,
  makers: Pick<Makers, 'again'>,
  { world, here, desk, recorder, owner, found, inbox, giveBack, bringBack }: Engine,
  {
    leaseMs,
    onAgentChanged,
    recover,
    placement,
  }: Pick<Settled, 'leaseMs' | 'onAgentChanged' | 'recover' | 'placement'>,
  on: {
    /** Called with each run that was brought back and goes on. */
    goesOn(run: LiveRun): void;
    /** Somebody has something to say to a run that is executed by itself. */
    wanted(runId: string, queue: string): void;
    /** Throws when nothing may be brought back any more. */
    check(): void;
  },
): Recovery => {
  /** Runs that handles were made for before they came to life here: they come to life as the same objects. */
  const inert = new Map<string, LiveRun>();
  const underway = new Map<string, Promise<LiveRun | undefined>>();
  /** Runs that are about to come to life. */
  const bringing = new Map<string, LiveRun>();

  const rowsOf = async (rootId: string): Promise<Rows> =>
    new Map((await store.list({ rootId, ...everyRow })).toReversed().map((row) => [row.runId, row]));

  const eventsOf = (runId: string): Promise<StoredEvent[]> => listOf(store.events({ runId }));

  const agentFor = (row: RunRow, rows: Rows): AgentFound => agentOf(row, rows, agents, makers);

  /** The rows of a tree and, of a background unit, of the trees that it came from: what agents are made again by. */
  const familyOf = async (rows: Rows): Promise<Rows> => {
    const [origin] = [...rows.values()].flatMap((row) => (isUnit(row) && row.origin) || []);
    return origin ? new Map([...(await familyOf(await rowsOf(origin.rootId))), ...rows]) : rows;
  };

  const revival = openRevival(store, owner, () => world.clock.now());
  const rowsFor = (head: RunRow): Promise<Rows> => (isPlaced(head) ? revival.rowsAround(head) : rowsOf(head.rootId));

  const keep = (run: LiveRun): LiveRun => {
    if (run.ended) {
      inert.delete(run.runId);
      return run;
    }
    const alive = world.runs.get(run.runId) ?? bringing.get(run.runId);
    if (alive) return alive;
    const known = inert.get(run.runId) ?? run;
    // Whoever follows it may have heard more of it meanwhile.
    if (known.seq > run.seq) return known;
    inert.set(run.runId, known);
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
    const said = heard ? await saidUpTo(await previousOf(row)) : undefined;
    return keep(storedRun(row, events, agent, said?.messages));
  };

  /** The run before one of a session; where that was forgotten, the newest before it that was not. */
  const previousOf = async ({ runId, sessionKey, after }: RunRow): Promise<RunRow | undefined> => {
    if (!after || sessionKey === undefined) return undefined;
    return (await store.get(after)) ?? (await store.list({ sentTo: sessionKey, before: runId, limit: 1 }))[0];
  };

  /** What was said in its session up to the end of a run. @param agent Whose instructions it is told under. */
  const saidUpTo = async (last: RunRow | undefined, known?: Whole, agent?: AnyAgent): Promise<Said | undefined> => {
    if (!last) return undefined;
    // The oldest runs are forgotten first, as a rule: without them what is remembered is out of date.
    const isValid = known && (await store.get(known.first)) !== undefined;
    const rows: RunRow[] = [];
    let before: RunRow | undefined = last;
    for (; before && !(isValid && before.runId === known.last); before = await previousOf(before)) rows.push(before);
    let messages: readonly Message[] = before && isValid ? known.messages : [];
    let whole = before && isValid ? known : undefined;
    let isWhole = true;
    for (const row of rows.toReversed()) {
      // What was told under earlier instructions is told under the later ones.
      const run = storedRun(row, await eventsOf(row.runId), row === last ? agent : undefined, messages);
      if (run.ledger.begun) messages = run.transcript;
      // What has not ended says more, and is read again.
      isWhole &&= isEnded(row.status);
      if (isWhole) whole = { messages, first: whole?.first ?? row.runId, last: row.runId };
    }
    return { messages, whole };
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
    const below = events.some(({ type }) => type === 'child.started') ? await openBelow(row) : [];
    await dropAnswered(runId, below);
    if (run.ended) {
      await learnQuestions(below);
      return run;
    }
    // It may have come to life and ended while it was read. From here on it would come to life as what is given back.
    await recorder.written(row.rootId);
    const now = await store.get(runId);
    if (now && isEnded(now.status)) {
      inert.delete(runId);
      return read(runId);
    }
    await learnQuestions([row, ...below]);
    return run;
  };

  /** Runs below one that have not ended, oldest first. */
  const openBelow = async ({ runId, rootId }: RunRow): Promise<RunRow[]> => {
    const open = await store.list({ rootId, status: unfinished, ...everyRow });
    return open.filter((row) => row.runId !== runId && isWithin(row.runId, runId)).toReversed();
  };

  /** Nobody waits for what those asked that have ended elsewhere. @param open Some that have not. */
  const dropAnswered = async (runId: string, open: readonly RunRow[]): Promise<void> => {
    const asking = new Set(desk.questionsOf(runId).map((question) => question.runId));
    for (const row of open) asking.delete(row.runId);
    for (const id of asking) {
      const row = await store.get(id);
      if (row && isEnded(row.status)) desk.dropQuestions(id);
    }
  };

  const learnQuestions = async (rows: readonly RunRow[]): Promise<void> => {
    for (const { runId } of rows) {
      const told = await eventsOf(runId);
      if (!world.runs.has(runId)) desk.restore(told);
    }
  };

  const rowFor = async (runId: string): Promise<RunRow> => {
    await recorder.written(runId.replace(/\/.*/, ''));
    const row = await store.get(runId);
    if (!row) throw new FaultError('run.unknown', `There is no run "${runId}" in this runtime's store.`, { runId });
    return row;
  };

  const claim = async (runId: string): Promise<number> => {
    const given = await store.claim(runId, owner, { leaseMs });
    if (given) return given.epoch;
    throw claimed(runId);
  };

  /** Why a run does not go on here. */
  const lossOf = (row: RunRow, known: AgentFound): FoundRun['lost'] => {
    const { runId, agent } = row;
    if (recover === 'orphan')
      return {
        status: 'interrupted',
        exitReason: 'orphaned',
        reason: `The process that executed run "${runId}" is gone, and this runtime brings no run back (recover: "orphan").`,
      };
    if (!known.agent) return { status: 'failed', exitReason: 'agent_unknown', fault: known.fault };
    if (!isChanged(row, known.agent) || onAgentChanged === 'continue') return undefined;
    const message = `Agent "${agent}" is defined differently now than when run "${runId}" started. Bring its definition back, or set onAgentChanged to "continue".`;
    const fault: Fault = { code: 'agent.changed', message, retryable: false, runId };
    return { status: 'failed', exitReason: 'agent_changed', fault };
  };

  const isChanged = ({ fingerprint }: RunRow, known: AnyAgent | undefined): boolean =>
    known !== undefined && fingerprint !== undefined && fingerprint !== fingerprintOf(known);

  /** An unfinished run that was claimed, as it is stored. @param family Where its agent is looked up. */
  const find = async (row: RunRow, family: Rows, epoch: number): Promise<Found> => {
    const { runId, agent: name } = row;
    const events = await eventsOf(runId);
    const checkpoint = await standingOf(store, runId);
    if (!checkpoint)
      throw new FaultError(
        'store.unavailable',
        `Run "${runId}" has not ended, and its checkpoint is not in the store.`,
        { runId },
      );
    const known = agentFor(row, family);
    const { agent } = known;
    const lost = lossOf(row, known) ?? poisonOf(row, events);
    const warnings =
      !lost && isChanged(row, agent)
        ? [{ code: 'agent.changed', message: `Agent "${name}" is defined differently now than when this run started.` }]
        : [];
    const mayBegin = contextIn(checkpoint).slot !== 'wanted';
    const run = await restored(row, events, agent ?? unknownAgent(name), mayBegin);
    bringing.set(runId, run);
    const above = isPlaced(row) ? activatedFor(family.get(row.parentId ?? ''), family) : undefined;
    return {
      events,
      run: Object.assign(run, {
        epoch,
        checkpoint,
        heardSinceEvent: placeOf(checkpoint).heard,
        warnings,
        rested: false,
        ...(lost && { lost }),
        ...(above && { above }),
      }),
    };
  };

  /** Children that had ended, for calls that are not answered yet. */
  const findFormer = async (parent: FoundRun, rows: Rows, family: Rows): Promise<void> => {
    for (const { children } of itemsOf(contextIn(parent.checkpoint).calls))
      for (const { runId, status, letGo } of itemsOf(children)) {
        const row = rows.get(runId);
        if (!row || (status !== 'ended' && (!isEnded(row.status) || isPlaced(row)))) continue;
        const events = await eventsOf(runId);
        const run = storedRun(row, letGo ? untilLetGo(events) : events, agentFor(row, family).agent);
        if (status !== 'ended') found.set(runId, run as FoundRun);
        offspringOf(parent).former.set(runId, run);
        keepResult(parent, run, reportOf(run, [], run.ledger.lastAt));
      }
  };

  /** Quotas count what the store has, too: those of some runs, or all. */
  const countQuotas = async (keys?: readonly string[]): Promise<void> => {
    if (keys?.length === 0) return;
    const before = new Set([...here.runs.keys(), ...here.leaving.keys()]);
    for (const { key, completed, holders } of await store.quotas(keys)) {
      // Whoever ended here gave its place back, though its store may not have heard of it yet.
      const there = holders.filter((runId) => !before.has(runId) || world.runs.has(runId));
      world.quotas.restore(key, completed, there);
    }
  };

  /** Runs that were let go and not answered are interrupted with whoever is alive above them. */
  const adopt = ({ runId, parentId, ledger }: LiveRun, rows: Rows): void => {
    if (ledger.letGo !== 'unanswered') return;
    let above = parentId;
    while (above !== undefined && !world.runs.has(above)) above = rows.get(above)?.parentId;
    const adopter = above === undefined ? undefined : world.runs.get(above);
    if (adopter) offspringOf(adopter).letGo.add(runId);
  };

  const demand = (runs: readonly RunRow[], all: Rows): void => {
    for (const row of runs) {
      const lost = lossOf(row, agentFor(row, all));
      if (lost?.status === 'failed') {
        const { code, message, details } = lost.fault;
        throw new FaultError(code, message, { runId: row.runId, ...(details && { details }) });
      }
      if (lost) throw new FaultError('run.orphaned', lost.reason, { runId: row.runId });
    }
  };

  const bring = async (
    head: RunRow,
    known: Rows,
    { mayLose, mayRest: mayBeLeft }: Bringing,
    /** What was claimed for it. */
    claims: string[],
  ): Promise<LiveRun | undefined> => {
    const openRuns = (rows: Rows): RunRow[] =>
      [...rows.values()].filter(
        (row) => !isEnded(row.status) && !world.runs.has(row.runId) && headOf(row, rows).runId === head.runId,
      );
    // Whoever does not know an agent of the tree leaves it alone, unless it is to end there.
    if (!mayLose) demand(openRuns(known), await familyOf(known));
    await recorder.written(head.rootId);
    const epochs = new Map<string, number>();
    for (const { runId } of openRuns(known)) {
      on.check();
      epochs.set(runId, await claim(runId));
      claims.push(runId);
    }
    // Nobody else writes them from here on: what is read now is how they are.
    const rows = await rowsFor(head);
    const family = await familyOf(rows);
    const all: Found[] = [];
    const fresh: string[] = [];
    for (const row of openRuns(rows)) {
      if (!inert.has(row.runId)) fresh.push(row.runId);
      const epoch = epochs.get(row.runId) ?? (await claim(row.runId));
      claims.push(row.runId);
      all.push(await find(row, family, epoch));
    }
    const runs = all.map(({ run }) => run);
    if (mayBeLeft && !(await revival.isWorthIt(runs))) {
      giveBack(runs.map(({ runId }) => runId));
      // Nobody has asked for them: what is only looked at is not kept.
      for (const runId of fresh) inert.delete(runId);
      return undefined;
    }
    for (const run of runs) await findFormer(run, rows, family);
    const away = runs.flatMap((run) => childrenAway(run, rows, (row) => agentFor(row, family).agent));
    for (const run of runs) {
      const { value } = run.checkpoint;
      for (const child of await revival.childrenLeft(run)) {
        run.left ??= new Map();
        run.left.set(child.runId, { child, queue: child.placed?.queue ?? '', envoy: undefined });
        offspringOf(run).letGo.add(child.runId);
        if (!world.runs.has(child.runId)) desk.restore(await eventsOf(child.runId));
      }
      run.rested = mayBeLeft === true && mayRest(value as never, contextIn(run.checkpoint), world.clock.now());
    }
    await countQuotas([...new Set([...rows.values()].flatMap(({ quota }) => quota ?? []))]);
    // From here on at once: what else happens to the tree meets it alive.
    on.check();
    for (const { events } of all) desk.restore(events);
    for (const run of runs) {
      inert.delete(run.runId);
      if (run.runId !== head.runId) found.set(run.runId, run);
    }
    for (const child of away) found.set(child.runId, child as FoundRun);
    const [first] = runs.filter(({ runId }) => runId === head.runId);
    if (first) bringBack(first);
    if (first && !first.lost) on.goesOn(first);
    for (const run of [...rows.keys()].flatMap((runId) => world.runs.get(runId) ?? [])) adopt(run, rows);
    for (const run of runs) if (found.delete(run.runId)) orphan(run);
    for (const { runId } of away) found.delete(runId);
    void inbox.look();
    return first;
  };

  /** A run that nothing above it knows any more. */
  const orphan = (run: FoundRun): void => {
    const { actor } = bringBack(run);
    actor?.send({ type: 'interrupt', reason: 'Nothing that started this run is left.', exitReason: 'orphaned' });
  };

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
      });
    underway.set(head.runId, now);
    return now;
  };

  const takeUp = async (runId: string): Promise<void> => {
    if (world.runs.has(runId)) return;
    const row = await rowFor(runId);
    if (isEnded(row.status)) throw new FaultError('run.ended', `Run "${runId}" has ended: ${row.status}.`, { runId });
    // Whoever executes it knows its agents; here they need not be known.
    const holder = store.changes ? await store.holder(runId) : null;
    if (holder !== null && holder !== owner) throw claimed(runId);
    const rows = await rowsOf(row.rootId);
    const head = headOf(row, rows);
    if (head.placed && placement) {
      on.wanted(head.runId, head.placed.queue);
      throw claimed(runId);
    }
    await takeUpHead(head, rows, { mayLose: false });
  };

  const activate = async (runId: string): Promise<LiveRun | undefined> => {
    const row = await rowFor(runId);
    if (isEnded(row.status)) throw new FaultError('run.ended', `Run "${runId}" has ended: ${row.status}.`, { runId });
    if (world.runs.has(runId) || underway.has(runId)) throw claimed(runId);
    return takeUpHead(row, await rowsFor(row), { mayLose: true, mayRest: true });
  };

  const takeUpOpen = (runId: string): Promise<void> =>
    takeUp(runId).catch((error: unknown) => {
      if (!isFaultError(error) || error.code !== 'run.ended') throw error;
    });

  /** The run that a session goes on with where nothing was sent to it: a root that was not sent to any, and belongs to it. */
  const beginningOf = async (sessionKey: string, runId: string): Promise<RunRow | undefined> => {
    const row = await store.get(runId);
    const isOne = row && row.parentId === undefined && row.after === undefined && !row.origin;
    return isOne && sessionOf(row) === sessionKey ? row : undefined;
  };

  return {
    keep,
    read,
    rowFor,
    rowsOf,
    takeUp,
    activate,
    async learnAnswers(runId) {
      desk.restore((await eventsOf(runId)).filter(({ type }) => type === 'question.answered'));
    },
    agentOf: (row) => agentFor(row, new Map()),
    demand,
    async conversation(upTo, runId, known, agent) {
      const row = await store.get(runId);
      return saidUpTo(upTo === 'end' || !row ? row : await previousOf(row), known, agent);
    },
    async lookBelow(runId) {
      const below = await openBelow(await rowFor(runId));
      await dropAnswered(runId, below);
      await learnQuestions(below);
    },
    async usageOf(sessionKey) {
      await recorder.written();
      const first = await beginningOf(sessionKey, sessionKey);
      const rows = [
        ...(first ? [first] : []),
        ...(await store.list({ sentTo: sessionKey, ...everyRow })),
        ...(await openBackgroundWork(store).of(sessionKey)),
      ];
      // A run that was sent to the very session that asked for it counts once.
      const each = new Map(rows.map((row) => [row.runId, row]));
      return [...each.values()].reduce((sum, { usage }) => addUsage(sum, usage.total), noUsage);
    },
    async readSession(sessionKey, began) {
      await recorder.written();
      const sent = (await store.list({ sentTo: sessionKey, status: unfinished, ...everyRow })).toReversed();
      for (const { runId } of sent) await takeUpOpen(runId);
      const [newest] = await store.list({ sentTo: sessionKey, limit: 1 });
      if (newest) return { open: sent.map(({ runId }) => runId), last: newest.runId };
      const first = await beginningOf(sessionKey, began);
      if (!first) return { open: [], last: null };
      if (!isEnded(first.status)) await takeUpOpen(began);
      return { open: isEnded(first.status) ? [] : [began], last: began };
    },
    async takeUpAll() {
      await countQuotas();
      const alive = new Set(world.runs.keys());
      const recovered: LiveRun[] = [];
      const skipped: { runId: string; reason: string }[] = [];
      const open = (await store.list({ status: unfinished, ...everyRow })).toReversed();
      for (const rootId of new Set(open.map((row) => row.rootId))) {
        const rows = await rowsOf(rootId);
        const heads = new Set(
          [...rows.values()].filter(({ status }) => !isEnded(status)).map((row) => headOf(row, rows)),
        );
        for (const head of heads) {
          if (alive.has(head.runId) || (placement && isPlaced(head))) continue;
          try {
            const run = await takeUpHead(head, rows, { mayLose: true });
            if (run) recovered.push(run);
          } catch (error) {
            skipped.push({ runId: head.runId, reason: faultOf(error, 'store.unavailable').message });
          }
        }
      }
      return { recovered, skipped };
    },
  };
};
