import { noUsage } from '@troupe/protocol';
import { checkRunLaws } from '@troupe/testing';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { transitionsOf } from './chart.ts';
import { agentMachine, followAll, taken } from './follow.ts';
import { scenes } from './scenes.ts';
import { openStage } from './stage.ts';

vi.mock(import('../../src/agent/agent-machine.ts'), async (original) => {
  const { played } = await import('./scripted-runs.ts');
  const real = await original();
  return { ...real, agentMachine: played(real.agentMachine) };
});

beforeAll(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {});
});

describe('killed and recovered behind every step of every path, a run', () => {
  test.each(Object.entries(scenes))(
    '%s is where it was, and comes to the same end [L7]',
    { timeout: 120_000 },
    async (_name, scene) => {
      expect(await followAll(scene, true)).toBeGreaterThan(2);
    },
  );
});

test('recovered where nobody knows its agent, a run fails and says so [BG-061]', async () => {
  const stage = await openStage({});
  await stage.restart([]);
  expect(stage.endings()).toMatchObject([
    { type: 'run.failed', exitReason: 'agent_unknown', fault: { code: 'agent.unknown', runId: stage.runId } },
  ]);
  expect(checkRunLaws(stage.events)).toEqual([]);
  expect(stage.outside.working()).toEqual([]);
  for (const name of stage.taken) taken.add(name);
  await stage.close();
});

test('the grace of an interrupt goes on where it was [L7]', async () => {
  const stage = await openStage({});
  const call = { id: 'c', name: 'delegate', arguments: '{"n":0}' };
  const turn = { text: '', calls: [call], planned: [], usage: noUsage, costUsd: null, finish: 'calls' as const };
  await stage.play({ type: 'turn.closed', turn });
  // given a child that does not end by itself, and ten milliseconds for it
  await stage.play({ type: 'call.spawns', index: 0, from: 0, at: 0, requests: [{ onPaused: 'bubble' }] });
  await stage.play({ type: 'interrupt', reason: 'enough' });
  await stage.pass(6);
  await stage.restart();
  await stage.pass(3);
  expect(stage.endings()).toEqual([]);
  await stage.pass(1);
  expect(stage.endings()).toMatchObject([{ type: 'run.interrupted' }]);
  await stage.close();
});

test('the crashes together take every transition of a recovery', () => {
  const recoveries = transitionsOf(agentMachine).effective.filter((name) => name.includes(': recovered '));
  expect(recoveries.length).toBeGreaterThan(2);
  expect(recoveries.filter((name) => !taken.has(name))).toEqual([]);
});
