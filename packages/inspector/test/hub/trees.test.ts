/** Which trees of a store are shown: a real hub over a real store, told apart from all that is stored. */
import { createRuntime, memoryStore, storedRuns, systemClock } from '@troupe/core';
import { pathsOf, scriptedProvider } from '@troupe/testing';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { newWorld, tellWorld } from '../../page/src/model/world.ts';
import { openHub } from '../../src/hub/hub.ts';
import { type RunSource, runtimeSource, storeSource } from '../../src/hub/run-source.ts';
import type { TreeLimits } from '../../src/hub/trees.ts';
import { type Listed, treesMachine } from '../../src/hub/trees-machine.ts';
import { type Line, ToPage } from '../../src/index.ts';
import { clerk } from '../clerk.ts';
import { until } from '../page.ts';
import { calling } from '../program.ts';
import { settle } from './gated-hub.ts';

/** A program whose runs end at once, or wait for a person when they are told to. */
const openProgram = () => {
  const store = memoryStore();
  const provider = scriptedProvider(({ messages }, { turn }) =>
    turn === 1 && JSON.stringify(messages).includes('Wait') ? calling('erase') : 'Done.',
  );
  const runtime = createRuntime({ provider, model: 'test-model', store, agents: [clerk] });
  onTestFinished(() => runtime.close());
  return {
    store,
    runtime,
    /** Runs, one after another. */
    async run(...ids: string[]) {
      for (const runId of ids) await runtime.run(clerk, 'Go.', { runId });
    },
    async wait(runId: string) {
      const { questions } = await runtime.start(clerk, 'Wait.', { runId }).report;
      return () => runtime.attach(runId).then((run) => run.answer(questions[0]?.id ?? '', true).then(() => run.ended));
    },
  };
};

const openHubOver = async (source: RunSource, limits: TreeLimits) => {
  const logged: string[] = [];
  const hub = openHub({
    source,
    name: 'test',
    inspectUrl: '',
    clock: { ...systemClock, setTimeout: (act, ms) => systemClock.setTimeout(act, Math.min(ms, 1)) },
    logger: { warn() {}, error: (text) => void logged.push(text) },
    maxBufferedBytes: 1e6,
    limits,
  });
  onTestFinished(() => hub.close());
  await settle();
  let asked = 0;
  return {
    hub,
    logged,
    /** A page: the rows that it shows, and what it asks. */
    come() {
      const told: ToPage[] = [];
      const lines = new Map<string, Line>();
      let older: boolean | undefined;
      const page = hub.connect({
        send(text) {
          const message = ToPage.parse(JSON.parse(text));
          told.push(message);
          if (message.type !== 'hello' && message.type !== 'frame') return;
          for (const line of message.lines) lines.set(line.id, line);
          if (message.type === 'frame') for (const id of message.gone) lines.delete(id);
          older = message.older ?? older;
        },
        buffered: () => 0,
        drop() {},
      });
      const say = (message: object) => page.receive(JSON.stringify(message));
      return {
        told,
        lines,
        ids: () => [...lines.keys()].toSorted(),
        isThereMore: () => older,
        say,
        leave: () => page.leave(),
        async older(runId?: string) {
          const id = `q${++asked}`;
          say({ type: 'older', id, ...(runId !== undefined && { runId }) });
          return until(() => told.find((each) => 'id' in each && each.id === id));
        },
      };
    },
  };
};

const numbered = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `r${from + i}`);

