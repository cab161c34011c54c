import { defineAgent, defineTool } from '@troupe/core';
import type { StoredEvent } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { settle } from '../../../../test/support/open-runtime.ts';
import { calling, guardedTool } from '../control/tools.ts';
import { watch } from '../recovery/processes.ts';
import { askingFleet, delegating, gated, handingOver, lead, leaf, openFleet } from './fleet.ts';

type Fleet = ReturnType<typeof openFleet>;
type Runtime = ReturnType<Fleet['boot']>['runtime'];

/** What a run comes to where whoever asks a person is told yes. */
const endOf = async ({ pass }: Fleet, runtime: Runtime, run: Awaited<ReturnType<Runtime['attach']>>) => {
  const ended = watch(run.ended);
  for (let i = 0; i < 5 && (ended.state === 'pending' || run.questions.length > 0); i++) {
    await settle(100);
    await pass(3);
    for (const { id } of run.questions) watch(runtime.answer(id, true));
    if (run.status === 'paused') watch(run.resume());
  }
  return ended.value && { status: ended.value.status, text: ended.value.text };
};

/** What each run of a tree said, in order, but for what only a fork says. */
const saidIn = (events: readonly StoredEvent[], left: readonly string[] = []): Record<string, string[]> => {
  const said: Record<string, string[]> = {};
  for (const event of events) {
    const { runId, rootId, type } = event;
    if (type === 'run.forked' || type === 'run.recovered' || (runId === rootId && left.includes(type))) continue;
    const who = runId.slice(rootId.length);
    said[who] = [...(said[who] ?? []), 'exitReason' in event ? `${type}: ${event.exitReason}` : type];
  }
  return said;
};

/** Forks a tree at each of its events, and says what each fork has come to. */
const everyFork = async (
  fleet: Fleet,
  runtime: Runtime,
  events: readonly StoredEvent[],
  {
    open = false,
    left = [],
    looked = async () => {},
  }: { open?: boolean; left?: readonly string[]; looked?(rootId: string): Promise<void> } = {},
): Promise<Record<string, unknown[]>> => {
  const ends: Record<string, unknown[]> = {};
  for (const { id, rootSeq, type } of events) {
    // A child that has not begun is sent its job again with its root.
    if (type === 'run.queued') continue;
    const fork = await runtime.fork('root', { at: id, runId: `f${rootSeq}` });
    await looked(fork.id);
    const end = await endOf(fleet, runtime, fork);
    ends[`${rootSeq} ${id} ${type}`] = [end, saidIn(fleet.check(`f${rootSeq}`, { open }), left)];
  }
  return ends;
};
const allOf = (events: readonly StoredEvent[], ...end: unknown[]) =>
  Object.fromEntries(
    events.flatMap(({ id, rootSeq, type }) => (type === 'run.queued' ? [] : [[`${rootSeq} ${id} ${type}`, end]])),
  );

/** A root whose two children wait for their models. */
const two = async () => {
  const fleet = openFleet();
  const { script, open } = gated();
  const { runtime } = fleet.boot(script);
  await fleet.serve('w1', script);
  const root = runtime.start(lead, 'a b', { runId: 'root' });
  await settle(100);
  const finish = async (): Promise<void> => {
    await settle(100);
    for (const job of ['a', 'b', 'a done, b done']) open(job);
    await settle(200);
    await fleet.pass(4);
  };
  return { fleet, runtime, root, child: root.child('root/1-0/0'), open, finish };
};

