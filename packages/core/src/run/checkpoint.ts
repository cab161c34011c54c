/**
 * What a run goes on from: where its machine stands, what it knows, and which of its actors were at work. Its size does not grow
 * with what the run has behind it: the conversation is in its events, and a call that is answered leaves next to nothing.
 *
 * It does grow with how wide the run is: each open call, each child of one, and each run that was let go and has not ended is a part
 * of it. So a wide run's is not written at each step: the last one, and what the run heard since, say as much (see {@link standingOf} in
 * `replay/standing.ts`).
 */
import type { Checkpoint } from '@troupe/protocol';
import type { AnyActorRef, AnyMachineSnapshot, StateValue } from 'xstate';
import type { AgentContext, RunContext } from '../agent/context.ts';
import { countOf, itemsOf } from '../agent/rows.ts';
import { isDone } from '../placement/quiet.ts';
import type { LiveRun } from './live-run.ts';
import { emptyOutbox } from './recorded.ts';

type Worker = { src: unknown; input: unknown };

/** A place in a run: after `seq` events, and after so many things that it heard since the last of them. */
export type Place = { seq: number; heard: number };
/** Where a run stood when a checkpoint was taken. */
export const placeOf = ({ place }: Checkpoint): Place => place as Place;

/** For so many parts of a checkpoint one step may follow it before the next is written. */
const partsAStep = 4;

/** How many steps may follow a checkpoint of this size before the next. */
const stepsWithout = ({ calls, queue, strays = [] }: RunContext): number => {
  if (calls.length === 0) return 0;
  let parts = countOf(calls) + countOf(queue) + countOf(strays);
  for (const { children } of itemsOf(calls)) parts += countOf(children);
  return Math.floor(parts / partsAStep);
};

/**
 * The checkpoint of a step that must be stored. None where the one before will do: the run stands where it stood, and has gone fewer
 * steps since than it would cost to write all its parts again. So a step costs the same however many children run beside it.
 *
 * @param before Where it stood before the step.
 */
export const checkpointAfter = (
  run: Pick<LiveRun, 'graceUntil' | 'stepsUntilCheckpoint' | 'isCheckpointOld'>,
  before: StateValue | undefined,
  after: AnyMachineSnapshot,
): Checkpoint | undefined => {
  run.isCheckpointOld = run.stepsUntilCheckpoint > 0 && isSameValue(before, after.value);
  if (run.isCheckpointOld) {
    run.stepsUntilCheckpoint -= 1;
    return undefined;
  }
  run.stepsUntilCheckpoint = stepsWithout((after.context as AgentContext).run);
  return checkpointOf(after, run.graceUntil);
};

/** Taken after a step, before its effects. @param graceUntil Of a run that is being interrupted: when what is below it is stopped. */
export const checkpointOf = (
  { value, context, children }: AnyMachineSnapshot,
  graceUntil: number | undefined,
): Checkpoint => {
  const workers: Record<string, Worker> = {};
  for (const [id, child] of Object.entries(children as Record<string, AnyActorRef>)) {
    const { status, input } = child.getSnapshot() as { status: string; input: unknown };
    if (status === 'active') workers[id] = { src: child.src, input };
  }
  return { value, context: (context as AgentContext).run, workers, ...(graceUntil !== undefined && { graceUntil }) };
};

/** The machine snapshot that a checkpoint stands for: XState starts its actors again. */
export const snapshotFrom = (checkpoint: Checkpoint): object => ({
  // One that was done waited for what others executed below it.
  status: isDone(checkpoint.value as StateValue) ? 'done' : 'active',
  output: undefined,
  error: undefined,
  value: checkpoint.value,
  context: { run: contextIn(checkpoint) },
  historyValue: {},
  children: Object.fromEntries(
    Object.entries(checkpoint.workers as Record<string, Worker>).map(([id, { src, input }]) => [
      id,
      { src, syncSnapshot: false, snapshot: { status: 'active', output: undefined, error: undefined, input } },
    ]),
  ),
});

/** What a run knew. Its outbox was empty, whatever an outbox was made of when that was stored. */
export const contextIn = ({ context }: Checkpoint): RunContext => ({ ...(context as RunContext), outbox: emptyOutbox });

/**
 * Whether a step that said nothing changed anything that must be stored. What an attempt in flight has used so far goes along with the
 * next step: a commit for every such part would cost more than the moment that a crash could lose.
 */
export const isProgress = (
  { value, context }: Pick<LiveRun, 'value' | 'context'>,
  after: Pick<AnyMachineSnapshot, 'value' | 'context'>,
): boolean => !context || differ(context, (after.context as AgentContext).run) || !isSameValue(value, after.value);

const isSameValue = (before: StateValue | undefined, after: StateValue): boolean =>
  JSON.stringify(before) === JSON.stringify(after);

const differ = (before: RunContext, after: RunContext): boolean =>
  (Object.keys(after) as (keyof RunContext)[]).some(
    (key) => key !== 'outbox' && key !== 'pendingUsage' && before[key] !== after[key],
  );
