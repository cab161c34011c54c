/**
 * What an engine has lost is dispatched again: every run that is to be executed by itself, has not ended, and is executed by nobody.
 * Whoever is handed one that only waits puts it back. It is harmless in several processes at a time.
 */
import { type Clock, faultOf, type Logger, type Placement, type RunStore, unfinished } from '@troupe/protocol';

/** Milliseconds between two looks. */
const everyMs = 15_000;

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

  const look = async (engine: Placement): Promise<void> => {
    for (const { runId, placed } of await store.list({ status: unfinished, limit: Number.MAX_SAFE_INTEGER }))
      if (placed && isOn && (await store.holder(runId)) === null) await engine.dispatch({ runId, queue: placed.queue });
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
      if (isOn || !placement) return;
      isOn = true;
      beat(placement);
    },
    stop() {
      isOn = false;
      clock.clearTimeout(timer);
    },
  };
};
