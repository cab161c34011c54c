import { agentLogic, defineAgent, defineTool, spawned } from '@troupe/core';
import type { RunEvent } from '@troupe/protocol';
import { scriptedProvider } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { createActor } from 'xstate';
import { openRuntime, settle } from '../../../../test/support/open-runtime.ts';
import { isSpawningHeld } from '../../src/actors/view.ts';
import { hangs, machine } from '../recovery/processes.ts';
import { calling, gatedTool, nothing, ofType } from './tools.ts';

/** A lead whose middle has a leaf. Both wait for the test between one child and the next. */
const office = () => {
  const gate = gatedTool('gate');
  const asking = (agent: ReturnType<typeof defineAgent>) =>
    defineTool({
      name: `ask_${agent.name}`,
      description: 'Delegates.',
      inputSchema: nothing,
      execute: () => spawned([{ agent, job: 'go' }]),
      settle: ([report]) => ({ content: report?.text ?? report?.fault?.message ?? '' }),
    });
  const leaf = defineAgent({ name: 'leaf', instructions: '' });
  const middle = defineAgent({ name: 'middle', instructions: '', tools: [asking(leaf), gate.tool] });
  const lead = defineAgent({ name: 'lead', instructions: '', tools: [asking(middle), gate.tool] });
  const turns = {
    lead: [['ask_middle', 'gate'], ['ask_middle'], ['gate'], ['ask_middle']],
    middle: [['gate'], ['ask_leaf']],
    leaf: [],
  };
  const script = (_request: unknown, { agent, turn }: { agent: string; turn: number }) => {
    const names = turns[agent as keyof typeof turns][turn - 1];
    return names ? calling(...names) : `The ${agent} is done.`;
  };
  /** Lets through who has waited longest. */
  const pass = async () => {
    gate.open.shift()?.finish();
    await settle();
  };
  return { lead, agents: [lead, middle, leaf], script, pass };
};
const resultsOf = (calls: readonly { tool: string; result: string }[], tool: string) =>
  calls.flatMap((call) => (call.tool === tool ? [call.result] : []));
const refused = (agent: string) =>
  `"${agent}" was not started: spawning is paused. Try again later, or do this work yourself.`;

describe('a run whose spawning is paused [HM-003]', () => {
  test('is refused children, and so is each below it; what is at work goes on, and so do other trees', async () => {
    const { lead, script, pass } = office();
    const { runtime, types, events } = openRuntime({ provider: scriptedProvider(script) });
    // given a lead and a middle that both wait
    const run = runtime.start(lead, 'go', { runId: 'held' });
    await settle();
    // when it may start nothing any more
    expect(await run.can({ type: 'pauseSpawning' })).toEqual({ status: 'accepted' });
    expect(await run.pauseSpawning()).toEqual({ status: 'accepted' });
    expect(await run.pauseSpawning()).toEqual({ status: 'rejected', reason: 'spawning is paused already' });
    // then the middle that is there goes on, without its leaf, and the lead without another middle
    while (types('held').filter((type) => type === 'turn.completed').length < 3) await pass();
    expect(ofType(events, 'child.started').map(({ childId }) => childId)).toEqual(['held/1-0/0']);
    expect(ofType(events, 'child.refused').map(({ runId, code }) => `${runId} ${code}`)).toEqual([
      'held/1-0/0 spawn.refused',
      'held spawn.refused',
    ]);
    // and another tree has its own
    const free = runtime.start(lead, 'go', { runId: 'free' });
    await settle();
    expect(types('free')).toContain('child.started');
    await free.interrupt();
    // until it is let go
    expect(await run.resumeSpawning()).toEqual({ status: 'accepted' });
    expect(await run.resumeSpawning()).toEqual({ status: 'rejected', reason: 'spawning is not paused' });
    while (run.status === 'running') await pass();
    const report = await run.ended;
    expect(resultsOf(report.calls, 'ask_middle').map((result) => result.includes('is done'))).toEqual([
      true,
      false,
      true,
    ]);
    expect(resultsOf(report.calls, 'ask_middle')[1]).toContain(refused('middle'));
    expect(ofType(events, 'spawning.paused')).toMatchObject([{ runId: 'held', by: 'user' }]);
    expect(ofType(events, 'spawning.resumed')).toMatchObject([{ runId: 'held', by: 'user' }]);
    // and it is told again as it was
    expect((await runtime.replay('held')).snapshot.status).toBe('done');
  });

  test('is so for who was let go, and has no parent any more', () => {
    const held = { context: { spawningPaused: true } } as never;
    const world = { spawningPaused: false, runs: new Map([['r', held]]) };
    expect(['r', 'r/1-0/0', 'r/1-0/0/2-1/3', 's', 's/1-0/0'].map((id) => isSpawningHeld(id, world))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(isSpawningHeld('s', { ...world, spawningPaused: true })).toBe(true);
  });

  test('hears of it from another process, and is so wherever it goes on', async () => {
    const { lead, agents } = office();
    const { boot, eventsOf } = machine();
    const there = boot(hangs, { agents });
    there.runtime.start(lead, 'go', { runId: 'held' });
    await settle();
    // when another process pauses it, and pauses it again
    const here = boot([calling('ask_middle'), 'Done.'], { agents });
    const run = await here.runtime.attach('held');
    const rejected = (reason: string) => ({ status: 'rejected', reason });
    for (const says of [{ status: 'accepted' }, rejected('spawning is paused already')]) {
      expect(await run.can({ type: 'pauseSpawning' })).toEqual(says);
      expect(await run.pauseSpawning()).toEqual(says);
    }
    for (const says of [{ status: 'accepted' }, rejected('spawning is not paused')]) {
      expect(await run.can({ type: 'resumeSpawning' })).toEqual(says);
      expect(await run.resumeSpawning()).toEqual(says);
    }
    expect(await run.pauseSpawning()).toEqual({ status: 'accepted' });
    // and it goes on there once its own is closed
    await there.runtime.close({ runs: 'suspend' });
    await here.runtime.recover();
    const { calls } = await (await here.runtime.attach('held')).ended;
    // then it is still so
    expect(calls.map(({ result }) => result)).toEqual([expect.stringContaining(refused('middle'))]);
    expect(eventsOf('held').flatMap(({ type }) => (type.startsWith('spawning.') ? [type] : []))).toEqual([
      'spawning.paused',
      'spawning.resumed',
      'spawning.paused',
    ]);
  });

  test('is told so as actor logic, too', async () => {
    const { lead, script } = office();
    const { runtime } = openRuntime({ provider: scriptedProvider(script) });
    const actor = createActor(agentLogic(lead, runtime), { input: 'go' });
    const heard: RunEvent['type'][] = [];
    actor.on('*', ({ type }) => heard.push(type));
    actor.start();
    for (const type of ['pauseSpawning', 'resumeSpawning', 'interrupt'] as const) {
      await settle();
      actor.send({ type } as never);
    }
    await settle();
    expect(heard.filter((type) => /^spawning|interrupted$/.test(type))).toEqual(
      expect.arrayContaining(['spawning.paused', 'spawning.resumed', 'run.interrupted']),
    );
  });
});
