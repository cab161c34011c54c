/** Paths of the chart, followed on a real runtime. */
import type { RunEvent } from '@troupe/protocol';
import { checkRunLaws, keyOf, type Path, pathsOf } from '@troupe/testing';
import { expect, vi } from 'vitest';
import { type AnyEventObject, type SnapshotFrom, transition } from 'xstate';
import type { AgentMachine } from '../../src/agent/agent-machine.ts';
import type { RunMachineEvent } from '../../src/agent/context.ts';
import { brokenIn } from './invariants.ts';
import { abstract, goesOnByItself, type Played, stopped } from './scenes.ts';
import { openStage } from './stage.ts';

/** The chart as it is: what a runtime is given is played in parts (see `scripted-runs.ts`). */
export const { agentMachine } = await vi.importActual<typeof import('../../src/agent/agent-machine.ts')>(
  '../../src/agent/agent-machine.ts',
);

export type State = SnapshotFrom<AgentMachine>;
export const key = (state: unknown): string => keyOf<AgentMachine>({ abstract }, state as State);
export const next = (state: State, event: AnyEventObject): State =>
  state.status === 'active' ? transition(agentMachine, state, event as RunMachineEvent)[0] : state;

/** Where a step leads, with what follows by itself: a crew that is stopped, or breaks, takes the children along. */
const whereto = (before: State, event: AnyEventObject, after: State): State => {
  const ends = before.context.run.calls
    .flat()
    .flatMap(({ children }) => children.flat())
    .filter(({ status }) => status !== 'ended')
    .map((child) => stopped(child));
  if (event.type === 'grace.over') return ends.reduce(next, after);
  if (event.type === 'xstate.error.actor.crew') return [...ends, event].reduce(next, before);
  return after;
};

export const taken = new Set<string>();
export const visited = new Map<string, State>();
export const told: RunEvent[] = [];

/**
 * Plays a path; after each step the run must be where the path is, and everything must be as it always has to be. With `crashes`
 * its program is killed and recovered behind each step, and the run must be where it was.
 *
 * What it heard is told again once it has ended; in a soak also where the path ends.
 *
 * @param seen Beginnings of paths behind which it was killed already: paths share them, and once is enough, but in a soak.
 */
const follow = async (
  scene: Played,
  { steps }: Path<AgentMachine>,
  crashes: boolean,
  seen: Set<string>,
): Promise<void> => {
  const stage = await openStage(scene);
  let beginning = '';
  for (const [at, { event, state }] of steps.entries()) {
    const before = steps[at - 1]?.state;
    const receipt = before && (await stage.play(event));
    const expected = before ? whereto(before, event, state) : state;
    // What an attempt has used so far is heard with whatever happens next.
    const isHeard = event.type !== 'model.used';
    if (isHeard && !goesOnByItself(state)) expect(key(stage.state()), event.type).toBe(key(expected));
    expect(receipt, `the receipt of ${event.type}`).not.toMatchObject({ status: 'rejected' });
    expect(brokenIn(stage, event)).toEqual([]);
    // What an attempt in flight had used is charged when it is found lost: the run is not where it was then.
    beginning += JSON.stringify(event);
    const isNew = process.env.STORE !== undefined || !seen.has(beginning);
    if (crashes && isNew && stage.endings().length === 0 && !state.context.run.pendingUsage) {
      seen.add(beginning);
      const stood = key(stage.state());
      await stage.restart();
      expect(key(stage.state()), `after a crash behind ${event.type}`).toBe(stood);
      expect(brokenIn(stage, { type: 'a crash' })).toEqual([]);
    }
    visited.set(JSON.stringify(state.value), state);
  }
  if (!crashes && process.env.STORE !== undefined) await stage.replay();
  await stage.close();
  await stage.replay();
  expect(checkRunLaws(stage.events)).toEqual([]);
  expect(stage.outside.working()).toEqual([]);
  expect(stage.endings()).toHaveLength(1);
  for (const name of stage.taken) taken.add(name);
  told.push(...stage.endings());
};

/** Follows every path of a scene. */
export const followAll = async (scene: Played, crashes = false): Promise<number> => {
  const probe = await openStage(scene);
  const paths = pathsOf(agentMachine, { ...scene.happens, abstract, ...(probe.input && { input: probe.input }) });
  await probe.close();
  const seen = new Set<string>();
  for (const path of paths) {
    await follow(scene, path, crashes, seen).catch((error: unknown) => {
      throw new Error(`On the path ${path.description}: ${String(error)}`, { cause: error });
    });
  }
  return paths.length;
};
