/** Where a stored run stands: at the last checkpoint that was written of it, and at what it heard since. */
import type { Checkpoint, RunStore } from '@troupe/protocol';
import { type AnyMachineSnapshot, type AnyStateMachine, createActor, type SnapshotFrom } from 'xstate';
import { type AgentMachine, agentMachine } from '../agent/agent-machine.ts';
import { checkpointOf, placeOf, snapshotFrom } from '../run/checkpoint.ts';
import { takeOutbox } from '../run/recorded.ts';
import { placeAfter, type RunRecord, readRun } from './read-run.ts';
import { heardIn, next } from './replay.ts';
import { isSame } from './same.ts';

/** The checkpoint as it would be written now; `undefined` of a run that has ended or is not there. */
export const standingOf = async (store: RunStore, runId: string): Promise<Checkpoint | undefined> => {
  let checkpoint = await store.checkpoint(runId);
  while (checkpoint) {
    const read = await readRun(store, runId, placeOf(checkpoint));
    // Whoever executes it may have written another one meanwhile.
    if (read.checkpoint && isSame(placeOf(read.checkpoint), placeOf(checkpoint))) return goOn(checkpoint, read);
    checkpoint = read.checkpoint;
  }
  return undefined;
};

/** What the machine says on the way is stored already. It may be said in other words now, by a later version: where it leads counts. */
const goOn = (checkpoint: Checkpoint, { entries, events }: RunRecord): Checkpoint => {
  if (entries.length === 0) return checkpoint;
  const place = placeOf(checkpoint);
  let snapshot = createActor(agentMachine as AnyStateMachine, {
    snapshot: snapshotFrom(checkpoint) as AnyMachineSnapshot,
  }).getSnapshot() as SnapshotFrom<AgentMachine>;
  for (const { heard } of heardIn(entries, events, place.seq)) {
    snapshot = next(snapshot, heard);
    takeOutbox(snapshot);
  }
  const graceUntil = checkpoint.graceUntil as number | undefined;
  return { ...checkpointOf(snapshot, graceUntil), place: placeAfter(place, { entries, events }) };
};
