import { isLive, type RunEvent } from '@troupe/protocol';
import { enter } from '../run/ledger.ts';
import type { LiveRun } from '../run/live-run.ts';
import { hear } from '../run/transcript.ts';

/**
 * Enters what is told of a run that another process executes, until such an event of it. False when nothing more is told before, as
 * when the runtime is closed. A run that comes to life here meanwhile hears of its events by itself.
 */
export const follow = async (
  run: LiveRun,
  events: Iterable<RunEvent> | AsyncIterable<RunEvent>,
  wanted: (event: RunEvent) => boolean = () => false,
): Promise<boolean> => {
  for await (const event of events) {
    if (isLive(event)) continue;
    if (!run.actor && event.seq > run.seq) {
      enter(run.ledger, event);
      run.transcript = hear(run.transcript, event);
      run.seq = run.stored = event.seq;
      run.ended = run.ledger.endedAt !== undefined;
    }
    if (wanted(event)) return true;
  }
  return false;
};
