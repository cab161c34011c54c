/** A tree that nobody executes, claimed, read as it is then, and started where its checkpoints left it. */
import { FaultError, isEnded, type RunRow, type RunStore, type StoredEvent } from '@troupe/protocol';
import { itemsOf } from '../agent/rows.ts';
import { isUnit } from '../background/unit.ts';
import type { AnyAgent } from '../define-agent.ts';
import { isPlaced } from '../placement/place.ts';
import { mayRest } from '../placement/quiet.ts';
import { activatedFor, childrenAway, headOf, poisonOf, type Revival } from '../placement/revival.ts';
import { standingOf } from '../replay/standing.ts';
import { contextIn, placeOf } from '../run/checkpoint.ts';
import { keepResult, type LiveRun, offspringOf, reportOf } from '../run/live-run.ts';
import type { AgentFound } from './agent-of.ts';
import type { Engine } from './engine.ts';
import type { FoundRun } from './found-run.ts';
import type { Losses } from './losses.ts';
import { storedRun, unknownAgent, untilLetGo } from './stored-run.ts';

type Rows = ReadonlyMap<string, RunRow>;

/** `mayLose`: runs that cannot go on here end. `mayRest`: those that wait are left alone. */
export type Bringing = { mayLose: boolean; mayRest?: boolean };

type Found = { run: FoundRun; events: StoredEvent[] };

export type BringTree = {
  /** @param claims What was claimed for it. */
  bring(head: RunRow, known: Rows, how: Bringing, claims: string[]): Promise<LiveRun | undefined>;
  /** Quotas count what the store has, too: those of some runs, or all. */
  countQuotas(keys?: readonly string[]): Promise<void>;
};

export const claimed = (runId: string): FaultError =>
  new FaultError(
    'run.claimed',
    `Run "${runId}" is executed by another process. Attach to it there, or wait until its lease has run out.`,
    { runId },
  );

export const openBringTree = ({
  store,
  engine: { world, here, desk, recorder, owner, found, claiming, inbox, inert, lease, bringBack },
  leaseMs,
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
}: {
  store: RunStore;
  engine: Engine;
  leaseMs: number;
  revival: Revival;
  losses: Losses;
  /** Runs that are about to come to life. */
  bringing: Map<string, LiveRun>;
  eventsOf(runId: string): Promise<StoredEvent[]>;
  /** Takes note of what is asked below a run. */
  lookBelow(runId: string): Promise<void>;
  /** The rows of a tree, oldest first; and those that a run is brought back with. */
  rowsOf(rootId: string): Promise<Rows>;
  rowsFor(head: RunRow): Promise<Rows>;
  agentFor(row: RunRow, rows: Rows): AgentFound;
  /** @param mayBegin True for a run that its session let begin, though it has not. */
  restored(
    row: RunRow,
    events: readonly StoredEvent[],
    agent: AnyAgent | undefined,
    mayBegin?: boolean,
  ): Promise<LiveRun>;
  on: {
    /** Called with each run that was brought back and goes on. */
    goesOn(run: LiveRun): void;
    /** Throws when nothing may be brought back any more. */
    check(): void;
  };
}): BringTree => {
  const { lossOf, isChanged, demand } = losses;
  /** The rows of a tree and, of a background unit, of the trees that it came from: what agents are made again by. */
  const familyOf = async (rows: Rows): Promise<Rows> => {
    const [origin] = [...rows.values()].flatMap((row) => (isUnit(row) && row.origin) || []);
    return origin ? new Map([...(await familyOf(await rowsOf(origin.rootId))), ...rows]) : rows;
  };

  const claim = async (runId: string): Promise<number> => {
    // Giving it back, where that failed before, is not tried again meanwhile.
    claiming.add(runId);
    let given: { epoch: number } | null = null;
    try {
      given = await store.claim(runId, owner, { leaseMs });
    } finally {
      if (!given) claiming.delete(runId);
    }
    if (given) return given.epoch;
    throw claimed(runId);
  };

  const letGo = async (runIds: readonly string[]): Promise<void> => {
    for (const runId of runIds) claiming.delete(runId);
    await lease.giveBack(runIds);
  };

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

  const countQuotas: BringTree['countQuotas'] = async (keys) => {
    if (keys?.length === 0) return;
    const before = new Set([...here.runs.keys(), ...here.leaving.keys()]);
    for (const { key, completed, holders } of await store.quotas(keys)) {
      // Whoever ended here gave its place back, though its store may not have heard of it yet.
      const there = holders.filter((runId) => !before.has(runId) || world.runs.has(runId));
      world.quotas.restore(key, completed, there);
    }
  };

  /** What is asked by runs that a run, or one below it, has let go. Its own children among them are its children still. */
  const lookAtStrays = async (run: FoundRun): Promise<void> => {
    for (const runId of itemsOf(contextIn(run.checkpoint).strays ?? [])) {
      const row = await store.get(runId);
      if (!row || isEnded(row.status)) continue;
      const events = await eventsOf(runId);
      if (row.placed && row.parentId === run.runId) {
        run.left ??= new Map();
        run.left.set(runId, { child: storedRun(row, events), queue: row.placed.queue, envoy: undefined });
      }
      if (!world.runs.has(runId)) desk.restore(events);
      if (events.some(({ type }) => type === 'child.started')) await lookBelow(runId);
    }
  };

  /** A run that nothing above it knows any more. */
  const orphan = (run: FoundRun): void => {
    const { actor } = bringBack(run);
    actor?.send({ type: 'interrupt', reason: 'Nothing that started this run is left.', exitReason: 'orphaned' });
  };

  const bring: BringTree['bring'] = async (head, known, { mayLose, mayRest: mayBeLeft }, claims) => {
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
    for (const row of openRuns(rows)) {
      const epoch = epochs.get(row.runId) ?? (await claim(row.runId));
      epochs.delete(row.runId);
      claims.push(row.runId);
      all.push(await find(row, family, epoch));
    }
    // What has ended or was forgotten before it was claimed stays as it is: under its id another one may begin.
    await letGo([...epochs.keys()]);
    const runs = all.map(({ run }) => run);
    if (mayBeLeft && !(await revival.isWorthIt(runs))) {
      await letGo(runs.map(({ runId }) => runId));
      return undefined;
    }
    for (const run of runs) await findFormer(run, rows, family);
    const away = runs.flatMap((run) => childrenAway(run, rows, (row) => agentFor(row, family).agent));
    for (const run of runs) {
      const { value } = run.checkpoint;
      await lookAtStrays(run);
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
    for (const run of runs) if (found.delete(run.runId)) orphan(run);
    for (const { runId } of away) found.delete(runId);
    void inbox.look();
    return first;
  };

  return { bring, countQuotas };
};
