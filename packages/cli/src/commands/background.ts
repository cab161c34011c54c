import type { Runtime, Session } from '@troupe/core';
import type { Report } from '@troupe/protocol';
import { filter, firstValueFrom } from 'rxjs';

/**
 * Waits for what a run has begun in the background, and for the runs that its agent is woken for: its conversation goes on until nothing
 * of it is at work.
 *
 * @returns the report of the last of these runs; null where the conversation has none
 */
export const restOf = async (
  runtime: Runtime,
  session: Session,
  { mayWait, say }: { mayWait: boolean; say(text: string): void },
): Promise<Report | null> => {
  const units = await session.units();
  if (units.length > 0) say(`Waits for ${units.length === 1 ? 'a run' : `${units.length} runs`} in the background.`);
  for (;;) {
    const rest = await session.idle();
    if (rest.status === 'idle' || !mayWait) return rest.report;
    await firstValueFrom(runtime.events$.pipe(filter(({ type }) => type === 'question.answered')), {
      defaultValue: null,
    });
  }
};
