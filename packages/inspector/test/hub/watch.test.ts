/** A run that is looked at while it goes on, by the chart of its watch: each path of it played to a real hub. */
import { memoryStore } from '@troupe/core';
import type { ReadEntry, ReadEvent, RunStore } from '@troupe/protocol';
import { pathsOf } from '@troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createActor, fromPromise, SimulatedClock } from 'xstate';
import { openHub } from '../../src/hub/hub.ts';
import { type RunSource, runtimeSource } from '../../src/hub/run-source.ts';
import { type Loaded, watchMachine } from '../../src/hub/watch-machine.ts';
import { type Step, ToPage } from '../../src/index.ts';
import { clerk } from '../clerk.ts';
import { calling, openProgram } from '../program.ts';
import { settle } from './gated-hub.ts';

const paths = pathsOf(watchMachine, {
  input: { isOver: false },
  abstract: ({ heard, shown, isOver }) => [heard > shown, isOver],
  events: [
    { type: 'heard', isLast: false },
    { type: 'heard', isLast: true },
  ],
  settles: {
    load: () => [{ output: { events: [], tookMs: 0 } }, { error: new Error('no disk') }],
    refresh: () => [{ output: { tookMs: 0 } }, { error: new Error('no disk') }],
  },
});

/** A run at work, a page that looks at it, and a source that answers when the test says so. */
const watched = async (change: (source: RunSource) => RunSource = (source) => source, store?: RunStore) => {
  const { runtime, say } = openProgram(store ? { store } : {});
  const run = runtime.start(clerk, 'go');
  await settle();
  const simulated = new SimulatedClock();
  const source = change(runtimeSource(runtime));
  const clock = {
    now: () => simulated.now(),
    setTimeout: (act: () => void, ms: number) => simulated.setTimeout(act, ms),
    clearTimeout: (timer: unknown) => simulated.clearTimeout(timer as number),
  };
  const hub = openHub({
    source,
    name: 'test',
    inspectUrl: '',
    clock,
    logger: { warn() {}, error() {} },
    maxBufferedBytes: 1e6,
  });
  onTestFinished(() => hub.close());
  const told: ToPage[] = [];
  await settle();
  const page = hub.connect({
    send: (text) => void told.push(ToPage.parse(JSON.parse(text))),
    buffered: () => 0,
    drop() {},
  });
  const look = () => page.receive(JSON.stringify({ type: 'watch', rowId: run.id }));
  const travel = (rootId: string) => page.receive(JSON.stringify({ type: 'travel', rootId, rootSeq: 1 }));
  /** The chart's steps as the page has them by now. */
  const steps = (): Step[] => {
    const all: Step[] = [];
    for (const message of told) {
      if (message.type === 'details') all.length = 0;
      if (message.type === 'details' || message.type === 'progress') all.push(...(message.chart?.steps ?? []));
    }
    return all;
  };
  return { runtime, run, say, simulated, told, look, travel, steps, hub };
};