describe('a tree whose children others execute goes on in a fork, wherever it is cut [L1, L7]', () => {
  test('where they work side by side', async () => {
    const fleet = openFleet();
    const { runtime } = fleet.boot();
    await fleet.serve('w1');
    const end = await endOf(fleet, runtime, runtime.start(lead, 'a b', { runId: 'root' }));
    const events = fleet.eventsOf('root');
    expect(end).toMatchObject({ status: 'completed' });
    expect(await everyFork(fleet, runtime, events)).toEqual(allOf(events, end, saidIn(fleet.eventsOf('root'))));
  });

  test('where one waits for the slot of the other', async () => {
    const fleet = openFleet();
    const { runtime } = fleet.boot();
    await fleet.serve('w1');
    const job = { input: 'a b', budget: { concurrency: 1 } };
    const end = await endOf(fleet, runtime, runtime.start(lead, job, { runId: 'root' }));
    const events = fleet.eventsOf('root');
    expect(end).toMatchObject({ status: 'completed' });
    expect(await everyFork(fleet, runtime, events)).toEqual(allOf(events, end, saidIn(fleet.eventsOf('root'))));
  });

  test.each([
    ['and the call waits, too', 'a', {}, []],
    // when its root hears that several ask is a matter of time
    ['and others work', 'a b', {}, ['run.paused', 'run.resumed']],
    ['and the slot is given on meanwhile', 'a b', { concurrency: 1 }, ['run.paused', 'run.resumed']],
  ])('where one asks a person %s', async (_how, input, budget, left) => {
    const fleet = askingFleet();
    const { runtime } = fleet.boot(fleet.script);
    await fleet.serve('w1', fleet.script);
    const end = await endOf(fleet, runtime, runtime.start(fleet.boss, { input, budget }, { runId: 'root' }));
    const events = fleet.eventsOf('root');
    expect(end).toMatchObject({ status: 'completed' });
    expect(await everyFork(fleet, runtime, events, { left })).toEqual(allOf(events, end, saidIn(events, left)));
  });

  test('where one asks a person and is let go', async () => {
    const fleet = askingFleet({ onPaused: 'error' });
    const { runtime } = fleet.boot(fleet.script);
    await fleet.serve('w1', fleet.script);
    const end = await endOf(fleet, runtime, runtime.start(fleet.boss, 'go', { runId: 'root' }));
    const events = fleet.eventsOf('root').filter(({ rootSeq }) => rootSeq < 20);
    expect(end).toMatchObject({ status: 'completed' });
    expect(await everyFork(fleet, runtime, events, { open: true })).toEqual(
      allOf(events, end, saidIn(fleet.eventsOf('root'))),
    );
  });

  test.each([
    ['wait with it', 'bubble', 'remote'],
    ['are let go', 'error', 'remote'],
    ['wait with it, where their run is', 'bubble', 'local'],
    ['are let go, where their run is', 'error', 'local'],
  ] as const)('where those below its children ask a person and %s', async (_how, onPaused, placement) => {
    const { tool } = guardedTool();
    const asker = defineAgent({ name: 'asker', instructions: '', tools: [tool], placement });
    const middle = defineAgent({
      name: 'middle',
      instructions: '',
      tools: [delegating(asker, { onPaused })],
      placement: 'remote',
    });
    const top = defineAgent({ name: 'top', instructions: '', tools: [delegating(middle)] });
    const script: ReturnType<typeof gated>['script'] = (request, context) => {
      const isFirst = request.messages.at(-1)?.role !== 'tool';
      if (context.agent === 'asker') return isFirst ? calling('erase') : 'erased';
      return handingOver(request, context);
    };
    const fleet = openFleet([top, middle, asker]);
    const { runtime } = fleet.boot(script);
    await fleet.serve('w1', script);
    const end = await endOf(fleet, runtime, runtime.start(top, 'a', { runId: 'root' }));
    const all = fleet.eventsOf('root');
    const last = all.find(({ type, runId }) => type === 'run.completed' && runId === 'root')?.rootSeq ?? 0;
    const events = all.filter(({ rootSeq }) => rootSeq <= last);
    expect(end).toMatchObject({ status: 'completed' });
    const open = onPaused === 'error';
    const left = ['run.paused', 'run.resumed'];
    expect(await everyFork(fleet, runtime, events, { open, left })).toEqual(allOf(events, end, saidIn(all, left)));
  });

  test('where it is held, and goes on', async () => {
    const fleet = openFleet();
    const { script, open } = gated();
    const { runtime } = fleet.boot(script);
    await fleet.serve('w1', script);
    const root = runtime.start(lead, { input: 'a b', budget: { concurrency: 1 } }, { runId: 'root' });
    await settle(100);
    await root.pause();
    await settle(100);
    await root.resume();
    await settle(100);
    await root.pause();
    await settle(100);
    for (const job of ['a', 'b', 'a done, b done']) open(job);
    await settle(100);
    const end = await endOf(fleet, runtime, root);
    const events = fleet.eventsOf('root');
    expect(end).toMatchObject({ status: 'completed' });
    const working: string[] = [];
    const ends = await everyFork(fleet, runtime, events, {
      async looked(rootId) {
        await settle(100);
        await fleet.pass(2);
        if (fleet.statusOf(rootId) !== 'paused') return;
        const all = fleet.eventsOf(rootId);
        const forked = all.findIndex(({ type }) => type === 'run.forked');
        for (const { id, type } of all.slice(forked)) if (type === 'turn.completed') working.push(id);
      },
    });
    const came = Object.fromEntries(Object.entries(ends).map(([at, [what]]) => [at, [what]]));
    expect(came).toEqual(allOf(events, end));
    expect(working).toEqual([]);
  });

  test('where it is being interrupted', async () => {
    const fleet = askingFleet();
    const { runtime } = fleet.boot(fleet.script);
    await fleet.serve('w1', fleet.script);
    const root = runtime.start(fleet.boss, 'a b', { runId: 'root' });
    await settle(200);
    await root.interrupt('Enough.');
    const end = await endOf(fleet, runtime, root);
    expect(end).toMatchObject({ status: 'interrupted' });
    const events = fleet.eventsOf('root');
    const at = events.findIndex(({ type }) => type === 'run.interrupted');
    const cut = events.slice(at).filter(({ runId }) => runId !== 'root');
    expect(cut.length).toBeGreaterThan(0);
    // nobody has to wait until its time is up
    const looked = async (rootId: string) => {
      await settle(100);
      expect(fleet.statusOf(rootId)).toBe('interrupted');
    };
    expect(await everyFork(fleet, runtime, cut, { looked })).toEqual(allOf(cut, end, saidIn(events)));
  });

  test('and a child that was held and let go on by itself before is let go on with its parent', async () => {
    const { fleet, runtime, root, child, finish } = await two();
    for (const step of [() => child.pause(), () => child.resume(), () => root.pause(), () => root.resume()]) {
      await step();
      await settle(100);
    }
    const at = fleet.eventsOf('root').findLast(({ type, runId }) => type === 'run.resumed' && runId === 'root');
    await runtime.fork('root', { at: at?.id ?? '', runId: 'other' });
    await finish();
    expect([fleet.statusOf('root'), fleet.statusOf('other')]).toEqual(['completed', 'completed']);
  });

  test('and a child that was let go on by itself while its parent is held stays so', async () => {
    const { fleet, runtime, root, child, open } = await two();
    await root.pause();
    await settle(100);
    await child.resume();
    await settle(100);
    await runtime.fork('root', { at: fleet.eventsOf('root').at(-1)?.id ?? '', runId: 'other' });
    open('a');
    await settle(100);
    await fleet.pass(2);
    expect([fleet.statusOf(child.id), fleet.statusOf('other/1-0/0')]).toEqual(['completed', 'completed']);
    for (const id of ['other', 'root']) await (await runtime.attach(id)).interrupt();
    await settle(100);
  });

  test('and a child that was started while its parent is held waits with it', async () => {
    const { script: leaves, open } = gated();
    const begins = Promise.withResolvers<void>();
    const late = defineTool({
      name: 'late',
      description: '',
      inputSchema: z.object({}),
      async execute(_input, { spawn }) {
        await begins.promise;
        return String((await (await spawn(leaf, 'a')).report).text);
      },
    });
    const boss = defineAgent({ name: 'boss', instructions: '', tools: [late] });
    const fleet = openFleet([boss, leaf]);
    const script: typeof leaves = (request, context) => {
      if (context.agent === 'leaf') return leaves(request, context);
      return request.messages.at(-1)?.role === 'tool' ? 'done' : { calls: [{ name: 'late', arguments: {} }] };
    };
    const { runtime } = fleet.boot(script);
    await fleet.serve('w1', script);
    const root = runtime.start(boss, 'go', { runId: 'root' });
    await settle(100);
    await root.pause();
    begins.resolve();
    await settle(100);
    const at = fleet.eventsOf('root').find(({ type }) => type === 'child.requested')?.id ?? '';
    await runtime.fork('root', { at, runId: 'other' });
    open('a');
    await settle(200);
    await fleet.pass(3);
    for (const id of ['root', 'other'])
      expect([fleet.statusOf(id), fleet.statusOf(`${id}/1-0/0`)]).toEqual(['paused', 'paused']);
    for (const id of ['other', 'root']) await (await runtime.attach(id)).interrupt();
    await settle(100);
  });

  test('and a child whose call had run out of time is interrupted', async () => {
    const { script: leaves, open } = gated();
    const hasty = defineTool({
      name: 'hasty',
      description: '',
      inputSchema: z.object({}),
      timeoutMs: 1_000,
      execute: async (_input, { spawn }) => String((await (await spawn(leaf, 'a')).report).text),
    });
    const boss = defineAgent({ name: 'boss', instructions: '', tools: [delegating(leaf), hasty] });
    const fleet = openFleet([boss, leaf]);
    const script: typeof leaves = (request, context) => {
      if (context.agent === 'leaf') return leaves(request, context);
      if (request.messages.at(-1)?.role === 'tool') return 'done';
      return {
        calls: [
          { name: 'delegate', arguments: { jobs: ['b'] } },
          { name: 'hasty', arguments: {} },
        ],
      };
    };
    const { runtime } = fleet.boot(script);
    const { mortal } = await fleet.serve('w1', script);
    runtime.start(boss, 'go', { runId: 'root' });
    await settle(100);
    // given a worker that has not heard of it at the cut
    const { inbox } = mortal.store;
    const heard = Promise.withResolvers<void>();
    mortal.store.inbox = async (owner) => {
      await heard.promise;
      return inbox(owner);
    };
    fleet.clock.increment(1_000);
    await settle(50);
    open('b');
    await settle(50);
    const at = fleet.eventsOf('root').at(-1)?.id ?? '';
    heard.resolve();
    await settle(100);
    await runtime.fork('root', { at, runId: 'other' });
    await settle(200);
    await fleet.pass(3);
    for (const id of ['root', 'other'])
      expect([fleet.statusOf(id), fleet.statusOf(`${id}/1-1/0`)]).toEqual(['completed', 'interrupted']);
  });

  test('and a child that was held by itself stays so', async () => {
    const { fleet, runtime, root, child, open } = await two();
    for (const step of [() => root.pause(), () => root.resume(), () => child.pause()]) {
      await step();
      await settle(100);
    }
    open('b');
    await settle(100);
    const at = fleet.eventsOf('root').findLast(({ type }) => type === 'child.settled')?.id ?? '';
    await runtime.fork('root', { at, runId: 'other' });
    await settle(100);
    await fleet.pass(3);
    expect(fleet.statusOf('other/1-0/0')).toBe('paused');
    for (const id of ['other', 'root']) await (await runtime.attach(id)).interrupt();
    await settle(100);
  });
});
