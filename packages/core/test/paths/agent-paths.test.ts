import type { RunEvent } from '@troupe/protocol';
import { checkRunLaws, keyOf, type Path, pathsOf } from '@troupe/testing';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { type AnyEventObject, type SnapshotFrom, transition } from 'xstate';
import type { AgentMachine } from '../../src/agent/agent-machine.ts';
import type { RunMachineEvent } from '../../src/agent/context.ts';
import { transitionsOf } from './chart.ts';
import { brokenIn } from './invariants.ts';
import { abstract, goesOnByItself, type Played, scenes, stopped } from './scenes.ts';
import { openStage } from './stage.ts';

vi.mock(import('../../src/agent/agent-machine.ts'), async (original) => {
  const { played } = await import('./scripted-runs.ts');
  const real = await original();
  return { ...real, agentMachine: played(real.agentMachine) };
});
const { agentMachine } = await vi.importActual<typeof import('../../src/agent/agent-machine.ts')>(
  '../../src/agent/agent-machine.ts',
);

type State = SnapshotFrom<AgentMachine>;
const key = (state: unknown): string => keyOf<AgentMachine>({ abstract }, state as State);
const next = (state: State, event: AnyEventObject): State =>
  state.status === 'active' ? transition(agentMachine, state, event as RunMachineEvent)[0] : state;

/** Where a step leads, with what follows by itself: a crew that is stopped, or breaks, takes the children along. */
const whereto = (before: State, event: AnyEventObject, after: State): State => {
  const ends = before.context.calls
    .flatMap(({ children }) => children)
    .filter(({ status }) => status !== 'ended')
    .map((child) => stopped(child));
  if (event.type === 'grace.over') return ends.reduce(next, after);
  if (event.type === 'xstate.error.actor.crew') return [...ends, event].reduce(next, before);
  return after;
};

const taken = new Set<string>();
const visited = new Map<string, State>();
const told: RunEvent[] = [];

/** Plays a path; after each step the run must be where the path is, and everything must be as it always has to be. */
const follow = async (scene: Played, { steps }: Path<AgentMachine>): Promise<void> => {
  const stage = await openStage(scene);
  for (const [at, { event, state }] of steps.entries()) {
    const before = steps[at - 1]?.state;
    const receipt = before && (await stage.play(event));
    const expected = before ? whereto(before, event, state) : state;
    if (!goesOnByItself(state)) expect(key(stage.state()), event.type).toBe(key(expected));
    expect(receipt, `the receipt of ${event.type}`).not.toMatchObject({ status: 'rejected' });
    expect(brokenIn(stage, event)).toEqual([]);
    visited.set(JSON.stringify(state.value), state);
  }
  await stage.close();
  expect(checkRunLaws(stage.events)).toEqual([]);
  expect(stage.outside.working()).toEqual([]);
  expect(stage.endings()).toHaveLength(1);
  for (const name of stage.taken) taken.add(name);
  told.push(...stage.endings());
};

beforeAll(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {});
});

describe('on every path of its chart, a run', () => {
  test.each(Object.entries(scenes))(
    '%s is where the chart says, and keeps the laws [L1–L4, L9]',
    {
      timeout: 60_000,
    },
    async (_name, scene) => {
      const probe = await openStage(scene);
      const paths = pathsOf(agentMachine, { ...scene.happens, abstract, ...(probe.input && { input: probe.input }) });
      await probe.close();
      for (const path of paths) {
        await follow(scene, path).catch((error: unknown) => {
          throw new Error(`On the path ${path.description}: ${String(error)}`, { cause: error });
        });
      }
      expect(paths.length).toBeGreaterThan(2);
    },
  );
});

describe('the paths together', () => {
  test('take every transition of the chart', () => {
    expect(transitionsOf(agentMachine).effective.filter((name) => !taken.has(name))).toEqual([]);
  });

  test('visit every state that lasts', () => {
    const lasting = ['queued', 'interrupting', 'completed', 'failed', 'interrupted'].map((state) =>
      JSON.stringify(state),
    );
    const inside = {
      running: ['recalling', 'waiting', 'thinking', 'acting', 'compacting', 'concluding'],
      paused: ['question', 'command'],
    };
    const nested = Object.entries(inside).flatMap(([state, below]) =>
      below.map((child) => JSON.stringify({ [state]: child })),
    );
    expect([...visited.keys()].toSorted()).toEqual([...lasting, ...nested].toSorted());
  });

  test('end in every way that a run can end by itself', () => {
    const types = new Set(told.map(({ type }) => type));
    expect([...types].toSorted()).toEqual(['run.completed', 'run.failed', 'run.interrupted']);
    const reasons = told.flatMap((event) => (event.type === 'run.failed' ? [event.exitReason] : []));
    expect([...new Set(reasons)].toSorted()).toEqual([
      'budget',
      'context_length',
      'error',
      'invalid_output',
      'max_tool_calls',
      'max_turns',
      'model_error',
      'no_answer',
      'timeout',
    ]);
  });

  test.each(transitionsOf(agentMachine).forbidden)('nothing comes of %s', (name) => {
    const [source = '', type = ''] = name.split(/: | \d/);
    const state = [...visited].find(([value]) => value.includes(source.split('.').at(-1) ?? ''))?.[1] as State;
    const events: Record<string, RunMachineEvent> = {
      interrupt: { type: 'interrupt', reason: 'again' },
      'limit.near': { type: 'limit.near', kind: 'deadlineMs', limit: 1, spent: 1 },
      'limit.reached': { type: 'limit.reached', kind: 'deadlineMs', limit: 1, spent: 1 },
      steer: { type: 'steer', text: 'hurry' },
      answer: { type: 'answer', questionId: 'root/1-0?', answer: true, by: 'user' },
      detach: { type: 'detach' },
      pause: { type: 'pause' },
    };
    const event = events[type] as RunMachineEvent;
    expect(state.can(event)).toBe(false);
    expect(key(next(state, event))).toBe(key(state));
  });
});