describe('a store with many runs', () => {
  test.each(['runtime', 'store'] as const)(
    'of a %s: the newest are shown and those that go on, older ones when they are asked for',
    async (kind) => {
      const { run, wait, runtime, store } = openProgram();
      await wait('old and waiting');
      await run(...numbered(10, 19));
      const source = kind === 'runtime' ? runtimeSource(runtime) : storeSource(storedRuns(store));
      const { come } = await openHubOver(source, { runs: 4, rows: 100, last: 1 });
      const page = come();
      expect(page.told[0]).toMatchObject({ type: 'hello', older: true });
      expect(page.ids()).toEqual(['old and waiting', ...numbered(16, 19)]);
      // what happened in them is told in the order in which it did
      const { happenings } = page.told[0] as Extract<ToPage, { type: 'hello' }>;
      expect(new Set(happenings.map(({ rootId }) => rootId))).toEqual(new Set(page.ids()));
      expect(happenings.map(({ at }) => at)).toEqual(happenings.map(({ at }) => at).toSorted((a, b) => a - b));
      expect(await page.older()).toMatchObject({ type: 'older', rows: 4 });
      expect(page.ids()).toEqual(['old and waiting', ...numbered(12, 19)]);
      expect(page.isThereMore()).toBe(true);
      expect(await page.older()).toMatchObject({ type: 'older', rows: 2 });
      expect(page.ids()).toEqual(['old and waiting', ...numbered(10, 19)]);
      expect(page.isThereMore()).toBe(false);
      expect(await page.older()).toMatchObject({ type: 'older', rows: 0 });
      // and what comes is shown with them: a store in memory says nothing to those who only read it
      if (kind === 'store') return;
      await run('r20');
      await until(() => page.lines.get('r20')?.status === 'completed');
    },
  );

  test('shows the tree of a run that is asked for by its id, or looked at, whole', async () => {
    const { run, runtime } = openProgram();
    await run(...numbered(10, 19));
    const { come } = await openHubOver(runtimeSource(runtime), { runs: 2, rows: 100, last: 1 });
    const page = come();
    expect(await page.older('r13')).toMatchObject({ type: 'older', rows: 1 });
    expect(page.lines.get('r13')).toMatchObject({ status: 'completed', turn: 1 });
    expect(await page.older('r13')).toMatchObject({ type: 'older', rows: 0 });
    expect(await page.older('nobody')).toMatchObject({
      type: 'error',
      code: 'run.unknown',
      message: 'No run "nobody" is stored here.',
    });
    page.say({ type: 'watch', rowId: 'r11' });
    const details = await until(() => page.told.find((each) => each.type === 'details'));
    expect(details).toMatchObject({ rowId: 'r11', entries: expect.arrayContaining([expect.anything()]) });
    expect(page.ids()).toEqual(['r11', 'r13', 'r18', 'r19']);
    page.say({ type: 'history', id: 'h', rootId: 'r11' });
    const history = await until(() => page.told.find((each) => each.type === 'history'));
    expect(history).toMatchObject({ complete: true });
  });

  test('a tree that nobody showed is shown when it goes on', async () => {
    const { run, wait, store, runtime } = openProgram();
    const goOn = await wait('first');
    for (const id of ['second', 'third']) await wait(id);
    await run(...numbered(10, 12));
    const { come } = await openHubOver(storeSource(storedRuns(store)), { runs: 2, rows: 100, last: 1 });
    const other = await openHubOver(runtimeSource(runtime), { runs: 2, rows: 100, last: 1 });
    const pages = [come(), other.come()];
    for (const page of pages) expect(page.ids()).toEqual(['r11', 'r12', 'second', 'third']);
    await goOn();
    const [, live] = pages;
    await until(() => live?.lines.get('first')?.status === 'completed');
    expect(live?.lines.get('first')).toMatchObject({ turn: 2, seq: expect.any(Number) });
  });

  test('a tree that cannot be read when it goes on is said to the log once, and may be asked for again', async () => {
    const { wait, runtime } = openProgram();
    const goOn = await wait('first');
    await wait('second');
    const inner = runtimeSource(runtime);
    let fail: ((error: Error) => void) | undefined;
    const events: RunSource['events'] = (query, options) => {
      if (!(query && 'rootId' in query && query.rootId === 'first') || fail) return inner.events(query, options);
      const broken = new Promise<never>((_, reject) => {
        fail = reject;
      });
      return { [Symbol.asyncIterator]: () => ({ next: () => broken }) } as never;
    };
    const { come, logged } = await openHubOver({ ...inner, events }, { runs: 1, rows: 100, last: 1 });
    const page = come();
    await goOn();
    fail?.(new Error('no disk'));
    await until(() => logged.length > 0);
    expect(logged).toEqual(['The inspector could not read tree "first".']);
    expect(page.lines.get('first')).toBeUndefined();
    await page.older('first');
    expect(page.lines.get('first')).toMatchObject({ status: 'completed' });
  });

  test('what was asked for goes on from the top where the place in the list was forgotten', async () => {
    const { run, wait, runtime } = openProgram();
    for (const id of ['w1', 'w2', 'w3']) await wait(id);
    await run(...numbered(10, 19));
    const { come } = await openHubOver(runtimeSource(runtime), { runs: 2, rows: 100, last: 1 });
    const page = come();
    expect(page.ids()).toEqual(['r18', 'r19', 'w2', 'w3']);
    await runtime.runs.prune({ olderThan: 0, keep: 0 });
    expect(await page.older()).toMatchObject({ type: 'older', rows: 1 });
    expect(page.ids()).toContain('w1');
    expect(page.isThereMore()).toBe(false);
  });
});

