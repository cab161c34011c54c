import { createRuntime, defineAgent, memoryStore, type RuntimeOptions } from '@troupe/core';
import { isLive, isTerminal, type ReadEvent, type RunEvent, type RunStore } from '@troupe/protocol';
import { checkRunLaws, mortalStore, type Script, scriptedProvider } from '@troupe/testing';
import type { Observable } from 'rxjs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { settle } from '../../../../test/support/open-runtime.ts';
import { calling, delegating, guardedTool } from '../control/tools.ts';

const silent = { warn: () => {}, error: () => {} };

/** Programs at one store, each in a process of its own: what one has stored, the others notice when the test says so. */
const machine = () => {
  const base = memoryStore();
  const listeners = new Set<() => void>();
  const boot = (
    script: Script,
    { store = base, ...options }: Partial<RuntimeOptions> & { store?: typeof base } = {},
  ) => {
    const changes = (heard: () => void) => {
      listeners.add(heard);
      return () => listeners.delete(heard);
    };
    const mortal = mortalStore({ ...store, changes });
    const provider = scriptedProvider(script);
    const runtime = createRuntime({
      provider,
      model: 'm',
      store: mortal.store,
      leaseMs: 0,
      logger: silent,
      ...options,
    });
    onTestFinished(() => (mortal.dead ? undefined : runtime.close({ runs: 'suspend' })));
    return { runtime, kill: () => mortal.die() };
  };
  const notice = async (): Promise<void> => {
    for (const heard of [...listeners]) heard();
    await settle();
  };
  const stored = (query: Parameters<RunStore['events']>[0] = { rootId: 'root' }): RunEvent[] => [
    ...(base.events(query) as Iterable<RunEvent>),
  ];
  return { base, boot, notice, stored, listeners };
};

/** What a stream has told, without live parts, and whether it is at its end. */
const listen = (events$: Observable<RunEvent>) => {
  const heard = { events: [] as RunEvent[], completed: false };
  const subscription = events$.subscribe({
    next: (event) => {
      if (!isLive(event)) heard.events.push(event);
    },
    complete: () => {
      heard.completed = true;
    },
  });
  return Object.assign(heard, { leave: () => subscription.unsubscribe() });
};
/** The same of a loop. */
const loop = (source: AsyncIterable<RunEvent>) => {
  const heard = { events: [] as RunEvent[], completed: false };
  void (async () => {
    for await (const event of source) if (!isLive(event)) heard.events.push(event);
    heard.completed = true;
  })();
  return heard;
};

const clerk = defineAgent({ name: 'clerk', instructions: '' });

describe('a stream of what another process executes', () => {
  test('tells it event by event, and that of a run completes with the run [F-17]', async () => {
    const { boot, notice, stored, listeners } = machine();
    const gate = Promise.withResolvers<string>();
    const there = boot(() => gate.promise);
    const here = boot([]);
    there.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    const run = await here.runtime.attach('root');
    const streams = [
      listen(run.events$),
      loop(run),
      listen(here.runtime.events({ rootId: 'root' })),
      listen(here.runtime.events({ runId: 'root' })),
      listen(here.runtime.events()),
    ];
    await settle();
    const before = stored();
    for (const { events } of streams) expect(events).toEqual(before);
    // when the other process goes on
    gate.resolve('Done.');
    await settle();
    for (const { events } of streams) expect(events).toEqual(before);
    await notice();
    expect(stored().length).toBeGreaterThan(before.length);
    for (const { events } of streams) expect(events).toEqual(stored());
    expect(checkRunLaws(stored())).toEqual([]);
    // then those of the run are at their end, and the others hear of more
    expect(streams.map(({ completed }) => completed)).toEqual([true, true, false, false, false]);
    expect(listeners.size).toBe(3);
    await there.runtime.run(clerk, 'go', { runId: 'next' });
    await notice();
    expect(streams[4]?.events).toEqual(stored({}));
    // until the runtime closes
    await here.runtime.close();
    expect(streams.every(({ completed }) => completed)).toBe(true);
    expect(listeners.size).toBe(0);
  });

  test('hears of nothing any more once it is left', async () => {
    const { boot, listeners } = machine();
    const { runtime } = boot([]);
    const streams = [listen(runtime.events()), listen(runtime.events({ rootId: 'root' }))];
    expect(listeners.size).toBe(2);
    for (const { leave } of streams) leave();
    expect(listeners.size).toBe(0);
    // and what is told by this process alone asks nobody else
    listen(runtime.events$);
    expect(listeners.size).toBe(0);
  });

  test('is over when its own runtime is closed: nobody here hears of the run any more', async () => {
    const { boot, notice } = machine();
    const one = boot(() => new Promise<never>(() => {}));
    one.runtime.start(clerk, 'go', { runId: 'root' });
    await settle();
    const other = boot(() => 'never asked');
    const heard = listen((await other.runtime.attach('root')).events$);
    await notice();
    expect(heard).toMatchObject({ events: [{ type: 'run.started' }, { type: 'turn.started' }], completed: false });
    await other.runtime.close({ runs: 'suspend' });
    expect(heard.completed).toBe(true);
  });

  test('goes on with a run that another process has taken over, to its end', async () => {
    const { boot, notice, stored } = machine();
    const gate = Promise.withResolvers<string>();
    const first = boot(() => ({ hang: true }), { agents: [clerk] });
    const run = first.runtime.start(clerk, 'go', { runId: 'root' });
    const streams = [listen(run.events$), loop(run)];
    await settle();
    const second = boot(() => gate.promise, { agents: [clerk] });
    expect((await second.runtime.recover()).recovered).toHaveLength(1);
    // given that the first process has noticed, and stopped
    const ended = run.ended.catch((error: unknown) => error);
    await run.steer('Hello?');
    expect(await ended).toMatchObject({ code: 'store.fenced' });
    await settle();
    streams.push(listen(run.events$), loop(run));
    gate.resolve('Done.');
    await settle();
    await notice();
    expect(stored().at(-1)).toMatchObject({ type: 'run.completed' });
    for (const { events, completed } of streams) {
      expect(events).toEqual(stored());
      expect(completed).toBe(true);
    }
  });
});

