/** Where a stored run stands: at the last checkpoint that was written of it, and at what it heard since. */
import type { Checkpoint, RunStore } from '@troupe/protocol';
import { type AnyMachineSnapshot, type AnyStateMachine, createActor, type SnapshotFrom } from 'xstate';
import { type AgentMachine, agentMachine } from '../agent/agent-machine.ts';
import { checkpointOf, placeOf, snapshotFrom } from '../run/checkpoint.ts';
import { takeOutbox } from '../run/recorded.ts';
import { heardAfter, placeAfter, type RunRecord, readRun } from './read-run.ts';
import { heardIn, next } from './replay.ts';

/** The checkpoint as it would be written now; `undefined` of a run that has ended or is not there. */
export const standingOf = async (store: RunStore, runId: string): Promise<Checkpoint | undefined> => {
  const checkpoint = await store.checkpoint(runId);
  if (!checkpoint) return undefined;
  const place = placeOf(checkpoint);
  // Of most runs there is nothing more to read.
  if ((await heardAfter(store, runId, place)).length === 0) return checkpoint;
  const read = await readRun(store, runId, place);
  // It may have ended meanwhile. A newer checkpoint says no more than this one and what was heard since.
  return read.checkpoint && goOn(checkpoint, read);
};

/** What the machine says on the way is stored already. It may be said in other words now, by a later version: where it leads counts. */
const goOn = (checkpoint: Checkpoint, { entries, events }: RunRecord): Checkpoint => {
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
