import type { StoredEvent } from '@troupe/protocol';
import { describe, expect, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { watch } from '../recovery/processes.ts';
import { askingFleet, gated, lead, openFleet } from './fleet.ts';

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

  test('and a child that was held by itself stays so', async () => {
    const fleet = openFleet();
    const { script, open } = gated();
    const { runtime } = fleet.boot(script);
    await fleet.serve('w1', script);
    const root = runtime.start(lead, 'a b', { runId: 'root' });
    await settle(100);
    await root.pause();
    await settle(100);
    await root.resume();
    await settle(100);
    await root.child('root/1-0/0').pause();
    await settle(100);
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
