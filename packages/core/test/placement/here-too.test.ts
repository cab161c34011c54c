import { defineAgent } from '@troupe/core';
import { isTerminal } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { collected } from '../../../../test/support/collected.ts';
import { settle } from '../../../../test/support/open-runtime.ts';
import { type LiveRun, openLiveRun } from '../../src/run/live-run.ts';
import { openInert } from '../../src/runtime/inert.ts';
import { watch } from '../recovery/processes.ts';
import { askingFleet } from './fleet.ts';

/** A program that executes its placed children itself, and a handle of one, taken while that is at work. */
const atOnce = async (
  how: 'attach' | 'child',
  { waits = true, release }: { waits?: boolean; release?: Promise<void> } = {},
) => {
  const fleet = askingFleet();
  const { runtime, mortal } = await fleet.serve('w1', fleet.script);
  const childId = 'root/1-0/0';
  const taken = Promise.withResolvers<Awaited<ReturnType<typeof runtime.attach>>>();
  const heard: string[] = [];
  runtime.events$.subscribe((event) => {
    if (event.runId !== childId || event.type !== 'run.started') return;
    if (how === 'child') taken.resolve(root.child(childId));
    else runtime.attach(childId).then(taken.resolve, taken.reject);
  });
  const root = runtime.start(fleet.boss, 'go', { runId: 'root' });
  const child = await taken.promise;
  child.events$.subscribe((event) => heard.push(event.type));
  const { release: giveBack } = mortal.store;
  if (release)
    mortal.store.release = async (...given) => {
      await release;
      await giveBack(...given);
    };
  const never = new Promise<never>(() => {});
  const settled = watch(waits ? child.report : never);
  const ended = watch(waits ? child.ended : never);
  await settle(200);
  await fleet.pass(3);
  return { ...fleet, runtime, root, child, settled, ended, heard };
};

describe.each(['attach', 'child'] as const)(
  'a handle by %s of a placed child that this process executes, and that rests',
  (how) => {
    test('settles, answers, and sees its end [L1]', async () => {
      const { root, child, settled, ended, pass, ran, heard } = await atOnce(how);
      expect(settled.value).toMatchObject({ status: 'paused' });
      expect(ended.state).toBe('pending');
      expect([child.status, child.questions.length]).toEqual(['paused', 1]);
      expect(await child.can({ type: 'interrupt' })).toMatchObject({ status: 'accepted' });
      const answered = watch(child.answer(child.questions[0]?.id ?? '', true));
      await settle(200);
      await pass(3);
      expect(answered.value).toMatchObject({ status: 'accepted' });
      expect(ran()).toBe(1);
      expect(ended.value).toMatchObject({ status: 'completed' });
      expect(await child.report).toMatchObject({ status: 'completed' });
      expect(child.status).toBe('completed');
      expect(heard.filter((type) => isTerminal({ type } as never))).toHaveLength(1);
      expect(await root.report).toMatchObject({ status: 'completed' });
    });

    test('shows how it goes on, though nobody waits for anything', async () => {
      const { root, child, pass } = await atOnce(how, { waits: false });
      await root.answer(root.questions[0]?.id ?? '', true);
      await settle(200);
      await pass(3);
      expect(child.status).toBe('completed');
    });

    test('is answered while it is put back', async () => {
      const release = Promise.withResolvers<void>();
      const { child, ended, pass } = await atOnce(how, { release: release.promise });
      const [question] = child.questions;
      const answered = watch(child.answer(question?.id ?? '', true));
      await settle(200);
      expect(answered.state).toBe('pending');
      release.resolve();
      await settle(200);
      await pass(3);
      expect(answered.value).toMatchObject({ status: 'accepted' });
      expect(ended.value).toMatchObject({ status: 'completed' });
    });

    test('is interrupted [L1]', async () => {
      const { child, ended, pass } = await atOnce(how);
      const interrupted = watch(child.interrupt('Enough.'));
      await settle(200);
      await pass(3);
      expect(interrupted.value).toMatchObject({ status: 'accepted' });
      expect(ended.value).toMatchObject({ status: 'interrupted' });
      expect(child.status).toBe('interrupted');
    });
  },
);

test('a handle that is taken while its run is looked at and left alone shows how it goes on', async () => {
  const fleet = askingFleet();
  const { runtime, mortal } = await fleet.serve('w1', fleet.script);
  const root = runtime.start(fleet.boss, 'go', { runId: 'root' });
  await settle(200);
  await collected();
  // given a worker that looks whether there is something to do
  const looked = Promise.withResolvers<void>();
  const { inbox } = mortal.store;
  mortal.store.inbox = async (owner) => {
    const mail = await inbox(owner);
    await looked.promise;
    return mail;
  };
  await fleet.engine.placement.dispatch({ runId: 'root/1-0/0', queue: 'troupe' });
  await settle(100);
  const child = await runtime.attach('root/1-0/0');
  looked.resolve();
  await settle(100);
  await root.answer(root.questions[0]?.id ?? '', true);
  await settle(200);
  await fleet.pass(3);
  expect(child.status).toBe('completed');
});

test('a run that is not here is remembered for as long as somebody holds a handle of it', async () => {
  const inert = openInert();
  const agent = defineAgent({ name: 'leaf', instructions: '' });
  const hold = (runId: string): LiveRun => {
    const about = { runId, rootId: runId, depth: 0, model: 'm', job: { input: '' }, agent, tools: new Map() };
    const run = openLiveRun(about);
    inert.set(run);
    return run;
  };
  const held = hold('held');
  const other = new WeakRef(hold('other'));
  await collected();
  expect([inert.get('held'), inert.get('other'), other.deref()]).toEqual([held, undefined, undefined]);
  // one that comes in the place of another stays
  const again = hold('other');
  await collected();
  expect(inert.get('other')).toBe(again);
});