describe('a tree of which two processes execute a part each', () => {
  /** One program executes the root, which waits for `goOn`; another one the child that was let go, once its question is answered. */
  const shared = async () => {
    const { boot, ...rest } = machine();
    const goOn = Promise.withResolvers<string>();
    const leaf = defineAgent({ name: 'leaf', instructions: '', tools: [guardedTool().tool] });
    const lead = defineAgent({ name: 'lead', instructions: '', tools: [delegating(leaf, { onPaused: 'error' })] });
    const agents = [lead, leaf];
    const script: Script = ({ messages }, { agent }) => {
      const isAnswered = messages.some(({ role }) => role === 'tool');
      if (agent === 'leaf') return isAnswered ? 'Leaf done.' : calling('erase');
      return isAnswered ? goOn.promise : calling('ask_leaf');
    };
    const first = boot(script, { agents });
    first.runtime.start(lead, 'go', { runId: 'root' });
    await settle();
    first.kill();
    const { runtime } = boot(script, { agents });
    const run = runtime.start(lead, 'go', { runId: 'root' });
    await settle();
    const elsewhere = boot(script, { agents });
    const answer = async () => {
      expect(await elsewhere.runtime.answer('root/1-0/0/1-0?', true)).toEqual({ status: 'accepted' });
      await settle();
    };
    return { ...rest, runtime, run, goOn, answer };
  };

  test('loses no reader an event: what the other one stored is told before what comes after it here [L6, F-17]', async () => {
    const { runtime, run, goOn, answer, stored } = await shared();
    const streams = [
      listen(run.events$),
      loop(run),
      listen(runtime.events({ rootId: 'root' })),
      loop(runtime.events({ rootId: 'root' })),
      listen(runtime.events()),
      loop(runtime.events()),
    ];
    const told = listen(runtime.events$);
    await settle();
    // when the child ends elsewhere, which nobody here notices, and then the root here
    await answer();
    goOn.resolve('Done.');
    await run.ended;
    await settle();
    // then this process has told its own part, and every reader the whole
    const places = told.events.map((event) => (isLive(event) ? 0 : event.rootSeq));
    expect(places.at(-1)).toBe(stored().length);
    expect(new Set(told.events.map(({ runId }) => runId))).toEqual(new Set(['root']));
    for (const { events } of streams) expect(events).toEqual(stored());
    expect(streams.slice(0, 2).map(({ completed }) => completed)).toEqual([true, true]);
  });

  test('is followed by a reader of the part elsewhere, also when this process has nothing of it left', async () => {
    const { runtime, run, goOn, answer, notice, stored } = await shared();
    const child = await runtime.attach('root/1-0/0');
    const streams = [listen(child.events$), loop(child)];
    goOn.resolve('Done.');
    await run.ended;
    await settle();
    expect(streams.map(({ completed }) => completed)).toEqual([false, false]);
    await answer();
    await notice();
    const whole = stored({ runId: 'root/1-0/0' });
    expect(isTerminal(whole.at(-1) as RunEvent)).toBe(true);
    for (const { events, completed } of streams) {
      expect(events).toEqual(whole);
      expect(completed).toBe(true);
    }
  });
});

test('a reader over all trees that comes with the cursor of an event that is stored and not told yet is not given it [F-17]', async () => {
  // given a store that says late that it has stored something
  const { base, boot, stored } = machine();
  const answers = Promise.withResolvers<void>();
  const commit: typeof base.commit = async (steps) => {
    const events = await base.commit(steps);
    await answers.promise;
    return events;
  };
  const { runtime } = boot(['Done.'], { store: { ...base, commit } });
  runtime.start(clerk, 'go', { runId: 'root' });
  await settle();
  // and readers that have had one event of it, or two
  const cursors = stored({}).map((event) => (event as ReadEvent).cursor);
  expect(cursors).toHaveLength(2);
  const streams = cursors.map((after) => listen(runtime.events({ after })));
  const loops = cursors.map((after) => loop(runtime.events({ after })));
  // when all of it is told
  answers.resolve();
  await settle();
  // then they are given the rest, once
  expect(stored({}).at(-1)).toMatchObject({ type: 'run.completed' });
  for (const readers of [streams, loops])
    expect(readers.map(({ events }) => events)).toEqual([stored({}).slice(1), stored({}).slice(2)]);
});
