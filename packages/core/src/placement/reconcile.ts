/**
 * What an engine has lost is dispatched again: every run that is to be executed by itself, has not ended, and is executed by nobody.
 * Whoever is handed one that only waits puts it back, so one that stays as it is is handed out less and less often: it may wait for
 * days. It is harmless in several processes at a time; of those that share an engine one does it for all.
 */
import {
  type Clock,
  faultOf,
  type Logger,
  type Placement,
  type RunRow,
  type RunStore,
  unfinished,
} from '@troupe/protocol';
import { nearMs } from './quiet.ts';

/**
 * Milliseconds: between two looks · at most between two times that a run is handed out which stays as it is · after which another
 * process looks for one that is gone.
 */
const [everyMs, seldomMs, absentMs] = [15_000, 3_600_000, 40_000];

/** Rows that are read at a time. */
const page = 500;

/** How a run was when it was handed out last, and until when it is left alone if it stays so. */
type Seen = { as: string; until: number; pauseMs: number };

export type Reconciler = {
  /** Looks from now on. @param serves At once, too: who begins to serve finds what was lost while nobody did. */
  start(serves?: boolean): void;
  stop(): void;
};

export const openReconciler = ({
  store,
  clock,
  logger,
  placement,
  owner,
}: {
  store: RunStore;
  clock: Clock;
  logger: Logger;
  placement: Placement | undefined;
  /** By what the store knows this process. */
  owner: string;
}): Reconciler => {
  /** Its claim is nobody's run: the leases of this process's runs are no longer for it, and theirs no shorter. */
  const looker = `${owner} looking`;
  let timer: unknown;
  let isOn = false;
  let isOver = false;

  let seen = new Map<string, Seen>();

  const unfinishedRuns = async function* (): AsyncGenerator<RunRow> {
    let rows: RunRow[];
    let before: string | undefined;
    do {
      rows = await store.list({ status: unfinished, limit: page, ...(before !== undefined && { before }) });
      yield* rows;
      before = rows.at(-1)?.runId;
    } while (rows.length === page);
  };

  const look = async (engine: Placement): Promise<void> => {
    const before = seen;
    seen = new Map();
    for await (const row of unfinishedRuns())
      if (isOn && row.placed)
        await lookAt(engine, row, row.placed, before.get(row.runId)).catch((error: unknown) =>
          complain(row.runId, error),
        );
  };

  /** Of the processes that share an engine, the one that has claimed it looks. */
  const isOurs = async ({ caps: { engine } }: Placement): Promise<boolean> =>
    engine === undefined || (await store.claim(`engine ${engine}`, looker, { leaseMs: absentMs })) !== null;

  const complain = (runId: string, error: unknown): void =>
    logger.warn(`Run "${runId}" could not be dispatched; it is tried again.`, faultOf(error, 'placement.unavailable'));

  const lookAt = async (
    engine: Placement,
    { runId, status, usage }: RunRow,
    { queue, deadlineAt = Number.POSITIVE_INFINITY }: NonNullable<RunRow['placed']>,
    last: Seen | undefined,
  ): Promise<void> => {
    const now = clock.now();
    const as = JSON.stringify([status, usage]);
    const isSame = last?.as === as;
    if (last && isSame && now < last.until && deadlineAt - now >= nearMs) {
      seen.set(runId, last);
      return;
    }
    if ((await store.holder(runId)) !== null) return;
    await engine.dispatch({ runId, queue });
    const pauseMs = last && isSame ? Math.min(last.pauseMs * 2, seldomMs) : everyMs;
    seen.set(runId, { as, until: now + pauseMs, pauseMs });
  };

  const attempt = (what: Promise<void>): Promise<void> =>
    what.catch((error: unknown) =>
      logger.warn(
        'Runs that nobody executes could not be looked for; it is tried again.',
        faultOf(error, 'store.unavailable'),
      ),
    );

  const beat = async (engine: Placement): Promise<void> => {
    if (await isOurs(engine)) await look(engine);
  };
  const wait = (engine: Placement): void => {
    timer = clock.setTimeout(() => void attempt(beat(engine)).finally(() => isOn && wait(engine)), everyMs);
    (timer as { unref?: () => void } | undefined)?.unref?.();
  };

  return {
    start(serves = false) {
      if (isOver || !placement) return;
      if (!isOn) wait(placement);
      isOn = true;
      if (serves) void attempt(look(placement));
    },
    stop() {
      isOn = false;
      isOver = true;
      clock.clearTimeout(timer);
      if (placement?.caps.engine !== undefined) void attempt((async () => store.release(looker))());
    },
  };
};