/** The events of a tree, as a source gives them that somebody holds up or breaks. */
const slowly = (
  events: ReturnType<RunSource['events']>,
  between: (n: number) => Promise<void> | void,
): ReturnType<RunSource['events']> =>
  ({
    async *[Symbol.asyncIterator]() {
      let n = 0;
      for await (const event of { [Symbol.asyncIterator]: () => events[Symbol.asyncIterator]() }) {
        yield event;
        n += 1;
        await between(n);
      }
      await between(-1);
    },
  }) as never;

describe('while trees are read', () => {
  test('an inspector that is closed follows nothing any more', async () => {
    const { runtime, run } = openProgram();
    await run('r1');
    const inner = runtimeSource(runtime);
    const gate = Promise.withResolvers<void>();
    let followed = 0;
    const source: RunSource = {
      ...inner,
      async cursor() {
        await gate.promise;
        return inner.cursor();
      },
      events(query, options) {
        if (!(query && 'rootId' in query)) followed += 1;
        return inner.events(query, options);
      },
    };
    const { hub } = await openHubOver(source, { runs: 5, rows: 10, last: 1 });
    hub.close();
    gate.resolve();
    await settle();
    expect(followed).toBe(0);
  });

  test('one that fails in the midst is not there, and is read whole when it is asked for again', async () => {
    const { runtime, run, wait } = openProgram();
    const goOn = await wait('first');
    await wait('second');
    await run('r1');
    const inner = runtimeSource(runtime);
    let fails = true;
    const events: RunSource['events'] = (query, options) =>
      query && 'rootId' in query && query.rootId === 'first'
        ? slowly(inner.events(query, options), () => {
            if (fails) throw new Error('no disk');
          })
        : inner.events(query, options);
    const { come } = await openHubOver({ ...inner, events }, { runs: 1, rows: 100, last: 1 });
    const page = come();
    expect(await page.older('first')).toMatchObject({ type: 'error', message: expect.stringContaining('no disk') });
    await settle();
    expect(page.lines.has('first')).toBe(false);
    fails = false;
    expect(await page.older('first')).toMatchObject({ type: 'older', rows: 1 });
    await goOn();
    await until(() => page.lines.get('first')?.status === 'completed');
  });

  test('a page that comes knows what it was not told', async () => {
    const { runtime, run } = openProgram();
    await run('r1');
    const inner = runtimeSource(runtime);
    const gate = Promise.withResolvers<void>();
    const events: RunSource['events'] = (query, options) =>
      query && 'rootId' in query
        ? slowly(inner.events(query, options), (n) => (n === 2 ? gate.promise : undefined))
        : inner.events(query, options);
    const { come } = await openHubOver({ ...inner, events }, { runs: 5, rows: 100, last: 1 });
    const page = come();
    gate.resolve();
    await until(() => page.lines.get('r1')?.status === 'completed');
    const world = newWorld();
    for (const message of page.told) tellWorld(world, message, 0);
    expect(world.happened.get('r1')?.map(({ rootSeq }) => rootSeq)).toEqual([1, 2]);
    expect([...world.incomplete]).toEqual(['r1']);
  });

  test('one that is brought makes no room for others before it is there', async () => {
    const { runtime, run } = openProgram();
    await run(...numbered(10, 19));
    const inner = runtimeSource(runtime);
    const events: RunSource['events'] = (query, options) =>
      query && 'rootId' in query && query.rootId === 'r11'
        ? slowly(inner.events(query, options), (n) => (n < 0 ? new Promise((go) => setTimeout(go, 10)) : undefined))
        : inner.events(query, options);
    const { come } = await openHubOver({ ...inner, events }, { runs: 4, rows: 4, last: 1 });
    const page = come();
    expect(await page.older('r11')).toMatchObject({ type: 'older', rows: 1 });
    expect(page.lines.get('r11')).toMatchObject({ status: 'completed' });
  });

  test('many runs of one that go on do not hide what another one asks', async () => {
    const { runtime, run, wait } = openProgram();
    await wait('asks');
    await run('busy', 'r1');
    const inner = runtimeSource(runtime);
    const busy = numbered(1, 5).map((id) => ({ runId: `busy/${id}`, rootId: 'busy', status: 'running' }) as never);
    const list: RunSource['list'] = async (filter) => {
      if (filter.status === undefined) return inner.list(filter);
      const rows = [...busy, ...(await inner.list({ status: filter.status }))];
      const from = rows.findIndex(({ runId }) => runId === filter.before) + 1;
      return rows.slice(from, from + (filter.limit ?? 100));
    };
    const { come } = await openHubOver({ ...inner, list }, { runs: 2, rows: 100, last: 1 });
    const page = come();
    expect(page.told[0]).toMatchObject({ type: 'hello', questions: [expect.anything()] });
    expect(page.ids()).toContain('asks');
  });
});

