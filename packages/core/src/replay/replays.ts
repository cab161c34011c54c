/** Stored runs once more: as they were, or from a moment on in another way. */
import {
  type Checkpoint,
  type Clock,
  type Commit,
  FaultError,
  type IdSource,
  isEnded,
  isFaultError,
  type Message,
  type RunRow,
  type RunStore,
  redact,
} from '@troupe/protocol';
import { isPlaced } from '../placement/place.ts';
import { headOf } from '../placement/revival.ts';
import { contextIn, type Place, placeOf } from '../run/checkpoint.ts';
import { checkRunId } from '../run/live-run.ts';
import { cutAt, type ForkOptions, questionOf } from './cut.ts';
import { forkOf } from './fork.ts';
import { beginning, placeAfter, readRun } from './read-run.ts';
import { renamedId } from './rename.ts';
import { heardIn, type Replay, type ReplayOptions, type ReplayStep, stepsOf } from './replay.ts';
import { isSame } from './same.ts';

type Host = {
  store: RunStore;
  clock: Clock;
  ids: IdSource;
  owner: string;
  /** @throws FaultError `run.unknown` */
  rowFor(runId: string): Promise<RunRow>;
  /** A whole tree, oldest first. */
  rowsOf(rootId: string): Promise<ReadonlyMap<string, RunRow>>;
  /** What was said in the session of a root before it. */
  saidBefore(runId: string): Promise<readonly Message[]>;
  /** @throws FaultError `runtime.closed` */
  check(): void;
  /** Says why runs of a tree could not go on here. @throws FaultError `agent.unknown`, `agent.changed`, `run.orphaned` */
  demand(runs: readonly RunRow[], all: ReadonlyMap<string, RunRow>): void;
  /** Stores events that were not recorded here, and tells them. */
  copy(rootId: string, commits: readonly Commit[]): Promise<void>;
  /** Lets others claim runs. */
  giveBack(runIds: readonly string[]): Promise<void>;
  /** Brings a stored run to life, or leaves it to whoever serves its queue. */
  takeUp(runId: string): Promise<void>;
};

export type Replays = {
  replay(runId: string, options?: ReplayOptions): Promise<Replay>;
  /** Gives back the id of the new root, and of the question that is to be answered otherwise. */
  fork(rootId: string, options: ForkOptions): Promise<{ rootId: string; questionId?: string }>;
};

/** A stored run, step by step. @throws FaultError `replay.differs`, `replay.invalid` */
export const replayOf = async (
  store: RunStore,
  { runId, agent, createdAt }: RunRow,
  { after }: ReplayOptions = {},
): Promise<Replay> => {
  if (after && after.runId !== runId)
    throw new FaultError(
      'replay.invalid',
      `A replay of run "${runId}" was to go on after one of run "${after.runId}". Give one of the same run.`,
      { runId },
    );
  if (after && after.createdAt !== createdAt)
    throw new FaultError(
      'replay.invalid',
      `A replay of run "${runId}" was to go on after one of a run that had its id before it and was forgotten. Replay it from its beginning: leave out "after".`,
      { runId },
    );
  const from = after?.place ?? beginning;
  const { entries, events, checkpoint } = await readRun(store, runId, from);
  const steps = [...stepsOf(heardIn(entries, events, from.seq), events, after)];
  const last = steps.at(-1)?.snapshot ?? after?.snapshot;
  const isWhole = last && steps.reduce((sum, { said }) => sum + said.length, 0) === events.length;
  if (!isWhole)
    throw new FaultError('replay.differs', `Run "${runId}" cannot be replayed: its journal is not whole.`, { runId });
  if (checkpoint && !isOnTheWay(checkpoint, from, steps, after?.snapshot))
    throw new FaultError(
      'replay.differs',
      `Run "${runId}" does not replay: it comes to another state than the one it was stored in. Replay it with the version of this library that stored it.`,
      { runId },
    );
  return { runId, agent, createdAt, steps, snapshot: last, place: placeAfter(from, { entries, events }) };
};

/** Whether steps pass through where a checkpoint was taken, as it says. One that was taken before them was passed already. */
const isOnTheWay = (
  checkpoint: Checkpoint,
  from: Place,
  steps: readonly ReplayStep[],
  before: Replay['snapshot'] | undefined,
): boolean => {
  const stood = placeOf(checkpoint);
  let { seq, heard } = from;
  if (stood.seq < seq || (stood.seq === seq && stood.heard < heard)) return true;
  const isThere = (snapshot: Replay['snapshot'] | undefined): boolean =>
    snapshot !== undefined &&
    isSame(snapshot.value, checkpoint.value) &&
    isSame(redact(snapshot.context.run), redact(contextIn(checkpoint)));
  if (stood.seq === seq && stood.heard === heard) return isThere(before);
  for (const { said, snapshot } of steps) {
    heard = said.length > 0 ? 0 : heard + 1;
    seq += said.length;
    if (stood.seq === seq && stood.heard === heard) return isThere(snapshot);
  }
  return false;
};

const exists = (runId: string) =>
  new FaultError('run.exists', `Run "${runId}" exists. Fork under a new id.`, { runId });
/** How a store refuses the beginning of a run that is there. */
const refusals = new Set(['store.conflict', 'store.fenced', 'store.ended']);

export const openReplays = (host: Host): Replays => {
  const { store, clock, rowFor } = host;

  const treeOf = async (rootId: string) => {
    const { parentId, rootId: its } = await rowFor(rootId);
    if (parentId !== undefined)
      throw new FaultError('fork.invalid', `Run "${rootId}" is not the root of its tree. Fork "${its}".`);
    const rows = await host.rowsOf(rootId);
    return Promise.all([...rows.values()].map(async (row) => ({ row, ...(await readRun(store, row.runId)) })));
  };

  const newId = async (given: string | undefined): Promise<string> => {
    const id = given ?? host.ids.next('run');
    checkRunId(id);
    if (await store.get(id)) throw exists(id);
    return id;
  };

  return {
    replay: async (runId, options) => replayOf(store, await rowFor(runId), options),
    async fork(rootId, options) {
      host.check();
      const tree = await treeOf(rootId);
      const cut = cutAt(tree, options);
      const to = await newId(options.runId);
      const before = await host.saidBefore(rootId);
      const now = clock.now();
      const last = tree.flatMap(({ events }) => events).filter(({ rootSeq }) => rootSeq <= cut.until);
      const lastAt = last.reduce((latest, { at }) => Math.max(latest, at), 0);
      const names = { rootId, to, laterMs: now - lastAt };
      const { change = {} } = options;
      const { commits, rows } = forkOf(tree, { cut, change, names, owner: host.owner, now, before });
      const goOn = rows.filter(({ status }) => !isEnded(status));
      const all = new Map(rows.map((row) => [row.runId, row]));
      host.demand(goOn, all);
      host.check();
      await host.copy(to, commits).catch((error: unknown) => {
        // Somebody else has taken the id since it was looked for.
        throw isFaultError(error) && refusals.has(error.code) ? exists(to) : error;
      });
      const heads = new Set(goOn.map((row) => headOf(row, all)));
      // Others may take them up from now on, whatever becomes of those that go on here.
      await host.giveBack(goOn.flatMap((row) => (isPlaced(headOf(row, all)) ? row.runId : [])));
      for (const { runId } of heads) await host.takeUp(runId);
      const question = change.answer === undefined ? undefined : questionOf(cut.run, cut.event);
      return { rootId: to, ...(question && { questionId: renamedId(names, question.id) }) };
    },
  };
};
