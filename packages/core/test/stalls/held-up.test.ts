import { defineAgent, type RuntimeOptions } from '@troupe/core';
import type { Script } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { delegating, gatedTool, guardedTool, ofType } from '../control/tools.ts';
import { leadOf } from '../lead.ts';
import { machine } from '../recovery/processes.ts';
import { alone, childId, fedRuntime, grandchildId, inARow, rootId } from './fed.ts';

const heartbeat = { idleMs: 1_000, callMs: 1_000, graceMs: 0, onStall: 'interrupt' } as const;
const rules = [
  ['its limit of silence', { budget: { idleMs: 1_000 } }, 'idle_timeout'],
  ['its heartbeat', { heartbeat }, 'stalled'],
] as const;
const never = 1e7;

describe.each(rules)('[F-18] for %s', (_rule, rule, exitReason) => {
  test('time in which a run waits for a person does not count, and a new silence begins with the answer', async () => {
    const { tool } = guardedTool();
    const gate = gatedTool('dig');
    const { run, pass, call } = await alone({ ...rule, tools: [tool, gate.tool] });
    await pass(999);
    await call(rootId, 'erase');
    await pass(never);
    expect(run.status).toBe('paused');
    await run.answer(run.questions[0]?.id ?? '', true);
    await pass(999);
    expect(run.status).toBe('running');
    await pass(1);
    expect(await run.ended).toMatchObject({ exitReason });
  });

  test('time in which a run is paused does not count, and a new silence begins when it is resumed', async () => {
    const { run, pass } = await alone(rule);
    await pass(999);
    await run.pause();
    await pass(never);
    await run.resume();
    await pass(999);
    expect(run.status).toBe('running');
    await pass(1);
    expect(await run.ended).toMatchObject({ exitReason });
  });

  test('a run that is paused in its last moment is not silent any more', async () => {
    const { run, pass, warned } = await alone({ ...rule });
    await pass(999);
    await run.pause();
    await pass(1);
    await pass(never);
    expect([run.status, warned().length <= 1]).toEqual(['paused', true]);
    await run.interrupt();
  });

  test('a run below that is paused, or waits for a person, holds up those above it', async () => {
    const { tool } = guardedTool();
    const { run, pass, call, answer, events } = await inARow({
      root: rule,
      child: rule,
      grandchild: { ...rule, tools: [tool] },
    });
    await pass(500);
    await run.child(grandchildId).pause();
    await pass(never);
    expect(ofType(events, 'run.failed')).toEqual([]);
    await run.child(grandchildId).resume();
    await pass(999);
    await call(grandchildId, 'erase');
    await pass(never);
    expect([run.status, ofType(events, 'run.failed')]).toEqual(['paused', []]);
    await run.answer(run.questions[0]?.id ?? '', true);
    await answer(grandchildId);
    await pass(999);
    expect(ofType(events, 'run.failed')).toEqual([]);
    await pass(1);
    expect(ofType(events, 'run.failed')).toMatchObject([{ runId: childId, exitReason }]);
    await answer(rootId);
    expect(await run.ended).toMatchObject({ status: 'completed' });
  });

  test('a run beside one that is paused is silent all the same', async () => {
    const child = leadOf({ name: 'child' });
    const fed = fedRuntime();
    const run = fed.runtime.start(leadOf({ ...rule, tools: [delegating(child, { count: 2 })] }), 'Go.', {
      runId: rootId,
    });
    await fed.call(rootId, 'ask_child');
    await run.child(childId).pause();
    await fed.pass(1_000);
    await fed.pass(10);
    expect(ofType(fed.events, 'run.failed')[0]).toMatchObject({ exitReason });
    await run.interrupt();
  });

  test('time in queues does not count: before a run has begun, and when it wants to go on', async () => {
    const gate = gatedTool('dig');
    const leaf = defineAgent({ name: 'leaf', instructions: '' });
    const child = leadOf({ name: 'child', ...rule, tools: [delegating(leaf)] });
    const fed = fedRuntime();
    const root = leadOf({ budget: { concurrency: 1 }, tools: [delegating(child, { count: 2 }), gate.tool] });
    const run = fed.runtime.start(root, 'Go.', { runId: rootId });
    await fed.call(rootId, 'ask_child');
    const other = 'root/1-0/1';
    // given a first child that works, and a second that is queued
    for (let n = 0; n < 5; n++) {
      await fed.pass(999);
      await fed.speak(childId);
    }
    expect(run.child(other).status).toBe('queued');
    // the first waits for its own child: the second has its place, and keeps it when the first wants to go on
    await fed.call(childId, 'ask_leaf');
    await fed.answer(grandchildId);
    for (let n = 0; n < 5; n++) {
      await fed.pass(999);
      await fed.speak(other);
    }
    expect(ofType(fed.events, 'run.failed')).toEqual([]);
    await fed.answer(other);
    await fed.pass(999);
    expect(run.child(childId).status).toBe('running');
    await fed.pass(1);
    expect(ofType(fed.events, 'run.failed')).toMatchObject([{ runId: childId, exitReason }]);
    await fed.answer(rootId);
    await run.ended;
  });

  test('a run whose children are all held up, one paused and one queued, is not silent', async () => {
    const child = leadOf({ name: 'child' });
    const fed = fedRuntime();
    const tools = [delegating(child, { count: 2 })];
    const run = fed.runtime.start(
      leadOf({ ...rule, budget: { ...('budget' in rule && rule.budget), concurrency: 1 }, tools }),
      'Go.',
      {
        runId: rootId,
      },
    );
    await fed.call(rootId, 'ask_child');
    await run.child(childId).pause();
    await run.child('root/1-0/1').pause();
    await fed.pass(never);
    await fed.pass(never);
    expect(ofType(fed.events, 'run.failed')).toEqual([]);
    await run.child(childId).resume();
    await fed.pass(999);
    expect(ofType(fed.events, 'run.failed')).toEqual([]);
    await fed.pass(1);
    await fed.pass(0);
    expect(ofType(fed.events, 'run.failed')[0]).toMatchObject({ exitReason });
    await run.interrupt();
  });

  test('[L7] time between a crash and the recovery does not count, and a new silence begins', async () => {
    const lead = leadOf({ name: 'lead', ...rule, tools: [delegating(leadOf({ name: 'child', ...rule }))] });
    const agents: RuntimeOptions['agents'] = [lead, leadOf({ name: 'child', ...rule })];
    const script: Script = ({ messages }, { agent }) =>
      agent === 'lead' && !messages.some(({ role }) => role === 'tool')
        ? { calls: [{ name: 'ask_child', arguments: {} }] }
        : { hang: true };
    const { boot, clock, eventsOf } = machine();
    const first = boot(script, { agents, leaseMs: 0 });
    first.runtime.start(lead, 'Go.', { runId: rootId });
    await settle();
    clock.increment(999);
    await settle();
    first.mortal.die();
    clock.increment(never);
    await settle();
    const second = boot(script, { agents, leaseMs: 0 });
    const { recovered } = await second.runtime.recover();
    await settle();
    clock.increment(999);
    await settle();
    expect(recovered[0]?.status).toBe('running');
    expect(eventsOf(rootId).filter(({ type }) => type === 'run.failed')).toEqual([]);
    clock.increment(1);
    await settle();
    expect(eventsOf(rootId).filter(({ type }) => type === 'run.failed')).toMatchObject([
      { runId: childId, exitReason },
    ]);
    clock.increment(1_000);
    await settle();
    expect(await recovered[0]?.ended).toMatchObject({ status: 'failed', exitReason });
    expect((await second.runtime.replay(rootId)).snapshot.value).toBe('failed');
  });
});
