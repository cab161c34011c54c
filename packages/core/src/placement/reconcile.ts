/**
 * What an engine has lost is dispatched again: every run that is to be executed by itself, has not ended, and is executed by nobody.
 * Whoever is handed one that only waits puts it back, so one that stays as it is is handed out less and less often: it may wait for
 * days. It is harmless in several processes at a time.
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

/** Milliseconds: between two looks · at most between two times that a run is handed out which stays as it is. */
const [everyMs, seldomMs] = [15_000, 3_600_000];

/** How a run was when it was handed out last, and until when it is left alone if it stays so. */
type Seen = { as: string; until: number; pauseMs: number };

export type Reconciler = { start(): void; stop(): void };

export const openReconciler = ({
  store,
  clock,
  logger,
  placement,
}: {
  store: RunStore;
  clock: Clock;
  logger: Logger;
  placement: Placement | undefined;
}): Reconciler => {
  let timer: unknown;
  let isOn = false;
  let isOver = false;

  let seen = new Map<string, Seen>();

  const look = async (engine: Placement): Promise<void> => {
    const before = seen;
    seen = new Map();
    for (const row of await store.list({ status: unfinished, limit: Number.MAX_SAFE_INTEGER }))
      if (isOn && row.placed)
        await lookAt(engine, row, row.placed, before.get(row.runId)).catch((error: unknown) =>
          complain(row.runId, error),
        );
  };

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

  const beat = (engine: Placement): void => {
    void look(engine)
      .catch((error: unknown) =>
        logger.warn(
          'Runs that nobody executes could not be looked for; it is tried again.',
          faultOf(error, 'store.unavailable'),
        ),
      )
      .finally(() => {
        if (!isOn) return;
        timer = clock.setTimeout(() => beat(engine), everyMs);
        (timer as { unref?: () => void } | undefined)?.unref?.();
      });
  };

  return {
    start() {
      if (isOn || isOver || !placement) return;
      isOn = true;
      beat(placement);
    },
    stop() {
      isOn = false;
      isOver = true;
      clock.clearTimeout(timer);
    },
  };
};
