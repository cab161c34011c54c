import { beforeAll, describe, expect, test, vi } from 'vitest';
import type { RunMachineEvent } from '../../src/agent/context.ts';
import { transitionsOf } from './chart.ts';
import { agentMachine, followAll, key, next, type State, taken, told, visited } from './follow.ts';
import { scenes } from './scenes.ts';

vi.mock(import('../../src/agent/agent-machine.ts'), async (original) => {
  const { played } = await import('./scripted-runs.ts');
  const real = await original();
  return { ...real, agentMachine: played(real.agentMachine) };
});

beforeAll(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {});
});

describe('on every path of its chart, a run', () => {
  test.each(Object.entries(scenes))(
    '%s is where the chart says, and keeps the laws [L1–L4, L9]',
    { timeout: 60_000 },
    async (_name, scene) => {
      expect(await followAll(scene)).toBeGreaterThan(2);
    },
  );
});

describe('the paths together', () => {
  test('take every transition of the chart, but for those of a recovery (see crash-paths) and of a fork (see replay/forks)', () => {
    expect(
      transitionsOf(agentMachine).effective.filter((name) => !taken.has(name) && !/: (recovered|forked) /.test(name)),
    ).toEqual([]);
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
      'idle_timeout',
      'invalid_output',
      'max_tool_calls',
      'max_turns',
      'model_error',
      'no_answer',
      'stalled',
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
      deliver: { type: 'deliver', mail: [{ id: 'unit', text: 'It is done.' }] },
      answer: { type: 'answer', questionId: 'root/1-0?', answer: true, by: 'user' },
      raise: { type: 'raise', limits: { turns: 99 }, by: 'user' },
      pauseSpawning: { type: 'pauseSpawning', by: 'user' },
      resumeSpawning: { type: 'resumeSpawning', by: 'user' },
      detach: { type: 'detach' },
      pause: { type: 'pause' },
    };
    const event = events[type] as RunMachineEvent;
    expect(state.can(event)).toBe(false);
    expect(key(next(state, event))).toBe(key(state));
  });
});
