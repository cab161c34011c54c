import { isLive, isTerminal, type RunEvent } from '@troupe/protocol';

/** Texts that stream now, for those who come to look at a run in the middle of a turn: nobody stores them. */
export type Streamed = {
  take(event: RunEvent): void;
  /** What has streamed of the turn in hand, as live events, neighbours merged. */
  of(runId: string): readonly RunEvent[];
};

type Live = Extract<RunEvent, { live: true }>;

const merged = (before: Live | undefined, event: Live): Live | undefined => {
  if (event.type === 'call.progressed' || before?.type !== event.type || before.seq !== event.seq) return undefined;
  return { ...event, delta: before.delta + event.delta };
};

export const openStreamed = (): Streamed => {
  const runs = new Map<string, Live[]>();
  return {
    take(event) {
      const { runId } = event;
      if (isLive(event)) {
        const list = runs.get(runId) ?? [];
        runs.set(runId, list);
        const one = merged(list.at(-1), event);
        if (one) list[list.length - 1] = one;
        else list.push(event);
      } else if (event.type.startsWith('turn.') || event.type === 'run.paused' || isTerminal(event)) runs.delete(runId);
      else if (runs.has(runId))
        runs.set(
          runId,
          (runs.get(runId) ?? []).map((live) => ({ ...live, seq: event.seq })),
        );
    },
    of: (runId) => runs.get(runId) ?? [],
  };
};