describe('a run that is looked at', () => {
  test(`is shown as it is in the end, and asked about no more than once at a time: ${paths.length} paths of its watch`, async () => {
    expect(paths.length).toBeGreaterThan(8);
    for (const { description, steps } of paths) {
      const gates: { open(): void; fail(): void }[] = [];
      let [asked, atOnce, mostAtOnce] = [0, 0, 0];
      let isOpen = false;
      const gate = () =>
        new Promise<void>((open, reject) =>
          isOpen ? open() : gates.push({ open, fail: () => reject(new Error('no disk')) }),
        );
      const it = await watched((source) => ({
        ...source,
        events(query = {}) {
          const events = source.events(query);
          if (!('runId' in query)) return events;
          const read = async function* () {
            await gate();
            yield* { [Symbol.asyncIterator]: () => events[Symbol.asyncIterator]() };
          };
          return { [Symbol.asyncIterator]: () => read() } as never;
        },
        async replay(runId, options) {
          asked += 1;
          atOnce += 1;
          mostAtOnce = Math.max(mostAtOnce, atOnce);
          try {
            // Of the first one the events were waited for already.
            if (asked > 1) await gate();
            return await source.replay(runId, options);
          } finally {
            atOnce -= 1;
          }
        },
      }));
      it.look();
      await settle();
      let heard = 0;
      for (const { event } of steps.slice(1)) {
        if (event.type === 'heard' && it.run.status === 'running') {
          heard += 1;
          if ((event as { isLast?: boolean }).isLast) await it.run.interrupt();
          else await it.run.steer('More.');
        } else if (event.type.startsWith('xstate.error')) gates.shift()?.fail();
        else if (event.type.startsWith('xstate.done')) gates.shift()?.open();
        else it.simulated.increment(50);
        await settle();
      }
      isOpen = true;
      for (const { open } of gates.splice(0)) open();
      for (let i = 0; i < 4; i += 1) {
        await settle();
        it.simulated.increment(50);
      }
      // Whatever failed: it is found out when it is looked at again.
      if (description.includes('xstate.error')) it.look();
      for (let i = 0; i < 3; i += 1) {
        await settle();
        it.simulated.increment(50);
      }
      const whole = await it.runtime.replay(it.run.id);
      expect(
        it.steps().map(({ n, event }) => [n, event]),
        description,
      ).toEqual(whole.steps.map((step, n) => [n, step.heard.type]));
      expect(mostAtOnce, description).toBe(1);
      // What goes on from nothing any more is begun again; then it is looked at once more.
      expect(asked, description).toBeLessThanOrEqual(heard + 4);
      it.hub.close();
    }
  }, 60_000);

  test('rests twenty times as long as it took to find out how it stands, and 50 ms at least', async () => {
    const clock = new SimulatedClock();
    let refreshed = 0;
    let tookMs = 10;
    const opened: unknown[] = [];
    const actor = createActor(
      watchMachine.provide({
        actors: {
          load: fromPromise<Loaded>(async () => ({ events: [], tookMs: 1 })),
          refresh: fromPromise(async () => {
            refreshed += 1;
            return { tookMs };
          }),
        },
        actions: { open: (_scene, events) => void opened.push(events) },
      }),
      { clock, input: { isOver: false } },
    ).start();
    const pass = async (ms: number) => {
      await settle();
      clock.increment(ms);
      await settle();
    };
    await pass(50);
    expect([actor.getSnapshot().value, opened]).toEqual(['watching', [[]]]);
    actor.send({ type: 'heard', isLast: false });
    await settle();
    actor.send({ type: 'heard', isLast: false });
    await pass(199);
    expect([refreshed, actor.getSnapshot().value]).toEqual([1, 'resting']);
    tookMs = 0;
    await pass(1);
    expect(refreshed).toBe(2);
    actor.send({ type: 'heard', isLast: true });
    await pass(50);
    await pass(50);
    expect([refreshed, actor.getSnapshot().value]).toEqual([3, 'ended']);
    // a run whose end was not stored goes on
    actor.send({ type: 'heard', isLast: false });
    await pass(50);
    expect([refreshed, actor.getSnapshot().value]).toEqual([4, 'watching']);
    actor.stop();
  });

  test('costs what it adds, whatever it has behind it', async () => {
    const store = memoryStore();
    let read = 0;
    const counted = <T>(list: Iterable<T>): T[] => {
      const all = [...list];
      read += all.length;
      return all;
    };
    let replaying = false;
    const counting: RunStore = {
      ...store,
      journal: (runId, from) => counted(store.journal(runId, from) as Iterable<ReadEntry>),
      events(query) {
        const events = store.events(query) as Iterable<ReadEvent>;
        return replaying ? counted(events) : events;
      },
    };
    const it = await watched(
      (source) => ({
        ...source,
        async replay(runId, options) {
          replaying = true;
          const replay = await source.replay(runId, options);
          replaying = false;
          return replay;
        },
      }),
      counting,
    );
    await it.run.raise({ turns: 100 });
    await it.run.raise({ toolCalls: 100, tokens: 100_000 });
    it.look();
    await settle();
    const costs: number[] = [];
    for (let turn = 0; turn < 40; turn += 1) {
      await settle();
      read = 0;
      await it.say(calling('look'));
      for (let i = 0; i < 3; i += 1) {
        await settle();
        it.simulated.increment(50);
      }
      costs.push(read);
    }
    expect(Math.max(...costs.slice(20))).toBeLessThanOrEqual(Math.max(...costs.slice(0, 5)));
    const whole = await it.runtime.replay(it.run.id);
    expect(it.steps().length).toBe(whole.steps.length);
    expect(it.steps().length).toBeGreaterThan(80);
    await it.run.interrupt();
  });

  test('has said what came while it was read after what came before', async () => {
    const { promise: read, resolve: open } = Promise.withResolvers<void>();
    const it = await watched((source) => ({
      ...source,
      events(query = {}) {
        const events = source.events(query);
        if (!('runId' in query)) return events;
        const gatedEvents = async function* () {
          await read;
          yield* { [Symbol.asyncIterator]: () => events[Symbol.asyncIterator]() };
        };
        return { [Symbol.asyncIterator]: () => gatedEvents() } as never;
      },
    }));
    const shown = () => it.told.findLast((message) => message.type === 'details')?.entries;
    it.look();
    await settle();
    await it.say(calling('look'));
    await settle();
    open();
    await settle();
    await settle();
    const first = shown();
    expect(first?.map(({ type }) => type)).toEqual(['job', 'turn', 'call', 'turn']);
    it.look();
    await settle();
    await settle();
    expect(shown()).toEqual(first);
    await it.run.interrupt();
  });

  test('is found once to say what all its buttons would come to', async () => {
    let found = 0;
    const it = await watched((source) => ({
      ...source,
      asking(runId) {
        found += 1;
        return source.asking(runId);
      },
    }));
    it.look();
    await settle();
    await settle();
    expect(it.told.findLast(({ type }) => type === 'details')).toMatchObject({
      can: { pause: { status: 'accepted' }, resume: { status: 'rejected' }, raise: { status: 'accepted' } },
    });
    expect(found).toBe(1);
  });

  test('that cannot be found has buttons that say so', async () => {
    const it = await watched((source) => ({ ...source, asking: () => Promise.reject(new Error('no disk')) }));
    it.look();
    await settle();
    await settle();
    expect(it.told.findLast(({ type }) => type === 'details')).toMatchObject({
      can: { pause: { status: 'rejected', reason: 'no disk' }, steer: { status: 'rejected', reason: 'no disk' } },
    });
  });

  test('goes on while the page is in the past of another tree', async () => {
    const it = await watched();
    const other = await it.runtime.run(clerk, 'x', { signal: AbortSignal.abort(), runId: 'other' });
    expect(other.status).toBe('interrupted');
    await settle();
    it.simulated.increment(50);
    it.look();
    await settle();
    const page = it.told.length;
    it.travel('other');
    await settle();
    await it.run.steer('More.');
    for (let i = 0; i < 3; i += 1) {
      await settle();
      it.simulated.increment(50);
    }
    const since = it.told.slice(page);
    expect(since.map(({ type }) => type)).toContain('past');
    expect(since.findLast(({ type }) => type === 'progress')).toMatchObject({ rowId: it.run.id });
  });
});
