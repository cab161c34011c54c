import { defineAgent, storedRuns } from '@troupe/core';
import type { RunEvent, RunStore } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { calling, guardedTool } from '../control/tools.ts';
import { clerk, hangs, machine } from './processes.ts';
import { silent } from './program.ts';

const keeper = (tool = guardedTool().tool) => defineAgent({ name: 'keeper', instructions: '', tools: [tool] });
/** A process that executes runs, and one that only looks at its store. */
const beside = (script: Parameters<ReturnType<typeof machine>['boot']>[0]) => {
  const world = machine();
  const there = world.boot(script, { agents: [clerk, keeper()] });
  const other = world.boot([]);
  const seen = storedRuns(other.mortal.store, { clock: world.clock, logger: silent });
  return { ...world, there, seen, store: other.mortal.store as RunStore };
};
const steer = { type: 'steer', text: 'Hurry.' } as const;

describe('runs of a store, seen by a program that executes none', () => {
  test('are listed and told as they go on, and replayed', async () => {
    const { there, seen } = beside(['Done.']);
    const told: RunEvent[] = [];
    const watch = seen.events().subscribe((event) => void told.push(event));
    there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    expect(told.map(({ type }) => type)).toEqual(['run.started', 'turn.started', 'turn.completed', 'run.completed']);
    watch.unsubscribe();
    const again: RunEvent[] = [];
    for await (const event of seen.events({ rootId: 'root' })) if (again.push(event) === told.length) break;
    expect(again.map((event) => 'id' in event && event.id)).toEqual(told.map((event) => 'id' in event && event.id));
    expect(await seen.runs.get('root')).toMatchObject({ status: 'completed' });
    expect((await seen.runs.list()).map(({ runId }) => runId)).toEqual(['root']);
    expect((await seen.replay('root')).snapshot.status).toBe('done');
    await expect(seen.replay('nobody')).rejects.toMatchObject({ code: 'run.unknown' });
  });

  test('hear commands where they are executed, and the receipt comes back', async () => {
    const { there, seen } = beside(() => ({ hang: true }));
    const run = there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    expect(await seen.can('root', steer)).toEqual({ status: 'deferred', until: 'turn.completed' });
    expect(await seen.send('root', steer)).toEqual({ status: 'deferred', until: 'turn.completed' });
    expect(await seen.send('root', { type: 'raise', budget: { turns: 50 } })).toEqual({ status: 'accepted' });
    expect(await seen.can('root', { type: 'raise', budget: { deadlineMs: 5 } })).toMatchObject({ status: 'rejected' });
    for (const does of [seen.can, seen.send])
      expect(await does('root', { type: 'pauseSpawning' })).toEqual({ status: 'accepted' });
    expect(await seen.can('root', { type: 'pauseSpawning' })).toMatchObject({ reason: 'spawning is paused already' });
    expect(await seen.send('root', { type: 'resumeSpawning' })).toEqual({ status: 'accepted' });
    expect(await seen.send('root', { type: 'resumeSpawning' })).toMatchObject({ reason: 'spawning is not paused' });
    expect(await seen.send('root', { type: 'interrupt' })).toEqual({ status: 'accepted' });
    expect(await run.ended).toMatchObject({ status: 'interrupted' });
    for (const does of [seen.can, seen.send])
      expect(await does('root', { type: 'pause' })).toEqual({
        status: 'rejected',
        reason: 'the run has ended: interrupted',
      });
  });

  test('are answered once, by a question of the tree', async () => {
    const { there, seen } = beside([calling('erase'), 'Done.']);
    const run = there.runtime.start(keeper(), 'go', { runId: 'root' });
    const { questions } = await run.report;
    const answer = { type: 'answer', questionId: questions[0]?.id ?? '', answer: true } as const;
    expect(await seen.can('root', { ...answer, answer: 'perhaps' })).toMatchObject({
      status: 'rejected',
      reason: expect.stringContaining('not clear'),
    });
    expect(await seen.can('other', answer)).toMatchObject({ reason: expect.stringContaining('not asked below') });
    expect(await seen.send('root', answer)).toEqual({ status: 'accepted' });
    await run.ended;
    expect(await seen.can('root', answer)).toEqual({ status: 'accepted' });
    expect(await seen.can('root', { ...answer, answer: false })).toEqual({
      status: 'rejected',
      reason: 'already answered',
    });
    // another question than the run has
    expect(await seen.can('root', { ...answer, questionId: 'root/9-0?' })).toMatchObject({ status: 'rejected' });
  });

  test('that nobody executes take no command, and stay as they are', async () => {
    const { there, seen, base, pass } = beside(hangs);
    there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    await there.runtime.close({ runs: 'suspend' });
    const before = await base.get('root');
    for (const does of [seen.can, seen.send])
      expect(await does('root', { type: 'interrupt' })).toMatchObject({
        status: 'rejected',
        reason: expect.stringContaining('no process executes run "root"'),
      });
    await pass();
    expect(await base.get('root')).toEqual(before);
    expect(await seen.can('nobody', steer)).toEqual({ status: 'rejected', reason: 'there is no run "nobody"' });
    await expect(seen.send('nobody', steer)).rejects.toMatchObject({ code: 'run.unknown' });
  });

  test('whose process dies before it hears a command reject it, once its lease has run out', async () => {
    const { there, seen, pass, store } = beside(hangs);
    there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    there.mortal.die();
    expect(await store.holder('root')).not.toBeNull();
    const receipt = seen.send('root', steer);
    await pass();
    expect(await receipt).toMatchObject({
      status: 'rejected',
      reason: expect.stringContaining('no process executes run "root"'),
    });
  });

  test('keep no command when the one who looks leaves', async () => {
    const { there, seen, store } = beside(hangs);
    there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    there.mortal.die();
    const receipt = seen.send('root', steer);
    await settle();
    seen.close();
    expect(await receipt).toEqual({ status: 'rejected', reason: 'the runtime is closed' });
    expect(await store.inbox('runtime0')).toEqual([]);
  });

  test('an observer that throws is logged, and breaks nothing [L8]', async () => {
    const { there, store } = beside(['Done.']);
    const logged: string[] = [];
    const seen = storedRuns(store, { logger: { warn() {}, error: (text) => void logged.push(text) } });
    seen.events().subscribe(() => {
      throw new Error('boom');
    });
    there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    expect((await seen.runs.get('root'))?.status).toBe('completed');
    expect(logged.length).toBeGreaterThan(0);
  });
});
