import type { createRuntime } from '@troupe/core';
import type { Receipt } from '@troupe/protocol';
import { checkRunLaws, type Script } from '@troupe/testing';
import { describe, expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { only } from '../lead.ts';
import { apart, asking, clerk, hangs, leaf, leaseMs, machine, top } from './processes.ts';

describe('[L7] a command to a run that another process executes', () => {
  test('is delivered there, and settles when what came of it is stored', async () => {
    const { run, executed, eventsOf, base } = await apart();
    expect(await run.steer('Hurry.')).toEqual({ status: 'deferred', until: 'turn.completed' });
    expect(only(eventsOf('root'), 'run.steered')).toMatchObject([{ text: 'Hurry.' }]);
    expect(await run.pause()).toEqual({ status: 'accepted' });
    expect([executed.status, run.status]).toEqual(['paused', 'paused']);
    expect(await run.pause()).toEqual({ status: 'rejected', reason: 'the run is paused already' });
    expect(await run.resume()).toEqual({ status: 'accepted' });
    expect([executed.status, run.status]).toEqual(['running', 'running']);
    const report = run.report;
    expect(await run.interrupt('Enough.')).toEqual({ status: 'accepted' });
    expect(await report).toMatchObject({ status: 'interrupted', exitReason: 'interrupted' });
    expect(eventsOf('root').at(-1)).toMatchObject({ type: 'run.interrupted', reason: 'Enough.' });
    expect(run.status).toBe('interrupted');
    expect(await run.steer('Too late.')).toEqual({ status: 'rejected', reason: 'the run has ended: interrupted' });
    expect(checkRunLaws(eventsOf('root'))).toEqual([]);
    expect(base.inbox('runtime0')).toEqual([]);
  });

  test('and its report are there in both processes', async () => {
    const gate = Promise.withResolvers<string>();
    const { run, executed } = await apart(() => gate.promise);
    const reports = [run.report, run.ended, executed.report];
    gate.resolve('Done.');
    expect(await Promise.all(reports.map(async (report) => (await report).text))).toEqual(['Done.', 'Done.', 'Done.']);
  });

  test.each([
    [
      'answering the question',
      async (runtime: ReturnType<typeof createRuntime>) => runtime.answer('root/1-0/0/1-0?', true),
    ],
    [
      'answering it through a handle of the root',
      async (runtime: ReturnType<typeof createRuntime>) => {
        const run = await runtime.attach('root');
        expect(run.questions).toMatchObject([{ id: 'root/1-0/0/1-0?' }]);
        return run.answer('root/1-0/0/1-0?', true);
      },
    ],
    [
      'resuming the root',
      async (runtime: ReturnType<typeof createRuntime>) => {
        expect(await runtime.resume('root', true)).toMatchObject({ status: 'completed', text: 'top: leaf: did it' });
        return { status: 'accepted' };
      },
    ],
    [
      'resuming the run that asks',
      async (runtime: ReturnType<typeof createRuntime>) => {
        expect(await runtime.resume('root/1-0/0', true)).toMatchObject({ status: 'completed', text: 'leaf: did it' });
        return { status: 'accepted' };
      },
    ],
  ])('may be an answer, at any depth: %s', async (_what, answer) => {
    const world = machine();
    const agents = [top, leaf];
    const there = world.boot(asking, { agents });
    const here = world.boot([], { agents });
    const executed = there.runtime.start(top, 'go', { runId: 'root' });
    expect((await executed.report).status).toBe('paused');
    const handle = await here.runtime.attach('root');
    expect((await handle.report).questions).toHaveLength(1);
    expect(await answer(here.runtime)).toEqual({ status: 'accepted' });
    expect(await executed.ended).toMatchObject({ text: 'top: leaf: did it' });
    expect(await handle.ended).toMatchObject({ text: 'top: leaf: did it' });
    expect(handle.questions).toEqual([]);
    // the same answer once more, and another one
    expect(await here.runtime.answer('root/1-0/0/1-0?', true)).toEqual({ status: 'accepted' });
    expect(await here.runtime.answer('root/1-0/0/1-0?', false)).toMatchObject({ status: 'rejected' });
    expect(only(world.eventsOf('root'), 'question.answered')).toHaveLength(1);
  });

  test('that is not clear, or answers nothing, is rejected there', async () => {
    const world = machine();
    const there = world.boot(asking, { agents: [leaf] });
    const here = world.boot([], { agents: [leaf] });
    await there.runtime.start(leaf, 'go', { runId: 'root' }).report;
    expect(await here.runtime.answer('root/1-0?', 'perhaps')).toMatchObject({
      status: 'rejected',
      reason: expect.stringContaining('the answer is not clear'),
    });
    expect(await here.runtime.answer('root/7-0?', true)).toEqual({
      status: 'rejected',
      reason: 'no open question "root/7-0?"',
    });
    expect(await here.runtime.answer('root/1-0?', 'yes')).toEqual({ status: 'accepted' });
  });

  test('lets a run go on that was paused by hand', async () => {
    const gate = Promise.withResolvers<string>();
    const { here, executed } = await apart(() => gate.promise);
    await executed.pause();
    gate.resolve('Done.');
    expect(await here.runtime.resume('root')).toMatchObject({ status: 'completed', text: 'Done.' });
  });

  test('is heard once, whenever the process that hears it dies', async () => {
    for (const as of ['heard', 'unheard'] as const)
      for (let afterCommit = 2; ; afterCommit++) {
        const { boot, eventsOf, clock } = machine();
        const gate = Promise.withResolvers<string>();
        const script: Script = async ({ messages }) =>
          messages.some(({ content }) => content === 'Hurry.') ? 'Hurried.' : gate.promise;
        const there = boot(script, { agents: [clerk] }, { afterCommit, as });
        there.runtime.start(clerk, 'go', { runId: 'root' });
        await settle();
        const here = boot(script, { agents: [clerk] });
        const receipt = (await here.runtime.attach('root')).steer('Hurry.');
        await settle();
        gate.resolve('Too early.');
        await settle();
        if (!there.mortal.dead) {
          expect(afterCommit).toBeGreaterThan(3);
          break;
        }
        // then nobody renews the lease, and the sender takes the run up
        for (let i = 0; i < 5; i++) {
          clock.increment(leaseMs);
          await settle();
        }
        expect(await receipt).toMatchObject({ status: 'deferred' });
        await here.runtime.recover();
        expect(await (await here.runtime.attach('root')).ended).toMatchObject({ text: 'Hurried.' });
        expect(only(eventsOf('root'), 'run.steered')).toHaveLength(1);
        expect(checkRunLaws(eventsOf('root'))).toEqual([]);
      }
  });

  test('lies in the inbox of whoever takes the run up next', async () => {
    const { boot, base, clock, eventsOf } = machine();
    const there = boot(hangs, { agents: [clerk] });
    there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    there.mortal.die();
    await base.post({ id: 'm', runId: 'root', at: 0, message: { type: 'steer', text: 'Hurry.' } });
    clock.increment(leaseMs);
    const next = boot(hangs, { agents: [clerk] });
    await next.runtime.recover();
    await settle();
    expect(only(eventsOf('root'), 'run.steered')).toHaveLength(1);
    expect(base.receipt('m')).toEqual({ status: 'deferred', until: 'turn.completed' });
    // and not again
    await next.runtime.close({ runs: 'suspend' });
    const last = boot(hangs, { agents: [clerk] });
    await last.runtime.recover();
    await settle();
    expect(only(eventsOf('root'), 'run.steered')).toHaveLength(1);
  });

  test('is rejected when the run ends before it hears of it', async () => {
    const { boot } = machine();
    const gate = Promise.withResolvers<string>();
    const there = boot(() => gate.promise, { agents: [clerk] });
    const executed = there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    Object.assign(there.mortal.store, { inbox: () => [] });
    const here = boot([], { agents: [clerk] });
    const receipt = (await here.runtime.attach('root')).steer('Hurry.');
    await settle();
    gate.resolve('Done.');
    await executed.ended;
    expect(await receipt).toEqual({ status: 'rejected', reason: 'the run has ended: completed' });
  });

  test('that cannot be left in the store, or is waited for when the runtime closes, is rejected', async () => {
    const { boot } = machine();
    const there = boot(hangs, { agents: [clerk] });
    there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    there.mortal.store.inbox = () => [];
    const full = boot([], { agents: [clerk] });
    Object.assign(full.mortal.store, {
      post: () => {
        throw new Error('The disk is full.');
      },
    });
    expect(await (await full.runtime.attach('root')).steer('Hurry.')).toEqual({
      status: 'rejected',
      reason: 'The disk is full.',
    });
    const here = boot([], { agents: [clerk] });
    const run = await here.runtime.attach('root');
    const receipts: Promise<Receipt>[] = [run.steer('Hurry.'), run.pause()];
    await settle();
    await here.runtime.close();
    for (const receipt of receipts)
      expect(await receipt).toEqual({ status: 'rejected', reason: 'the runtime is closed' });
  });

  test('brings no secret into the store', async () => {
    const { run, here, eventsOf } = await apart();
    const sent: unknown[] = [];
    const { post: real } = here.mortal.store;
    const post: typeof real = (mail) => {
      sent.push(mail);
      return real(mail);
    };
    Object.assign(here.mortal.store, { post });
    const receipt = run.steer('Use sk-abcdefgh12345678.');
    await settle();
    expect(sent).toMatchObject([{ message: { text: 'Use [redacted].' } }]);
    await run.interrupt();
    expect((await receipt).status).toBe('deferred');
    expect(JSON.stringify(eventsOf('root'))).not.toContain('sk-abcdefgh');
  });
});
