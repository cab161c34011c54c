/** Runs of a store, for a program that executes none of them: read, replayed, and commanded where some process executes them. */
import {
  type Clock,
  type EventQuery,
  FaultError,
  faultOf,
  type IdSource,
  isEnded,
  isWithin,
  type Logger,
  type Receipt,
  type RunRow,
  type RunStore,
  runOfQuestion,
} from '@troupe/protocol';
import { NEVER } from 'rxjs';
import type { RunCommand } from '../agent/context.ts';
import { consoleLogger, randomIds, systemClock } from '../defaults/system.ts';
import type { Replay, ReplayOptions } from '../replay/replay.ts';
import { replayOf } from '../replay/replays.ts';
import { type Ask, commandOf, raiseOf } from '../run/ask.ts';
import { afterEnd } from '../run/receipt.ts';
import { guarded } from '../streams/guarded.ts';
import { openReader } from './event-reader.ts';
import { foreseeStored, storedContext } from './foresee.ts';
import type { ReadOptions } from './intake.ts';
import { openPostman } from './postman.ts';
import { eventsFrom } from './read-events.ts';
import { runsOf } from './runs-of.ts';
import type { EventStream, Runtime } from './runtime.ts';

/** What a store says of its runs, and what may be said to those that a process executes. Make one with {@link storedRuns}. */
export type StoredRuns = {
  readonly runs: Pick<Runtime['runs'], 'get' | 'list' | 'tree' | 'cursor'>;
  /** As `runtime.events`: stored events, then those that other processes store. */
  events(filter?: EventQuery, options?: ReadOptions): EventStream;
  /** As `runtime.replay`. @throws FaultError `run.unknown`, `replay.differs`, `replay.invalid` */
  replay(runId: string, options?: ReplayOptions): Promise<Replay>;
  /** What a command would come to now; nothing is done. @throws FaultError `budget.invalid` */
  can(runId: string, ask: Ask): Promise<Receipt>;
  /**
   * Leaves a command for the process that executes a run, and waits for what comes of it. Where nobody does it is rejected: here no
   * agent is known, so nothing is brought to life. @throws FaultError `budget.invalid`
   */
  send(runId: string, ask: Ask): Promise<Receipt>;
  /** Commands on their way are taken back. */
  close(): void;
};

const rejected = (reason: string): Receipt => ({ status: 'rejected', reason });
const nobody = (runId: string): FaultError =>
  new FaultError(
    'run.unattended',
    `no process executes run "${runId}": start its program again, which brings it back with runtime.recover()`,
    { runId },
  );

export const storedRuns = (
  store: RunStore,
  {
    clock = systemClock,
    ids = randomIds,
    logger = consoleLogger,
  }: { clock?: Clock; ids?: IdSource; logger?: Logger } = {},
): StoredRuns => {
  const isHeld = async (runId: string): Promise<boolean> =>
    store.changes !== undefined && (await store.holder(runId)) !== null;
  const mayGoOn = async ({ runId }: RunRow): Promise<void> => {
    if (!(await isHeld(runId))) throw nobody(runId);
  };
  const postman = openPostman({ store, clock, ids, leaseMs: 30_000 }, async (runId) => {
    if (await isHeld(runId)) throw new FaultError('run.claimed', `Run "${runId}" is executed by another process.`);
    throw nobody(runId);
  });

  const rowFor = async (runId: string): Promise<RunRow> => {
    const row = await store.get(runId);
    if (!row) throw new FaultError('run.unknown', `There is no run "${runId}" in this store.`, { runId });
    return row;
  };
  const startOf = async (runId: string): Promise<number> => {
    const { createdAt } = await rowFor(runId);
    return createdAt + ((await storedContext(store, runId))?.laterMs ?? 0);
  };
  /** The run that a command is for, and the command; or why there is none. */
  const read = async (runId: string, ask: Ask): Promise<{ to: string; command: RunCommand } | Receipt> => {
    if (ask.type === 'raise') return { to: runId, command: await raiseOf(runId, ask.budget, () => startOf(runId)) };
    const asker = ask.type === 'answer' ? (runOfQuestion(ask.questionId) ?? runId) : runId;
    if (ask.type === 'answer' && !isWithin(asker, runId))
      return rejected(`question "${ask.questionId}" is not asked below run "${runId}"`);
    return { to: asker, command: commandOf(ask) };
  };

  return {
    runs: runsOf(store, clock),
    events(filter: EventQuery = {}, options: ReadOptions = {}) {
      const reading = { store, query: filter, live$: NEVER };
      const events$ = guarded(eventsFrom(reading, options), (error) =>
        logger.error('A subscriber threw.', faultOf(error, 'observer.failed')),
      );
      return Object.assign(events$, { [Symbol.asyncIterator]: () => openReader(reading, options) });
    },
    replay: async (runId, options) => replayOf(store, await rowFor(runId), options),
    async can(runId, ask) {
      const sent = await read(runId, ask);
      return 'status' in sent ? sent : foreseeStored(store, sent.to, sent.command, mayGoOn);
    },
    async send(runId, ask) {
      const sent = await read(runId, ask);
      if ('status' in sent) return sent;
      const row = await rowFor(sent.to);
      if (isEnded(row.status)) return afterEnd(row.status);
      if (!(await isHeld(sent.to))) return rejected(nobody(sent.to).message);
      return postman.send(sent.to, sent.command);
    },
    close: () => postman.close(),
  };
};
