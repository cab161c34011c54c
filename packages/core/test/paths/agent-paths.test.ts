import { checkRunLaws, keyOf, type Path, pathsOf } from '@troupe/testing';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type AnyEventObject, type SnapshotFrom, transition } from 'xstate';
import type { AgentMachine } from '../../src/agent/agent-machine.ts';
import type { RunContext, RunMachineEvent } from '../../src/agent/context.ts';
import { transitionsOf } from './chart.ts';
import { brokenIn } from './invariants.ts';
import { abstract, scenes, stopped } from './scenes.ts';
import { openStage } from './stage.ts';

vi.mock(import('../../src/agent/agent-machine.ts'), async (original) => {
  const { played } = await import('./scripted-runs.ts');
  const real = await original();
  return { ...real, agentMachine: played(real.agentMachine) };
});
const { agentMachine } = await vi.importActual<typeof import('../../src/agent/agent-machine.ts')>('../../src/agent/agent-machine.ts');

type State = SnapshotFrom<AgentMachine>;
const key = (state: unknown): string => keyOf<AgentMachine>({ abstract }, state as State);

/** What the run does by itself once something has happened: crew that is stopped or broken takes its children along. */
const expectedAfter = (before: State, event: AnyEventObject, after: State): State => {
  const living = (before.context as RunContext).calls.flatMap(({ children }) => children).filter(({ status }) => status !== 'ended');
  const ends = living.map((child) => stopped(child));
  const fold = (state: State, events: readonly AnyEventObject[]): State =>
    events.reduce<State>((last, next) => (last.status === 'active' ? transition(agentMachine, last, next as RunMachineEvent)[0] : last), state);
  if (event.type === 'grace.over') return fold(after, ends);
  if (event.type === 'xstate.error.actor.crew') return fold(before, [...ends, event]);
  return after;
};

const taken = new Set<string>();
const counted = { paths: 0, steps: 0 };

const follow = async (scene: (typeof scenes)[string], path: Path<AgentMachine>): Promise<void> => {
  const stage = await openStage(scene);
  let before = path.steps[0]?.state as State;
  for (const { event, state } of path.steps) {
    const heard = event.type === 'xstate.init' ? undefined : await stage.play(event);
    const expected = event.type === 'xstate.init' ? state : expectedAfter(before, event, state);
    before = state;
    if (!hasReflex(state)) expect(key(stage.state()), event.type).toBe(key(expected));
    expect(heard, 'a receipt').not.toMatchObject({ status: 'rejected' });
    expect(brokenIn(stage, event)).toEqual([]);
    counted.steps += 1;
  }
  await stage.close();
  expect(checkRunLaws(stage.events)).toEqual([]);
  expect(stage.outside.working()).toEqual([]);
  expect(stage.endings()).toHaveLength(1);
  for (const name of stage.taken) taken.add(name);
  counted.paths += 1;
};
/** There is nothing to summarise: the run goes on at once. */
const hasReflex = ({ context, value }: State): boolean => JSON.stringify(value).includes('compacting') && (context as RunContext).compaction.maxMessages === 1;

describe('a run', () => {
  beforeAll(() => {
    vi.spyOn(console, 'warn').mockImplementation(() => {});
  });

  test.each(Object.entries(scenes))('%s goes where its chart says, and keeps the laws [L1–L4, L9]', { timeout: 60_000 }, async (name, scene) => {
    const probe = await openStage(scene);
    const paths = pathsOf(agentMachine, { ...scene.happens, abstract, ...(probe.input && { input: probe.input }) });
    await probe.close();
    const t0 = performance.now();
    for (const path of paths) {
      await follow(scene, path).catch((error: unknown) => {
        throw new Error(`on the path ${path.description}`, { cause: error });
      });
    }
    console.log(name, paths.length, Math.round(performance.now() - t0));
  });

  test('takes every transition of its chart', () => {
    const all = transitionsOf(agentMachine);
    expect(all.taken.filter((one) => !taken.has(one))).toEqual([]);
  });

  afterAll(() => console.log(counted, taken.size));
});