describe('rows', () => {
  test('of trees that are over make room for others, those of which was heard longest ago first', async () => {
    const { run, wait, runtime } = openProgram();
    await wait('waits');
    await run('r10');
    const { come } = await openHubOver(runtimeSource(runtime), { runs: 5, rows: 6, last: 1 });
    const page = come();
    await run(...numbered(11, 20));
    await until(() => page.lines.has('r20') && page.lines.size <= 6);
    expect(page.ids()).toEqual([
      ...page
        .ids()
        .slice(0, -1)
        .map((_, i, all) => `r${21 - all.length + i}`),
      'waits',
    ]);
    expect(page.isThereMore()).toBe(true);
    // they are stored all the same, and come back: no page's room is too small for what it asks for
    for (let more = true; more; more = page.isThereMore() === true) await page.older();
    expect(page.ids()).toEqual([...numbered(10, 20), 'waits']);
    await run('r21');
    await until(() => page.lines.has('r21'));
    expect(page.lines.size).toBeGreaterThan(6);
    // until nobody is there any more
    page.leave();
    await run('r22');
    await settle();
    const next = come();
    await until(() => next.lines.size <= 6);
    expect(next.isThereMore()).toBe(true);
  });

  test('of the trees that were heard of last stay, however many they are', async () => {
    const { run, runtime } = openProgram();
    const { come } = await openHubOver(runtimeSource(runtime), { runs: 5, rows: 1, last: 2 });
    const page = come();
    await run(...numbered(11, 20));
    await until(() => page.lines.has('r20') && page.lines.size <= 2);
    expect(page.ids()).toEqual(['r19', 'r20']);
  });

  test('of a tree that somebody looks at, now or as it was, stay', async () => {
    const { run, runtime } = openProgram();
    await run('r10', 'r11', 'r12');
    const { come } = await openHubOver(runtimeSource(runtime), { runs: 5, rows: 4, last: 1 });
    const [page, other] = [come(), come()];
    page.say({ type: 'watch', rowId: 'r10' });
    other.say({ type: 'travel', rootId: 'r11', rootSeq: 2 });
    await until(
      () => page.told.some(({ type }) => type === 'details') && other.told.some(({ type }) => type === 'past'),
    );
    await run(...numbered(13, 20));
    await until(() => page.lines.has('r20') && page.lines.size <= 4);
    expect(page.ids().slice(0, 2)).toEqual(['r10', 'r11']);
  });

  test('of a tree of which another row is looked for stay, too', async () => {
    const { run, runtime } = openProgram();
    await run('r10', 'r11', 'r12');
    const inner = runtimeSource(runtime);
    let gate = Promise.resolve();
    const get: RunSource['get'] = async (runId) => {
      await gate;
      return inner.get(runId);
    };
    const { come } = await openHubOver({ ...inner, get }, { runs: 5, rows: 4, last: 1 });
    const page = come();
    page.say({ type: 'watch', rowId: 'r10' });
    await until(() => page.told.some(({ type }) => type === 'details'));
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    page.say({ type: 'watch', rowId: 'r10' });
    await run(...numbered(13, 20));
    await until(() => page.lines.has('r20') && page.lines.size <= 4);
    resolve();
    await until(() => page.told.filter(({ type }) => type === 'details').length === 2);
    expect(page.ids()).toContain('r10');
  });

  test('that are gone leave nothing on a page', async () => {
    const { run, wait, runtime } = openProgram();
    for (const id of numbered(1, 6)) await wait(id);
    const { come } = await openHubOver(runtimeSource(runtime), { runs: 10, rows: 4, last: 1 });
    const page = come();
    for (let from = 10; from < 100; from += 3) await run(...numbered(from, from + 2));
    await until(() => page.lines.get('r99')?.status === 'completed');
    const world = newWorld();
    for (const message of page.told) tellWorld(world, message, 0);
    const rows = [...world.forest.lines.keys()];
    expect([...world.happened.keys()].filter((id) => !rows.includes(id))).toEqual([]);
    expect([...world.incomplete].filter((id) => !rows.includes(id))).toEqual([]);
  });

  test('never are too many nor too few, whatever runs, waits, goes on and is asked for', async () => {
    const deeds = fc.constantFrom('run', 'wait', 'go on', 'older', 'prune', 'leave', 'come');
    await fc.assert(
      fc.asyncProperty(fc.array(deeds, { maxLength: 25 }), async (all) => {
        const { run, wait, runtime } = openProgram();
        await run('a', 'b', 'c');
        const limits = { runs: 2, rows: 4, last: 1 };
        const { come, hub, logged } = await openHubOver(runtimeSource(runtime), limits);
        let page = come();
        const waiting = new Map<string, () => Promise<unknown>>();
        let [number, room] = [0, limits.rows];
        for (const deed of all) {
          if (deed === 'run') await run(`r${number++}`);
          if (deed === 'wait') waiting.set(`w${number}`, await wait(`w${number++}`));
          if (deed === 'go on') {
            const [first] = waiting;
            if (first) waiting.delete(first[0]);
            await first?.[1]();
          }
          if (deed === 'older') {
            await page.older();
            room = Math.max(room, page.lines.size);
          }
          if (deed === 'prune') await runtime.runs.prune({ olderThan: 0 });
          if (deed === 'leave' || deed === 'come') {
            if (deed === 'leave') page.leave();
            if (deed === 'leave') room = limits.rows;
            page = come();
          }
          await settle();
          await settle();
        }
        await run('last');
        await until(() => page.lines.get('last')?.status === 'completed');
        for (const id of waiting.keys()) expect(page.ids()).toContain(id);
        await until(
          () => page.lines.size <= Math.max(room, waiting.size + limits.last),
          () => page.ids(),
        );
        // everything that is stored comes when it is asked for
        for (let i = 0; i < 20 && page.isThereMore(); i++) await page.older();
        const stored = (await runtime.runs.list({ limit: 1_000 })).map(({ runId }) => runId);
        expect(page.ids()).toEqual(expect.arrayContaining(stored));
        expect(logged).toEqual([]);
        hub.close();
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});

const listed = (hasOlder: boolean, rootIds: string[] = ['x']): Listed => ({ rootIds, before: 'x', hasOlder });
const paths = pathsOf(treesMachine, {
  abstract: ({ hasOlder, problem, rootIds, before }) => [hasOlder, problem !== null, rootIds.length > 0, before],
  events: [{ type: 'older' }],
  settles: {
    open: () => [{ output: listed(true) }, { output: listed(false) }, { error: new Error('no disk') }],
    list: () => [
      { output: listed(true) },
      { output: listed(true, []) },
      { output: listed(false) },
      { error: new Error('no disk') },
    ],
    load: () => [{ output: undefined }, { error: new Error('no disk') }],
  },
});

test(`whatever fails, and whenever more is asked for, everything is shown in the end: ${paths.length} paths`, async () => {
  expect(paths.length).toBeGreaterThan(10);
  const { run, runtime, wait } = openProgram();
  await wait('waits');
  await run(...numbered(10, 16));
  for (const { description, steps } of paths) {
    const gates: { open(): void; fail(): void }[] = [];
    let isOpen = false;
    const gate = () =>
      new Promise<void>((open, reject) =>
        isOpen ? open() : gates.push({ open, fail: () => reject(new Error('no disk')) }),
      );
    const inner = runtimeSource(runtime);
    const { come, hub, logged } = await openHubOver(
      {
        ...inner,
        async cursor() {
          await gate();
          return inner.cursor();
        },
        async list(filter) {
          if (filter.before !== undefined) await gate();
          return inner.list(filter);
        },
        events(query = {}, options) {
          const events = inner.events(query, options);
          if (!('rootId' in query)) return events;
          const read = async function* () {
            await gate();
            yield* { [Symbol.asyncIterator]: () => events[Symbol.asyncIterator]() };
          };
          return { [Symbol.asyncIterator]: () => read() } as never;
        },
      },
      { runs: 2, rows: 100, last: 1 },
    );
    const page = come();
    let asked = 0;
    let fails = false;
    for (const { event } of steps.slice(1)) {
      if (event.type === 'older') page.say({ type: 'older', id: `older ${asked++}` });
      const all = gates.splice(0);
      if (event.type.startsWith('xstate.error')) {
        fails ||= all.length > 0;
        all.pop()?.fail();
      }
      if (event.type.startsWith('xstate')) for (const { open } of all) open();
      else gates.push(...all);
      await settle();
    }
    isOpen = true;
    for (const { open } of gates.splice(0)) open();
    await settle();
    for (let i = 0; i < 20 && page.isThereMore() !== false; i++) await page.older();
    expect(page.ids(), description).toEqual([...numbered(10, 16), 'waits']);
    // each question was answered once, and whoever did not ask was told by the log
    for (let i = 0; i < asked; i++)
      expect(
        page.told.filter((each) => 'id' in each && each.id === `older ${i}`),
        description,
      ).toHaveLength(1);
    if (!fails) expect(logged, description).toEqual([]);
    hub.close();
  }
}, 60_000);
