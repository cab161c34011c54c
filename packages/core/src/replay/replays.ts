/** Stored runs once more: as they were, or from a point on in another way. */
import { FaultError, type RunRow, type RunStore, redact } from '@troupe/protocol';
import { contextIn } from '../run/checkpoint.ts';
import { readRun } from './read-run.ts';
import { type Replay, replayed } from './replay.ts';
import { isSame } from './same.ts';

export type Replays = {
  replay(runId: string): Promise<Replay>;
};

export const openReplays = (store: RunStore, rowFor: (runId: string) => Promise<RunRow>): Replays => ({
  async replay(runId) {
    const { agent } = await rowFor(runId);
    const { entries, events, checkpoint } = await readRun(store, runId);
    const steps = replayed(entries, events);
    const last = steps.at(-1)?.snapshot;
    const isWhole = last && steps.reduce((sum, { said }) => sum + said.length, 0) === events.length;
    if (!isWhole)
      throw new FaultError('replay.differs', `Run "${runId}" cannot be replayed: its journal is not whole.`, { runId });
    if (checkpoint && !(isSame(last.value, checkpoint.value) && isSame(redact(last.context), contextIn(checkpoint))))
      throw new FaultError(
        'replay.differs',
        `Run "${runId}" does not replay: it comes to another state than the one it was stored in. Replay it with the version of this library that stored it.`,
        { runId },
      );
    return { runId, agent, steps, snapshot: last };
  },
});
