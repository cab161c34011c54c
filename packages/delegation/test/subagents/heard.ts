import type { RunEvent } from '@troupe/protocol';

/** How often each message to a session was heard. */
export const heardIn = (events: readonly RunEvent[]): Record<string, number> => {
  const heard: Record<string, number> = {};
  for (const event of events) {
    const ids =
      event.type === 'turn.started'
        ? (event.delivered ?? [])
        : event.type === 'run.started'
          ? ((event.job.metadata?.delivered as string[] | undefined) ?? [])
          : [];
    for (const id of ids) heard[id] = (heard[id] ?? 0) + 1;
  }
  return heard;
};
